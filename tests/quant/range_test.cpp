// Ranges: against a plain loop for every granularity, and what they refuse.
#include <stet/core/random.hpp>
#include <stet/quant/observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/quant/range.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <limits>

namespace range_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::normal;

namespace {

std::vector<Range> plain(const Tensor<float>& x, const Granularity& g) {
  const ScaleMap map = scale_map(g, x.shape());
  std::vector<Range> ranges(static_cast<std::size_t>(map.count), RangeScan{}.range);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    Range& r = ranges[static_cast<std::size_t>(map.index(i))];
    r = {std::min(r.lo, x[i]), std::max(r.hi, x[i])};
  }
  return ranges;
}

}  // namespace

TEST_CASE("min_max equals a plain loop for every granularity and size", "[bits]") {
  for (const Shape& shape : {Shape{1}, Shape{31}, Shape{65, 1}, Shape{7, 33}, Shape{64, 64}, Shape{3, 5, 2, 8},
                             Shape{2, 3, 40, 4}, Shape{300, 128}}) {
    const Tensor<float> x = normal(shape, 3);
    CHECK(min_max(x, Granularity::per_tensor()) == plain(x, Granularity::per_tensor()));
    CHECK(min_max(x.span()) == plain(x, Granularity::per_tensor())[0]);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      CHECK(min_max(x, Granularity::per_channel(axis)) == plain(x, Granularity::per_channel(axis)));
    }
    CHECK(min_max(x, Granularity::per_group(shape.back())) == plain(x, Granularity::per_group(shape.back())));
  }
  const Tensor<float> x = normal({4, 12}, 4);
  CHECK(min_max(x, Granularity::per_group(3)) == plain(x, Granularity::per_group(3)));
}

TEST_CASE("min_max does not depend on the thread count") {
  const Tensor<float> x = normal({200, 300}, 5);
  const auto ranges = [&] { return min_max(x, Granularity::per_channel(0)); };
  set_threads(1);
  const auto one = ranges();
  set_threads(4);
  const auto four = ranges();
  set_threads(0);
  CHECK(one == four);
}

TEST_CASE("values that are not finite are reported with their number and the first index") {
  std::vector<float> x(100, 1.0f);
  x[41] = std::numeric_limits<float>::quiet_NaN();
  x[77] = -std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(min_max(x),
                    Catch::Matchers::ContainsSubstring("2 values are NaN or infinite, the first at index 41"));
  for (const int axis : {0, 1, 2}) {
    CHECK_THROWS_WITH(min_max(x, Shape{5, 10, 2}, Granularity::per_channel(axis)),
                      Catch::Matchers::ContainsSubstring("2 values are NaN or infinite, the first at index 41"));
  }
  const RangeScan scan = scan_range(x);
  CHECK(scan.range == Range{1, 1});
  CHECK(scan.non_finite == 2);
  CHECK(scan.first_non_finite == 41);
}

TEST_CASE("min_max refuses empty input and shapes that do not fit") {
  try {
    static_cast<void>(min_max(std::span<const float>{}));
    FAIL();
  } catch (const Error& e) {
    CHECK(e.code() == Errc::state);
  }
  const Tensor<float> x = normal({4, 6}, 1);
  CHECK_THROWS_AS(min_max(x, Granularity::per_channel(2)), Error);
  CHECK_THROWS_AS(min_max(x, Granularity::per_group(4)), Error);
  CHECK_THROWS_AS(min_max(x.span(), Shape{5, 5}, Granularity::per_tensor()), Error);
}

TEST_CASE("doubles have the ranges of their nearest floats") {
  const std::vector<double> x{0.1, -0.3, 2.7, 1e-50, 0.2, -4.0};
  CHECK(min_max(x) == Range{-4.0f, 2.7f});
  CHECK(min_max(x, {2, 3}, Granularity::per_channel(0)) == std::vector<Range>{{-0.3f, 2.7f}, {-4.0f, 0.2f}});
  CHECK(min_max(Tensor<double>({2, 3}, x), Granularity::per_channel(0))[1] == Range{-4.0f, 0.2f});
  CHECK_THROWS_WITH(min_max(std::vector<double>{1.0, 1e300}), ContainsSubstring("1 values are NaN or infinite, the first at index 1"));
  CHECK_THROWS_AS(min_max(std::vector<double>{}), Error);
  const auto seen = [&](auto observer) {
    auto of_floats = observer;
    observer.observe(x, Shape{2, 3});
    of_floats.observe(to_float(x).span(), Shape{2, 3});
    CHECK(observer.ranges() == of_floats.ranges());
  };
  const Granularity rows = Granularity::per_channel(0);
  seen(MinMaxObserver(rows));
  seen(PercentileObserver(rows, 99.0));
  seen(AnyObserver(MovingAverageObserver(rows)));
  MinMaxObserver whole;
  whole.observe(x);
  CHECK(whole.ranges()[0] == Range{-4.0f, 2.7f});
}

}  // namespace range_test
