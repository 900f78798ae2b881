// Convolution and linear layer of codes: accumulators equal the plain sum over taps.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/convolution.hpp>
#include <stet/integer/requantize.hpp>

#include <cmath>
#include <mutex>
#include <vector>

namespace convolution_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Case {
  Shape x;
  std::int64_t outputs;
  Pair kernel, stride, dilation;
  Padding padding;
  std::int64_t groups;
};

// Collects what the sink gets, checking that rows come once and on 32-element boundaries.
struct Collector {
  std::vector<std::int32_t> acc;
  std::vector<int> seen;
  std::mutex mutex;
  Collector(std::int64_t rows, std::int64_t outputs)
      : acc(static_cast<std::size_t>(rows * outputs)), seen(static_cast<std::size_t>(rows)) {}
  void operator()(std::int64_t first, std::int64_t rows, const std::int32_t* a, std::int64_t stride) {
    const std::lock_guard lock(mutex);
    const auto outputs = static_cast<std::int64_t>(acc.size() / seen.size());
    CHECK(first * outputs % 32 == 0);
    CHECK(stride == outputs);
    for (std::int64_t r = 0; r < rows; ++r) {
      ++seen[static_cast<std::size_t>(first + r)];
      for (std::int64_t c = 0; c < outputs; ++c)
        acc[static_cast<std::size_t>((first + r) * outputs + c)] = a[r * stride + c];
    }
  }
};

// Codes of a convolution are those of its accumulators, whatever the rule and wherever they are cut off.
void check_codes(const Tensor<std::int8_t>& x, int z, const integer::ConvolutionWeights& weights, const Window& window,
                 const std::vector<std::int32_t>& accumulators, Rng& rng) {
  const std::int64_t outputs = weights.outputs();
  std::vector<float> scales(static_cast<std::size_t>(outputs));
  std::vector<std::int32_t> bias(scales.size());
  for (float& s : scales) s = static_cast<float>(std::exp(rng.uniform(-9.0, -1.0)));
  for (std::int32_t& b : bias) b = static_cast<std::int32_t>(rng.below(20001)) - 10000;
  for (const auto rule : {integer::Requantization::float_half_even, integer::Requantization::double_rounding, integer::Requantization::half_away_double}) {
    const int lo = static_cast<int>(rng.below(100)) - 128, hi = 127 - static_cast<int>(rng.below(100));
    const auto r = integer::make_requantizer(rule, 0.5f, scales, 0.9f, static_cast<int>(rng.below(256)) - 128, bias, lo, hi, false);
    std::vector<std::int8_t> expected(accumulators.size()), codes(accumulators.size(), 77);
    const auto rows = static_cast<std::int64_t>(accumulators.size()) / outputs;
    integer::requantize_rows(accumulators.data(), outputs, rows, outputs, r, expected.data());
    integer::convolve_to_codes(x, z, weights, window, r, codes.data());
    CHECK(codes == expected);
  }
}

void check(const Case& c, Rng& rng, int lo = -127, int hi = 127) {
  INFO("x " << c.x.str() << " outputs " << c.outputs << " kernel " << c.kernel.height << "x" << c.kernel.width
            << " stride " << c.stride.height << " dilation " << c.dilation.width << " groups " << c.groups);
  const auto x = naive::random_codes(rng, c.x);
  const auto w = naive::random_codes(rng, {c.outputs, c.kernel.height, c.kernel.width, c.x[3] / c.groups}, lo, hi);
  const Window window = make_window("test", c.x[1], c.x[2], c.kernel, c.stride, c.dilation, c.padding);
  const int z = static_cast<int>(rng.below(256)) - 128;
  const auto expected = naive::convolution(x, z, w, c.groups, window);
  const integer::ConvolutionWeights packed(w, c.groups);
  for (const int threads : {1, 2, 5}) {
    set_threads(threads);
    Collector got(c.x[0] * window.h.out * window.w.out, c.outputs);
    integer::convolve(x, z, packed, window, got);
    CHECK(std::equal(got.acc.begin(), got.acc.end(), expected.begin(), expected.end()));
    CHECK(std::count(got.seen.begin(), got.seen.end(), 1) == static_cast<std::ptrdiff_t>(got.seen.size()));
    check_codes(x, z, packed, window, got.acc, rng);
  }
  set_threads(0);
}

}  // namespace

TEST_CASE("convolution accumulators equal the sum over taps inside the image", "[integer][bits]") {
  Rng rng(1);
  const auto same = Padding::same();
  const auto valid = Padding::valid();
  for (const Case& c : {
           Case{{2, 9, 7, 1}, 16, 3, 1, 1, same, 1},
           Case{{3, 28, 28, 1}, 16, 3, 1, 1, same, 1},
           Case{{5, 14, 14, 16}, 32, 3, 1, 1, same, 1},
           Case{{9, 7, 7, 64}, 64, 3, 1, 1, same, 1},
           Case{{2, 8, 8, 3}, 5, 3, 2, 1, same, 1},
           Case{{2, 9, 11, 3}, 33, {3, 5}, {2, 1}, 1, same, 1},
           Case{{2, 9, 11, 5}, 17, {1, 3}, 1, 1, valid, 1},
           Case{{2, 12, 13, 3}, 10, 3, 1, 2, same, 1},
           Case{{2, 12, 13, 8}, 10, 3, 1, {2, 3}, same, 1},
           Case{{2, 12, 13, 8}, 12, 3, 1, {3, 1}, valid, 1},
           Case{{2, 12, 13, 8}, 12, 3, 2, 1, Padding::of(1, 2, 3, 0), 1},
           Case{{2, 6, 6, 12}, 8, 3, 1, 1, same, 4},
           Case{{2, 6, 6, 12}, 36, 3, 2, 2, same, 2},
           Case{{2, 6, 6, 10}, 10, 3, 1, 1, same, 10},
           Case{{2, 5, 5, 7}, 9, 1, 1, 1, same, 1},
           Case{{3, 14, 14, 32}, 64, 1, 2, 1, same, 1},
           Case{{1, 3, 3, 4}, 4, 5, 1, 1, same, 1},
           Case{{1, 2, 2, 4}, 4, 1, 1, 1, Padding::of(3), 1},
           Case{{1, 40, 41, 6}, 24, 3, 1, 1, same, 1},
           Case{{2, 7, 7, 128}, 250, 3, 1, 1, same, 1},
       }) {
    check(c, rng);
    check(c, rng, -128, -128);
  }
}

TEST_CASE("linear accumulators equal the dot products", "[integer][bits]") {
  Rng rng(2);
  for (const std::int64_t batch : {1, 3, 64, 129}) {
    for (const auto& [inputs, outputs] : {std::pair<int, int>{1, 1}, {5, 3}, {784, 10}, {3136, 10}, {130, 100}}) {
      const auto x = naive::random_codes(rng, {batch, inputs});
      const auto w = naive::random_codes(rng, {outputs, inputs}, -127, 127);
      const auto expected =
          naive::convolution(x.reshaped({batch, 1, 1, inputs}), 5, w.reshaped({outputs, 1, 1, inputs}), 1,
                             make_window("test", 1, 1, 1, 1, 1, Padding::valid()));
      Collector got(batch, outputs);
      integer::linear(x, 5, integer::ConvolutionWeights(w), got);
      CHECK(std::equal(got.acc.begin(), got.acc.end(), expected.begin(), expected.end()));
      CHECK(std::count(got.seen.begin(), got.seen.end(), 1) == batch);
    }
  }
}

TEST_CASE("convolution refuses what does not fit", "[integer]") {
  Rng rng(3);
  const integer::ConvolutionWeights w(naive::random_codes(rng, {4, 3, 3, 2}, -127, 127));
  const auto x = naive::random_codes(rng, {1, 8, 8, 2});
  const auto window = make_window("test", 8, 8, 3, 1, 1, Padding::same());
  const auto ignore = [](std::int64_t, std::int64_t, const std::int32_t*, std::int64_t) {};
  CHECK_THROWS_WITH(integer::convolve(naive::random_codes(rng, {1, 8, 8, 3}), 0, w, window, ignore),
                    ContainsSubstring("weights expect an input [N,H,W,2], got [1,8,8,3]"));
  CHECK_THROWS_WITH(integer::convolve(naive::random_codes(rng, {1, 9, 8, 2}), 0, w, window, ignore),
                    ContainsSubstring("window of 3x3 over 8x8"));
  CHECK_THROWS_WITH(integer::convolve(x, 128, w, window, ignore), ContainsSubstring("zero point 128"));
  CHECK_THROWS_WITH(integer::convolve(x.reshaped({8, 8, 2}), 0, w, window, ignore), ContainsSubstring("[8,8,2]"));
  CHECK_THROWS_WITH(integer::ConvolutionWeights(naive::random_codes(rng, {4, 3, 2})), ContainsSubstring("[4,3,2]"));
  CHECK_THROWS_WITH(integer::ConvolutionWeights(naive::random_codes(rng, {4, 3, 3, 2}), 3),
                    ContainsSubstring("3 groups do not divide 4"));
  CHECK_THROWS_WITH(integer::ConvolutionWeights(Tensor<std::int8_t>(Shape{0, 3, 3, 2})), ContainsSubstring("empty"));
  CHECK_THROWS_WITH(integer::linear(x, 0, w, ignore), ContainsSubstring("weights must be [O,I]"));
  CHECK_THROWS_WITH(integer::linear(naive::random_codes(rng, {2, 5}), 0,
                                    integer::ConvolutionWeights(naive::random_codes(rng, {3, 4})), ignore),
                    ContainsSubstring("expect rows of 4 inputs, got [2,5]"));
  CHECK_THROWS_WITH(integer::ConvolutionWeights(Tensor<std::int8_t>::filled({1, 70000}, 127)),
                    ContainsSubstring("can overflow int32"));
}

}  // namespace convolution_test
