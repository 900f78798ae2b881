// Pools and means of codes against the rules written out.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>

namespace pooling_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Activation;

namespace {

template <class F>
void for_each_tap(const Shape& s, const Window& w, std::int64_t y, std::int64_t x, F&& f) {
  for (std::int64_t ky = 0; ky < w.h.kernel; ++ky)
    for (std::int64_t kx = 0; kx < w.w.kernel; ++kx) {
      const std::int64_t iy = y * w.h.stride + ky * w.h.dilation - w.h.before;
      const std::int64_t ix = x * w.w.stride + kx * w.w.dilation - w.w.before;
      if (iy >= 0 && iy < s[1] && ix >= 0 && ix < s[2]) f(iy, ix, static_cast<int>(ky * w.w.kernel + kx));
    }
}

struct Case {
  Shape x;
  Pair kernel, stride, dilation;
  Padding padding;
};
const std::vector<Case> cases{
    {{2, 28, 28, 16}, 2, 2, 1, Padding::valid()}, {{2, 14, 15, 40}, 3, 2, 1, Padding::same()},
    {{3, 7, 7, 5}, {3, 2}, 1, 1, Padding::of(1)}, {{1, 9, 9, 33}, {1, 4}, {3, 2}, 1, Padding::valid()},
    {{2, 8, 8, 3}, 3, 1, 2, Padding::of(2)},      {{2, 5, 5, 64}, 5, 1, 1, Padding::same()}};

}  // namespace

TEST_CASE("pools follow their rule on the taps inside the image", "[integer][bits]") {
  Rng rng(1);
  for (const Case& c : cases) {
    for (const auto& [low, high] : {std::pair{-128, 127}, {-3, 3}, {-20, 90}}) {
      const auto x = naive::random_codes(rng, c.x, low, high);
      const Window w = make_window("test", c.x[1], c.x[2], c.kernel, c.stride, c.dilation, c.padding);
      const auto n = static_cast<std::size_t>(c.x[0] * w.h.out * w.w.out * c.x[3]);
      std::vector<std::int8_t> most(n), plain(n), mean(n);
      std::vector<std::uint8_t> where(n);
      integer::max_pool(x, w, {-100, 100}, most, where);
      integer::max_pool(x, w, {-100, 100}, plain);
      integer::average_pool(x, w, {.bounds = {-100, 100}}, mean);
      CHECK(most == plain);
      std::size_t i = 0;
      int wrong = 0;
      for (std::int64_t b = 0; b < c.x[0]; ++b)
        for (std::int64_t y = 0; y < w.h.out; ++y)
          for (std::int64_t k = 0; k < w.w.out; ++k)
            for (std::int64_t ch = 0; ch < c.x[3]; ++ch, ++i) {
              int best = -1000;
              int first = 0;
              int sum = 0;
              int count = 0;
              for_each_tap(c.x, w, y, k, [&](std::int64_t iy, std::int64_t ix, int tap) {
                const int q = x[((b * c.x[1] + iy) * c.x[2] + ix) * c.x[3] + ch];
                if (q > best) best = q, first = tap;
                sum += q;
                ++count;
              });
              wrong += most[i] != std::clamp(best, -100, 100);
              wrong += where[i] != first;
              wrong += mean[i] != naive::clamp(naive::divide_half_away(sum, count), -100, 100);
            }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("ONNX Runtime's average pool sums reals in the order of the taps", "[integer][bits]") {
  Rng rng(3);
  int wrong = 0;
  int separating = 0;
  for (int repeat = 0; repeat < 60; ++repeat) {
    for (const Case& c : cases) {
      const auto x = naive::random_codes(rng, c.x);
      const Window w = make_window("test", c.x[1], c.x[2], c.kernel, c.stride, c.dilation, c.padding);
      const auto s = static_cast<float>(std::exp2(rng.uniform(-9, 2)));
      const int z = rng.below(3) == 0 ? -128 : static_cast<int>(rng.below(256)) - 128;
      const auto p = integer::make_average_pool(targets::onnxruntime, Activation::relu6, {s, z});
      std::vector<std::int8_t> mean(static_cast<std::size_t>(c.x[0] * w.h.out * w.w.out * c.x[3])), codes(mean.size());
      integer::average_pool(x, w, p, mean);
      integer::average_pool(x, w, {.bounds = p.bounds}, codes);
      std::size_t i = 0;
      for (std::int64_t b = 0; b < c.x[0]; ++b)
        for (std::int64_t y = 0; y < w.h.out; ++y)
          for (std::int64_t k = 0; k < w.w.out; ++k)
            for (std::int64_t ch = 0; ch < c.x[3]; ++ch, ++i) {
              volatile float sum = 0.0f;
              int count = 0;
              for_each_tap(c.x, w, y, k, [&](std::int64_t iy, std::int64_t ix, int) {
                volatile float real = s * static_cast<float>(x[((b * c.x[1] + iy) * c.x[2] + ix) * c.x[3] + ch] - z);
                sum = sum + real;
                ++count;
              });
              volatile float average = sum / static_cast<float>(count);
              volatile float steps = average / s;
              volatile float code = steps + static_cast<float>(z + 128);
              const int q = static_cast<int>(naive::half_even(static_cast<double>(code))) - 128;
              wrong += mean[i] != std::clamp(q, p.bounds.lo, p.bounds.hi);
              separating += mean[i] != codes[i];
            }
    }
  }
  CHECK(wrong == 0);
  CHECK(separating > 1000);
}

TEST_CASE("mean follows the rule of the target", "[integer][bits]") {
  Rng rng(2);
  int wrong = 0;
  int compared = 0;
  for (int repeat = 0; repeat < 600; ++repeat) {
    const std::int64_t h = 1 + static_cast<std::int64_t>(rng.below(14));
    const std::int64_t w = 1 + static_cast<std::int64_t>(rng.below(14));
    const std::int64_t n = h * w;
    const bool narrow = rng.below(2) == 0;
    const auto x = naive::random_codes(rng, {3, h, w, 21}, narrow ? -5 : -128, narrow ? 6 : 127);
    double e1 = rng.uniform(-9, 0), e2 = e1 + rng.uniform(-5, 3);
    if (rng.below(3) == 0) e1 = std::round(e1), e2 = std::round(e2);
    const auto s_in = static_cast<float>(std::exp2(e1));
    const auto s_out = static_cast<float>(std::exp2(e2));
    const int z_in = static_cast<int>(rng.below(256)) - 128;
    const int z_out = static_cast<int>(rng.below(256)) - 128;
    for (const Target& t : targets::all) {
      const auto p = integer::make_mean(t, {s_in, z_in}, {s_out, z_out}, n);
      std::vector<std::int8_t> out(63);
      integer::mean(x, p, out);
      for (std::int64_t b = 0; b < 3; ++b)
        for (std::int64_t c = 0; c < 21; ++c) {
          std::int64_t sum = 0;
          for (std::int64_t i = 0; i < n; ++i) sum += x[(b * n + i) * 21 + c];
          double code = 0;
          if (t.name == "onnxruntime") {
            volatile float step = s_out * static_cast<float>(n);
            volatile float m = s_in / step;
            volatile float real = static_cast<float>(sum - n * z_in) * m;
            code = naive::half_even(static_cast<double>(real)) + z_out;
          } else if (t.name != "litert_default") {
            auto m = naive::multiplier(static_cast<double>(s_in) / static_cast<double>(s_out));
            int floor_log2 = 0;
            while ((std::int64_t{2} << floor_log2) <= n) ++floor_log2;
            const int shift = std::min({floor_log2, 32, 31 + m.e});
            m.m = static_cast<std::int64_t>(
                naive::floor_divide(static_cast<naive::wide>(m.m) * naive::power_of_two(shift), n));
            m.e -= shift;
            code = static_cast<double>(naive::double_rounding(sum - n * z_in, m)) + z_out;
          } else {
            volatile float ratio = s_in / s_out;
            volatile float inverse = 1.0f / static_cast<float>(n);
            volatile float m = ratio * inverse;
            volatile float zm = static_cast<float>(n * z_in) * m;
            volatile float z = static_cast<float>(z_out) - zm;
            volatile float real = static_cast<float>(sum) * m;
            volatile float shifted = real + z;
            code = naive::half_even(static_cast<double>(shifted));
          }
          wrong += out[static_cast<std::size_t>(b * 21 + c)] != std::clamp(code, -128.0, 127.0);
          ++compared;
        }
    }
  }
  CHECK(compared > 70000);
  CHECK(wrong == 0);
}

TEST_CASE("pool bounds depend on the target and, for max pool, on the stride", "[integer][bits]") {
  const float s = 6.0f / 2.5f;
  const Window dense = make_window("test", 8, 8, 2, 2, 1, Padding::valid());
  const Window sparse = make_window("test", 8, 8, 2, {2, 3}, 1, Padding::valid());
  CHECK(integer::max_pool_bounds(targets::litert_default, Activation::relu6, {s, 0}, dense).hi == 2);
  CHECK(integer::max_pool_bounds(targets::litert_default, Activation::relu6, {s, 0}, sparse).hi == 3);
  CHECK(integer::max_pool_bounds(targets::tflite_reference, Activation::relu6, {s, 0}, dense).hi == 3);
  CHECK(integer::make_average_pool(targets::litert_default, Activation::relu6, {s, 0}).bounds.hi == 3);
}

TEST_CASE("pools and means refuse what does not fit", "[integer]") {
  const auto x = Tensor<std::int8_t>::zeros({1, 8, 8, 2});
  const Window w = make_window("test", 8, 8, 2, 2, 1, Padding::valid());
  std::vector<std::int8_t> out(32);
  std::vector<std::uint8_t> where(31);
  CHECK_THROWS_WITH(integer::max_pool(x.reshaped({1, 4, 16, 2}), w, {}, out),
                    ContainsSubstring("does not fit input [1,4,16,2]"));
  CHECK_THROWS_WITH(integer::max_pool(x, w, {}, out, where), ContainsSubstring("argmax has 31"));
  const Window wide = make_window("test", 8, 8, 1, 1, 1, Padding::of(2));
  std::vector<std::int8_t> large(12 * 12 * 2);
  CHECK_THROWS_WITH(integer::average_pool(x, wide, {}, large), ContainsSubstring("lies in the padding only"));
  out.resize(30);
  CHECK_THROWS_WITH(integer::average_pool(x, w, {}, out),
                    ContainsSubstring("the result [1,4,4,2] needs 32 elements, got 30"));
  CHECK_THROWS_WITH(integer::make_mean(targets::tflite_reference, {256, 0}, {1, 0}, 9),
                    ContainsSubstring("256 times the output scale"));
  CHECK_THROWS_WITH(integer::make_mean(targets::tflite_reference, {1, 0}, {-1, 0}, 9), ContainsSubstring("mean: scale -1"));
  CHECK_THROWS_WITH(integer::make_mean(targets::tflite_reference, {1, 0}, {1, 0}, 0),
                    ContainsSubstring("mean: 0 elements"));
  const auto p = integer::make_mean(targets::tflite_reference, {1, 0}, {1, 0}, 9);
  CHECK_THROWS_WITH(integer::mean(x, p, out), ContainsSubstring("expected [N,H,W,C] with H*W = 9, got [1,8,8,2]"));
}

}  // namespace pooling_test
