// Depthwise convolution of codes: accumulators equal the plain sum over taps.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/depthwise.hpp>

#include <mutex>

namespace depthwise_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Case {
  Shape x;
  std::int64_t multiplier;
  Pair kernel, stride, dilation;
  Padding padding;
};

void check(const Case& c, Rng& rng, int lo, int hi) {
  INFO("x " << c.x.str() << " multiplier " << c.multiplier << " kernel " << c.kernel.height << "x" << c.kernel.width
            << " stride " << c.stride.width << " dilation " << c.dilation.width);
  const std::int64_t outputs = c.x[3] * c.multiplier;
  const auto x = naive::random_codes(rng, c.x);
  const auto w = naive::random_codes(rng, {1, c.kernel.height, c.kernel.width, outputs}, lo, hi);
  const Window window = make_window("test", c.x[1], c.x[2], c.kernel, c.stride, c.dilation, c.padding);
  const int z = static_cast<int>(rng.below(256)) - 128;
  const auto expected = naive::depthwise(x, z, w, window);
  const integer::DepthwiseWeights packed(w, c.x[3]);
  for (const int threads : {1, 3}) {
    set_threads(threads);
    const std::int64_t rows = c.x[0] * window.h.out * window.w.out;
    std::vector<std::int32_t> got(static_cast<std::size_t>(rows * outputs));
    std::vector<int> seen(static_cast<std::size_t>(rows));
    std::mutex mutex;
    integer::depthwise(x, z, packed, window,
                       [&](std::int64_t first, std::int64_t count, const std::int32_t* acc, std::int64_t stride) {
                         const std::lock_guard lock(mutex);
                         CHECK(first * outputs % 32 == 0);
                         for (std::int64_t r = 0; r < count; ++r) {
                           ++seen[static_cast<std::size_t>(first + r)];
                           std::copy_n(acc + r * stride, outputs, got.begin() + (first + r) * outputs);
                         }
                       });
    CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end()));
    CHECK(std::count(seen.begin(), seen.end(), 1) == rows);
  }
  set_threads(0);
}

}  // namespace

TEST_CASE("depthwise accumulators equal the sum over taps inside the image", "[integer][bits]") {
  Rng rng(1);
  const auto same = Padding::same();
  for (const Case& c : {
           Case{{3, 14, 14, 16}, 1, 3, 1, 1, same},
           Case{{2, 14, 14, 64}, 1, 3, 1, 1, same},
           Case{{2, 14, 14, 32}, 1, 3, 2, 1, same},
           Case{{2, 7, 9, 128}, 1, {3, 5}, {1, 2}, 1, same},
           Case{{2, 7, 9, 24}, 1, 3, 1, 1, same},
           Case{{2, 7, 9, 1}, 5, 3, 1, 1, same},
           Case{{2, 7, 9, 3}, 2, 3, 2, 1, Padding::valid()},
           Case{{2, 7, 9, 10}, 3, {2, 3}, 1, 1, Padding::of(1, 2, 0, 3)},
           Case{{2, 12, 9, 20}, 1, 3, 1, {2, 3}, same},
           Case{{1, 33, 35, 96}, 1, 1, 1, 1, same},
           Case{{1, 20, 20, 8}, 1, 5, 2, 2, same},
       }) {
    check(c, rng, -127, 127);
    check(c, rng, -128, -128);
  }
}

TEST_CASE("depthwise refuses what does not fit", "[integer]") {
  Rng rng(3);
  const integer::DepthwiseWeights w(naive::random_codes(rng, {1, 3, 3, 4}, -127, 127), 2);
  const auto window = make_window("test", 8, 8, 3, 1, 1, Padding::same());
  const auto ignore = [](std::int64_t, std::int64_t, const std::int32_t*, std::int64_t) {};
  CHECK_THROWS_WITH(integer::depthwise(naive::random_codes(rng, {1, 8, 8, 4}), 0, w, window, ignore),
                    ContainsSubstring("weights expect an input [N,H,W,2], got [1,8,8,4]"));
  CHECK_THROWS_WITH(integer::depthwise(naive::random_codes(rng, {1, 8, 9, 2}), 0, w, window, ignore),
                    ContainsSubstring("window of 3x3 over 8x8"));
  CHECK_THROWS_WITH(integer::depthwise(naive::random_codes(rng, {1, 8, 8, 2}), -129, w, window, ignore),
                    ContainsSubstring("zero point -129"));
  CHECK_THROWS_WITH(integer::DepthwiseWeights(naive::random_codes(rng, {2, 3, 3, 4}), 4),
                    ContainsSubstring("[1,kh,kw,inputs*m], got [2,3,3,4]"));
  CHECK_THROWS_WITH(integer::DepthwiseWeights(naive::random_codes(rng, {1, 3, 3, 4}), 3),
                    ContainsSubstring("4 outputs are not a multiple of 3 inputs"));
}

}  // namespace depthwise_test
