// MedianObserver: the typical batch, whatever the others hold.
#include <stet/core/random.hpp>
#include <stet/quant/median_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/observer.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

namespace median_observer_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("the median of batches is the middle one, or the mean of two") {
  MedianObserver<> o;
  CHECK(o.empty());
  CHECK_THROWS_WITH(o.ranges(), ContainsSubstring("MedianObserver: nothing was observed"));
  o.observe(Range{-1, 4});
  CHECK(o.ranges() == std::vector<Range>{{-1, 4}});
  o.observe(Range{-3, 8});
  CHECK(o.ranges() == std::vector<Range>{{-2, 6}});
  o.observe(Range{0, 100});
  CHECK(o.ranges() == std::vector<Range>{{-1, 8}});
  CHECK(o.extremes() == std::vector<Range>{{-3, 100}});
  CHECK(o.batches() == 3);
  // The ends of floats: the mean of two does not overflow.
  MedianObserver<> wide;
  const float most = std::numeric_limits<float>::max();
  wide.observe(Range{-most, most});
  wide.observe(Range{-most, most});
  CHECK(wide.ranges() == std::vector<Range>{{-most, most}});
  o.reset();
  CHECK(o.empty());
  CHECK(o.batches() == 0);
}

TEST_CASE("fewer than half of the batches do not move the median far") {
  MedianObserver<> clean, spoilt;
  for (int i = 0; i < 20; ++i) {
    const Range range{-1.0f - 0.01f * static_cast<float>(i), 2.0f + 0.01f * static_cast<float>(i)};
    clean.observe(range);
    const bool blank = i % 5 == 0, outlier = i % 5 == 1;
    spoilt.observe(blank ? Range{0, 0} : outlier ? Range{-1000, 1000} : range);
  }
  CHECK(spoilt.ranges()[0].lo >= -1.19f);
  CHECK(spoilt.ranges()[0].lo <= -1.0f);
  CHECK(spoilt.ranges()[0].hi >= 2.0f);
  CHECK(spoilt.ranges()[0].hi <= 2.19f);
}

TEST_CASE("the median is taken per channel, of the batches that have finite values in all") {
  const float nan = std::nanf("");
  MedianObserver<> o(MinMaxObserver(Granularity::per_channel(1)));
  o.observe(Tensor<float>({2, 2}, {1, nan, -2, nan}));
  CHECK(o.empty());
  CHECK(o.non_finite() == 2);
  CHECK_THROWS_WITH(o.ranges(), ContainsSubstring("nothing was observed"));
  o.observe(Tensor<float>({2, 2}, {3, 5, 0, 7}));
  o.observe(Tensor<float>({2, 2}, {1, 5, -2, 9}));
  CHECK(o.ranges() == std::vector<Range>{{-1, 2}, {5, 8}});
  CHECK_THROWS_AS(o.observe(Tensor<float>::zeros({2, 3})), Error);
  MedianObserver<> other;
  CHECK_THROWS_WITH(other.merge(o), ContainsSubstring("the same granularity"));
  CHECK_THROWS_AS(other.observe(std::vector<Range>(2)), Error);
  CHECK_THROWS_AS(other.observe(Range{1, -1}), Error);
}

TEST_CASE("any observer can choose the range of a batch") {
  Rng rng(3);
  MedianObserver<MseObserver> o;
  AnyObserver any(o);
  CHECK(any.needs_values());
  CHECK_FALSE(AnyObserver(MedianObserver<>()).needs_values());
  CHECK_THROWS_WITH(any.observe(Range{-1, 1}), ContainsSubstring("needs the values"));
  for (const Grid& grid : {Grid::activation(4), Grid::activation(8)}) {
    any.reset();
    any.set_grid(grid, false);
    std::vector<float> lo, hi;
    for (int batch = 0; batch < 5; ++batch) {
      std::vector<float> x(1000);
      for (float& v : x) v = static_cast<float>(rng.normal() * (batch == 2 ? 40.0 : 1.0));
      MseObserver alone(Granularity::per_tensor(), grid);
      alone.observe(std::span<const float>(x));
      lo.push_back(alone.ranges()[0].lo);
      hi.push_back(alone.ranges()[0].hi);
      any.observe(std::span<const float>(x));
    }
    std::sort(lo.begin(), lo.end());
    std::sort(hi.begin(), hi.end());
    CHECK(any.ranges() == std::vector<Range>{{lo[2], hi[2]}});
    CHECK(any.ranges()[0].hi < 5.0f);  // the fifth batch, 40 times as wide, counts as one of five
  }
}

TEST_CASE("a damaged state of the median observer is an error, not a crash") {
  for (const std::int64_t scales : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{2}, std::int64_t{1} << 40,
                                    std::numeric_limits<std::int64_t>::min()}) {
    MedianObserver<> o;
    o.observe(Range{-1, 4});
    o.fields([&](std::string_view name, auto& field) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, std::int64_t>) {
        if (name == "scales") field = scales;
      }
    });
    CHECK_THROWS_WITH(o.ranges(), ContainsSubstring("damaged"));
    CHECK_THROWS_WITH(o.extremes(), ContainsSubstring("damaged"));
  }
}

}  // namespace median_observer_test
