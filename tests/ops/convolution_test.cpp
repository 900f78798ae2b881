// Convolutions: every combination of attributes against the definition and finite differences.
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

namespace convolution_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::equal;
using stet_test::uniform;
using stet_test::whole;

namespace {

struct Case {
  const char* name;
  Shape x, w;
  ConvOptions options;
};

// Output sizes from one line to several bands, channels below, at and above a vector, strides, dilations, groups.
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"one by one", {2, 3, 4, 3}, {5, 1, 1, 3}, {}},
      {"one by one, strided", {2, 5, 4, 3}, {4, 1, 1, 3}, {.stride = 2}},
      {"same", {2, 5, 4, 2}, {3, 3, 3, 2}, {}},
      {"valid", {1, 5, 6, 2}, {3, 3, 2, 2}, {.padding = Padding::valid()}},
      {"same, stride 2", {2, 5, 6, 2}, {3, 3, 3, 2}, {.stride = 2}},
      {"stride beyond the kernel", {1, 7, 7, 1}, {2, 2, 2, 1}, {.stride = 3, .padding = Padding::valid()}},
      {"uneven explicit padding", {1, 4, 3, 2}, {2, 3, 3, 2}, {.padding = Padding::of(2, 0, 1, 3)}},
      {"padding beyond the kernel", {1, 3, 3, 1}, {1, 2, 2, 1}, {.padding = Padding::of(3)}},
      {"dilation", {1, 6, 7, 2}, {2, 3, 2, 2}, {.dilation = Pair(2, 3)}},
      {"dilation and stride", {1, 7, 6, 2}, {2, 2, 3, 2}, {.stride = Pair(1, 2), .dilation = 2}},
      {"groups", {1, 4, 4, 4}, {6, 3, 3, 2}, {.groups = 2}},
      {"groups, stride 2", {1, 5, 4, 6}, {3, 3, 3, 2}, {.stride = 2, .groups = 3}},
      {"one channel per group", {1, 4, 3, 3}, {6, 2, 2, 1}, {.groups = 3}},
      {"a full vector of filters", {1, 3, 3, 1}, {16, 2, 2, 1}, {}},
      {"more than a panel of filters", {1, 3, 2, 1}, {37, 2, 2, 1}, {}},
      {"more than a panel of channels", {1, 2, 3, 37}, {1, 2, 2, 37}, {}},
  };
  return all;
}

// The definition, tap by tap.
Tensor<double> naive(const Tensor<double>& x, const Tensor<double>& w, const Window& window, int groups) {
  const std::int64_t filters = w.shape()[0], channels = w.shape()[3];
  Tensor<double> y = Tensor<double>::zeros({x.shape()[0], window.h.out, window.w.out, filters});
  const auto out = y.edit();
  std::size_t at = 0;
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    for (std::int64_t i = 0; i < window.h.out; ++i) {
      for (std::int64_t j = 0; j < window.w.out; ++j) {
        for (std::int64_t o = 0; o < filters; ++o, ++at) {
          for (std::int64_t t = 0; t < window.taps() * channels; ++t) {
            const std::int64_t c = t % channels, kx = t / channels % window.w.kernel,
                               ky = t / channels / window.w.kernel;
            const std::int64_t iy = i * window.h.stride - window.h.before + ky * window.h.dilation;
            const std::int64_t ix = j * window.w.stride - window.w.before + kx * window.w.dilation;
            if (iy < 0 || ix < 0 || iy >= window.h.in || ix >= window.w.in) continue;
            const std::int64_t channel = o / (filters / groups) * channels + c;
            out[at] += x[((n * window.h.in + iy) * window.w.in + ix) * x.shape()[3] + channel] *
                       w[o * window.taps() * channels + t];
          }
        }
      }
    }
  }
  return y;
}

Window window_of(const Case& c) { return conv2d_window(c.x, c.w, nullptr, c.options); }

}  // namespace

TEST_CASE("conv2d is its definition", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto x = whole<double>(c.x, 1, -9, 9);
    const auto w = whole<double>(c.w, 2, -9, 9);
    CHECK(equal(conv2d_forward<double>(x, w, nullptr, window_of(c), c.options.groups),
                naive(x, w, window_of(c), c.options.groups)));
  }
}

TEST_CASE("conv2d of large images is its definition, band by band", "[ops]") {
  const auto x = whole<double>({2, 40, 33, 9}, 1, -9, 9);
  const auto w = whole<double>({5, 3, 3, 9}, 2, -9, 9);
  for (const ConvOptions& options :
       {ConvOptions{}, ConvOptions{.stride = 2}, ConvOptions{.padding = Padding::valid()}}) {
    const Window window = conv2d_window(x.shape(), w.shape(), nullptr, options);
    CHECK(equal(conv2d_forward<double>(x, w, nullptr, window, 1), naive(x, w, window, 1)));
  }
}

TEST_CASE("conv2d's gradients are those of finite differences", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto report =
        check_gradient([&](auto x, auto w) { return conv2d(x, w, c.options); }, {uniform(c.x, 1), uniform(c.w, 2)});
    INFO(report.str());
    CHECK(report.ok());
    const auto biased = check_gradient([&](auto x, auto w, auto b) { return conv2d(x, w, b, c.options); },
                                       {uniform(c.x, 1), uniform(c.w, 2), uniform({c.w[0]}, 3)});
    INFO(biased.str());
    CHECK(biased.ok());
  }
}

TEST_CASE("depthwise_conv2d's gradients are those of finite differences", "[ops]") {
  struct Depthwise {
    const char* name;
    Shape x, w;
    DepthwiseConvOptions options;
  };
  for (const Depthwise& c :
       {Depthwise{"same", {2, 4, 5, 3}, {1, 3, 3, 3}, {}},
        Depthwise{"stride 2", {1, 5, 6, 2}, {1, 3, 3, 2}, {.stride = 2}},
        Depthwise{"multiplier 2", {1, 4, 3, 3}, {1, 2, 3, 6}, {.padding = Padding::valid()}},
        Depthwise{"multiplier 3, dilated", {1, 6, 5, 2}, {1, 2, 2, 6}, {.dilation = 2}},
        Depthwise{"a vector of channels", {1, 3, 3, 17}, {1, 2, 2, 17}, {}},
        Depthwise{"multiplier and many channels", {1, 3, 2, 9}, {1, 2, 2, 18}, {}},
        Depthwise{"explicit padding", {1, 3, 3, 1}, {1, 3, 2, 1}, {.padding = Padding::of(2, 1, 0, 2)}}}) {
    CAPTURE(c.name);
    const auto report = check_gradient([&](auto x, auto w) { return depthwise_conv2d(x, w, c.options); },
                                       {uniform(c.x, 1), uniform(c.w, 2)});
    INFO(report.str());
    CHECK(report.ok());
    const auto biased = check_gradient([&](auto x, auto w, auto b) { return depthwise_conv2d(x, w, b, c.options); },
                                       {uniform(c.x, 1), uniform(c.w, 2), uniform({c.w[3]}, 3)});
    INFO(biased.str());
    CHECK(biased.ok());
  }
}

TEST_CASE("a depthwise convolution is a convolution with a group per channel", "[ops]") {
  for (const int multiplier : {1, 2}) {
    for (const std::int64_t channels : {3, 16, 35}) {
      for (const int stride : {1, 2}) {
        CAPTURE(multiplier, channels, stride);
        const auto x = whole<float>({3, 6, 5, channels}, 1, -9, 9);
        const auto w = whole<float>({1, 3, 3, channels * multiplier}, 2, -9, 9);
        const auto b = whole<float>({channels * multiplier}, 3, -9, 9);
        Tensor<float> grouped({channels * multiplier, 3, 3, 1});  // [O,kh,kw,1]
        const auto to = grouped.edit();
        for (std::size_t o = 0; o < static_cast<std::size_t>(channels * multiplier); ++o) {
          for (std::size_t t = 0; t < 9; ++t) {
            to[o * 9 + t] = w[static_cast<std::int64_t>(t) * channels * multiplier + static_cast<std::int64_t>(o)];
          }
        }
        const Window window = depthwise_conv2d_window(x.shape(), w.shape(), nullptr, {.stride = stride});
        const auto y = depthwise_conv2d_forward(x, w, &b, window);
        CHECK(equal(y, conv2d_forward(x, grouped, &b, window, static_cast<int>(channels))));
        const auto dy = whole<float>(y.shape(), 4, -9, 9);
        CHECK(equal(depthwise_conv2d_backward_input(dy, w, window, x.shape()),
                    conv2d_backward_input(dy, grouped, window, static_cast<int>(channels), x.shape())));
        const auto dw = depthwise_conv2d_backward_weight(x, dy, window);
        const auto dgrouped = conv2d_backward_weight(x, dy, window, static_cast<int>(channels));
        bool same = true;
        for (std::int64_t o = 0; o < channels * multiplier; ++o) {
          for (std::int64_t t = 0; t < 9; ++t) same = same && dw[t * channels * multiplier + o] == dgrouped[o * 9 + t];
        }
        CHECK(same);
      }
    }
  }
}

TEST_CASE("weight gradients take codes for the image", "[ops]") {
  const std::int32_t zero_point = 11;
  const auto real = [&](const Tensor<std::int8_t>& codes) {
    Tensor<float> values(codes.shape());
    const auto to = values.edit();
    for (std::int64_t i = 0; i < codes.size(); ++i) {
      to[static_cast<std::size_t>(i)] = static_cast<float>(codes[i] - zero_point);
    }
    return values;
  };
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const Window window = window_of(c);
    const auto codes = whole<std::int8_t>(c.x, 1, -128, 127);
    const auto dy = whole<float>({c.x[0], window.h.out, window.w.out, c.w[0]}, 2, -9, 9);
    CHECK(equal(conv2d_backward_weight(codes, dy, window, c.options.groups, zero_point),
                conv2d_backward_weight(real(codes), dy, window, c.options.groups)));
  }
  const auto codes = whole<std::int8_t>({2, 5, 6, 19}, 1, -128, 127);
  const Window window = depthwise_conv2d_window(codes.shape(), {1, 3, 3, 38}, nullptr, {});
  const auto dy = whole<float>({2, 5, 6, 38}, 2, -9, 9);
  CHECK(equal(depthwise_conv2d_backward_weight(codes, dy, window, zero_point),
              depthwise_conv2d_backward_weight(real(codes), dy, window)));
}

TEST_CASE("a padded tap is a zero: times an infinite weight it is NaN", "[ops]") {
  Tape tape;
  auto w = Tensor<float>::zeros({1, 3, 3, 1});
  w.edit()[0] = std::numeric_limits<float>::infinity();
  const auto y = conv2d(tape.constant(Tensor<float>::filled({1, 2, 2, 1}, 1)), tape.constant(w));
  CHECK(std::isnan(y.value()[0]));
  CHECK(std::isinf(y.value()[3]));
}

TEST_CASE("an empty batch convolves to an empty batch", "[ops]") {
  Tape tape;
  const auto x = tape.variable(Tensor<float>({0, 5, 5, 2}));
  const auto w = tape.variable(uniform<float>({3, 3, 3, 2}, 1));
  const auto y = conv2d(x, w);
  CHECK(y.shape() == Shape{0, 5, 5, 3});
  tape.backward(y, Tensor<float>(y.shape()));
  CHECK(equal(tape.gradient(w), Tensor<float>::zeros({3, 3, 3, 2})));
}

}  // namespace convolution_test
