// Transposed convolution of codes: accumulators equal the plain sum, pixel by pixel and tap by tap.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/conv_transpose.hpp>

#include <algorithm>

namespace conv_transpose_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Case {
  Shape x;
  std::int64_t outputs;
  Pair kernel, stride;
  Padding padding;
};

std::vector<std::int64_t> scattered(const Tensor<std::int8_t>& x, int z, const Tensor<std::int8_t>& w, const Window& window) {
  const Shape &s = x.shape(), &k = w.shape();
  std::vector<std::int64_t> acc(static_cast<std::size_t>(s[0] * window.h.in * window.w.in * k[0]));
  for (std::int64_t p = 0; p < s[0] * s[1] * s[2]; ++p) {
    for (std::int64_t t = 0; t < k[1] * k[2]; ++t) {
      const std::int64_t i = p / s[2] % s[1] * window.h.stride + t / k[2] - window.h.before;
      const std::int64_t j = p % s[2] * window.w.stride + t % k[2] - window.w.before;
      if (i < 0 || j < 0 || i >= window.h.in || j >= window.w.in) continue;
      for (std::int64_t o = 0; o < k[0]; ++o) {
        for (std::int64_t c = 0; c < s[3]; ++c) {
          acc[static_cast<std::size_t>(((p / s[2] / s[1] * window.h.in + i) * window.w.in + j) * k[0] + o)] +=
              (x[p * s[3] + c] - z) * w[(o * k[1] * k[2] + t) * s[3] + c];
        }
      }
    }
  }
  return acc;
}

}  // namespace

TEST_CASE("transposed convolution of codes is the plain sum", "[integer][bits]") {
  Rng rng(1);
  std::vector<Case> cases{{{2, 3, 4, 3}, 5, 1, 1, Padding::same()},
                          {{1, 4, 5, 8}, 16, 3, 2, Padding::same()},
                          {{1, 3, 3, 2}, 4, 2, 3, Padding::same()},
                          {{2, 5, 4, 7}, 33, {3, 2}, {2, 1}, Padding::valid()},
                          {{1, 4, 3, 4}, 3, {3, 4}, 2, Padding::of(2, 0, 1, 3)},
                          {{1, 9, 11, 16}, 24, 4, 2, Padding::of(1)}};
  for (int repeat = 0; repeat < 40; ++repeat) {
    const auto draw = [&](int lo, int hi) { return lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(hi - lo + 1))); };
    const Pair kernel(draw(1, 5), draw(1, 5));
    const Padding padding = draw(0, 1) == 0 ? Padding::same()
                                            : Padding::of(draw(0, kernel.height - 1) / 2, draw(0, kernel.height - 1) / 2,
                                                          draw(0, kernel.width - 1) / 2, draw(0, kernel.width - 1) / 2);
    cases.push_back({{draw(1, 3), draw(1, 7), draw(1, 7), draw(1, 18)}, draw(1, 40), kernel, {draw(1, 3), draw(1, 3)}, padding});
  }
  for (const Case& c : cases) {
    INFO("x " << c.x.str() << " outputs " << c.outputs << " kernel " << c.kernel.height << "x" << c.kernel.width << " stride "
              << c.stride.height << "x" << c.stride.width);
    const auto x = naive::random_codes(rng, c.x);
    const auto w = naive::random_codes(rng, {c.outputs, c.kernel.height, c.kernel.width, c.x[3]}, -127, 127);
    const Window window = make_transposed_window("test", c.x[1], c.x[2], c.kernel, c.stride, c.padding);
    const int z = static_cast<int>(rng.below(256)) - 128;
    const auto expected = scattered(x, z, w, window);
    const integer::ConvTransposeWeights packed(w);
    CHECK(packed.magnitudes() == integer::ConvolutionWeights(w).magnitudes());
    for (const int threads : {1, 3}) {
      set_threads(threads);
      std::vector<std::int32_t> got(expected.size());
      integer::conv_transpose(x, z, packed, window, [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
        std::copy_n(acc, rows * stride, got.begin() + first * c.outputs);
      });
      CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end()));
    }
    set_threads(0);
  }
}

TEST_CASE("transposed convolution of codes refuses what does not fit", "[integer]") {
  Rng rng(2);
  const auto x = naive::random_codes(rng, {1, 3, 4, 2});
  const integer::ConvTransposeWeights w(naive::random_codes(rng, {5, 2, 2, 2}, -127, 127));
  const Window window = make_transposed_window("test", 3, 4, 2, 2, Padding::same());
  const auto nothing = [](std::int64_t, std::int64_t, const std::int32_t*, std::int64_t) {};
  CHECK_THROWS_WITH(integer::conv_transpose(x, 200, w, window, nothing), ContainsSubstring("zero point 200 lies outside int8"));
  CHECK_THROWS_WITH(integer::conv_transpose(x.reshaped({1, 4, 3, 2}), 0, w, window, nothing), ContainsSubstring("does not fit input"));
  CHECK_THROWS_WITH(integer::ConvTransposeWeights(naive::random_codes(rng, {5, 8})), ContainsSubstring("must be [O,kh,kw,I]"));
}

}  // namespace conv_transpose_test
