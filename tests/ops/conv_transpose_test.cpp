// Transposed convolutions against the definition, finite differences and values of PyTorch.
#include <stet/ops/conv_transpose.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace conv_transpose_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet::testing::check_gradient;
using stet_test::equal;
using stet_test::uniform;
using stet_test::whole;

namespace {

struct Case {
  const char* name;
  Shape x, w;
  ConvTransposeOptions options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"one by one", {2, 3, 4, 3}, {5, 1, 1, 3}, {}},
      {"same", {2, 4, 3, 2}, {3, 3, 3, 2}, {}},
      {"same, stride 2", {2, 3, 4, 2}, {3, 3, 3, 2}, {.stride = 2}},
      {"same, stride beyond the kernel", {1, 3, 3, 2}, {2, 2, 2, 2}, {.stride = 3}},
      {"valid", {1, 3, 4, 2}, {3, 3, 2, 2}, {.padding = Padding::valid()}},
      {"valid, strides", {1, 3, 2, 2}, {3, 2, 3, 2}, {.stride = {2, 3}, .padding = Padding::valid()}},
      {"valid, stride beyond the kernel", {1, 3, 3, 1}, {2, 1, 2, 1}, {.stride = 3, .padding = Padding::valid()}},
      {"uneven padding", {1, 4, 3, 2}, {2, 3, 4, 2}, {.stride = 2, .padding = Padding::of(2, 0, 1, 3)}},
      {"uneven padding, stride 1", {1, 4, 3, 2}, {2, 3, 4, 2}, {.padding = Padding::of(2, 1, 0, 3)}},
      {"more than a panel of channels", {1, 2, 3, 37}, {17, 2, 2, 37}, {.stride = 2}},
  };
  return all;
}

// The definition: each input pixel adds the kernel to the result.
Tensor<double> naive(const Case& c, const Tensor<double>& x, const Tensor<double>& w, const Tensor<double>& b, const Window& window) {
  const std::int64_t filters = c.w[0], channels = c.w[3];
  Tensor<double> y = Tensor<double>::zeros({c.x[0], window.h.in, window.w.in, filters});
  const auto out = y.edit();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = b[static_cast<std::int64_t>(i) % filters];
  for (std::int64_t p = 0; p < c.x[0] * c.x[1] * c.x[2]; ++p) {
    for (std::int64_t t = 0; t < window.taps(); ++t) {
      const std::int64_t i = p / c.x[2] % c.x[1] * window.h.stride + t / c.w[2] - window.h.before;
      const std::int64_t j = p % c.x[2] * window.w.stride + t % c.w[2] - window.w.before;
      if (i < 0 || j < 0 || i >= window.h.in || j >= window.w.in) continue;
      for (std::int64_t o = 0; o < filters; ++o) {
        for (std::int64_t k = 0; k < channels; ++k) {
          out[static_cast<std::size_t>(((p / c.x[2] / c.x[1] * window.h.in + i) * window.w.in + j) * filters + o)] +=
              x[p * channels + k] * w[(o * window.taps() + t) * channels + k];
        }
      }
    }
  }
  return y;
}

Tensor<float> image(const Shape& shape, std::vector<float> values) { return Tensor<float>(shape, std::span<const float>(values)); }

}  // namespace

TEST_CASE("conv_transpose is its definition", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto x = whole<double>(c.x, 1, -9, 9), w = whole<double>(c.w, 2, -9, 9), b = whole<double>({c.w[0]}, 3, -9, 9);
    const Window window = conv_transpose_window(c.x, c.w, nullptr, c.options);
    CHECK(equal(conv_transpose_forward<double>(x, w, &b, window), naive(c, x, w, b, window)));
  }
}

TEST_CASE("conv_transpose's gradients are those of finite differences", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto report = check_gradient([&](auto x, auto w) { return conv_transpose(x, w, c.options); }, {uniform(c.x, 1), uniform(c.w, 2)});
    INFO(report.str());
    CHECK(report.ok());
    const auto biased = check_gradient([&](auto x, auto w, auto b) { return conv_transpose(x, w, b, c.options); },
                                       {uniform(c.x, 1), uniform(c.w, 2), uniform({c.w[0]}, 3)});
    INFO(biased.str());
    CHECK(biased.ok());
  }
}

TEST_CASE("conv_transpose takes gradients back through a convolution", "[ops]") {
  const auto dy = whole<double>({2, 3, 4, 3}, 1, -9, 9), w = whole<double>({3, 3, 3, 2}, 2, -9, 9);
  const Window window = conv2d_window({2, 5, 7, 2}, w.shape(), nullptr, {.stride = 2, .padding = Padding::of(1)});
  const Tensor<double> dx = conv2d_backward_input(dy, w, window, 1, {2, 5, 7, 2});
  const auto swapped = detail::swapped_channels(w);
  const Window same = conv_transpose_window(dy.shape(), swapped.shape(), nullptr, {.stride = 2, .padding = Padding::of(1)});
  CHECK(equal(conv_transpose_forward<double>(dy, swapped, nullptr, same), dx));
}

TEST_CASE("conv_transpose has the values of torch.nn.ConvTranspose2d", "[ops]") {
  const Tensor<float> x = image({1, 2, 2, 1}, {0, 1, 2, 3}), k = image({1, 2, 2, 1}, {0, 1, 2, 3});
  const auto made = [&](const ConvTransposeOptions& o) {
    return conv_transpose_forward<float>(x, k, nullptr, conv_transpose_window(x.shape(), k.shape(), nullptr, o));
  };
  CHECK(equal(made({.padding = Padding::valid()}), image({1, 3, 3, 1}, {0, 0, 1, 0, 4, 6, 4, 12, 9})));
  CHECK(equal(made({.stride = 2, .padding = Padding::valid()}),
              image({1, 4, 4, 1}, {0, 0, 0, 1, 0, 0, 2, 3, 0, 2, 0, 3, 4, 6, 6, 9})));
  CHECK(equal(made({.padding = Padding::of(1)}), image({1, 1, 1, 1}, {4})));
}

TEST_CASE("conv_transpose refuses what does not fit", "[ops]") {
  const auto complaint = [](const Shape& x, const Shape& w, const ConvTransposeOptions& o) -> std::string {
    try {
      (void)conv_transpose_window(x, w, nullptr, o);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK_THAT(complaint({3, 4, 2}, {1, 2, 2, 2}, {}), ContainsSubstring("input must be [N,H,W,C]"));
  CHECK_THAT(complaint({1, 3, 4, 2}, {1, 2, 2, 3}, {}), ContainsSubstring("weight expects 3 input channels, input has 2"));
  CHECK_THAT(complaint({1, 3, 4, 2}, {1, 2, 2, 2}, {.stride = 0}), ContainsSubstring("stride 0 must be at least 1"));
  CHECK_THAT(complaint({1, 3, 4, 2}, {1, 2, 2, 2}, {.padding = Padding::of(2)}), ContainsSubstring("must be less than the kernel of 2"));
  CHECK_THAT(complaint({1, 1, 4, 2}, {1, 2, 2, 2}, {.padding = Padding::of(1)}), ContainsSubstring("leave nothing of the 2"));
}

}  // namespace conv_transpose_test
