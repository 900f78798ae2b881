// Histogram: counts against a direct count, growing and merging without loss, what it leaves out.
#include <stet/quant/histogram.hpp>

#include "support/catch.hpp"
#include "support/distributions.hpp"

#include <limits>
#include <map>

namespace histogram_test {

using namespace stet;
using stet_test::Distribution;

namespace {

const float not_a_number = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

// Counts by lower edge, of the bins that are not empty.
std::map<double, std::int64_t> counts(const HistogramView& h) {
  std::map<double, std::int64_t> result;
  for (std::int64_t i = 0; i < h.bins; ++i) {
    if (h.count(i) > 0) result[static_cast<double>(h.first + i) * h.width] += h.count(i);
  }
  return result;
}
std::map<double, std::int64_t> direct_counts(std::span<const float> x, double width) {
  std::map<double, std::int64_t> result;
  for (const float v : x) {
    if (std::isfinite(v)) ++result[std::floor(static_cast<double>(v) / width) * width];
  }
  return result;
}

std::vector<std::vector<std::int64_t>> integers(Histogram h) {
  std::vector<std::vector<std::int64_t>> result;
  h.fields([&](std::string_view, auto& value) {
    if constexpr (std::is_same_v<decltype(value), std::vector<std::int64_t>&>) result.push_back(value);
  });
  return result;
}

}  // namespace

TEST_CASE("a histogram counts every value in its bin, whatever the order and the cuts") {
  Rng rng(2);
  for (const int bins : {16, 64, 2048}) {
    for (int round = 0; round < 40; ++round) {
      std::vector<float> x(200);
      const double size = std::exp2(rng.uniform(-60, 60));
      const double offset = round % 4 == 1 ? 1000 * size : round % 4 == 2 ? -3 * size : 0;
      for (float& v : x) {
        const double wide = rng.below(8) == 0 ? 100.0 : 1.0;
        v = static_cast<float>(rng.below(5) == 0 ? 0.0 : offset + size * wide * rng.normal());
      }
      Histogram whole({}, bins), parts({}, bins), backwards({}, bins), left({}, bins), right({}, bins);
      const std::span<const float> all(x);
      const Shape part{20};
      whole.observe(all, Shape{200});
      for (std::size_t i = 0; i < 10; ++i) {
        parts.observe(all.subspan(i * 20, 20), part);
        backwards.observe(all.subspan(180 - i * 20, 20), part);
        (i % 3 == 0 ? left : right).observe(all.subspan(i * 20, 20), part);
      }
      left.merge(right);
      const HistogramView h = whole.view(0);
      INFO(bins << " bins, round " << round << ", width " << h.width);
      CHECK(h.bins <= bins);
      CHECK(counts(h) == direct_counts(x, h.width));
      CHECK(h.total() == 200);
      CHECK(h.zeros == std::count(x.begin(), x.end(), 0.0f));
      CHECK(2 * h.bins >= bins);  // the bins are no wider than they must be
      CHECK(integers(parts) == integers(whole));
      CHECK(integers(backwards) == integers(whole));
      CHECK(integers(left) == integers(whole));
      CHECK(left.view(0).range == h.range);
    }
  }
}

TEST_CASE("a histogram takes the smallest, the largest and equal values") {
  const float most = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  for (const std::vector<float>& x : {std::vector<float>{-most, most, 0, 1}, {-most, most, -least, least}, {least, -least, 0}, {1, 1, 1}, {0, 0},
                                      {-0.0f}, {most, most}, {-1, -1.0000001f}, {least}, {1, least}}) {
    Histogram once, twice;
    once.observe(x, Shape{static_cast<std::int64_t>(x.size())});
    for (const float& v : x) twice.observe(std::span<const float>(&v, 1), Shape{1});
    INFO("first " << x[0]);
    CHECK(once.view(0).total() == static_cast<std::int64_t>(x.size()));
    CHECK(counts(once.view(0)) == direct_counts(x, once.view(0).width));
    CHECK(integers(once) == integers(twice));
  }
}

TEST_CASE("NaN and infinities are counted apart, per scale") {
  Histogram h(Granularity::per_channel(1));
  const std::vector<float> x{1, not_a_number, -2, inf};
  h.observe(x, Shape{2, 2});
  CHECK(h.non_finite() == 2);
  CHECK(h.non_finite(0) == 0);
  CHECK(h.non_finite(1) == 2);
  CHECK(h.empty());
  CHECK(h.view(0).range == Range{-2, 1});
  CHECK_THROWS_WITH(h.view(1), Catch::Matchers::ContainsSubstring("no value was observed for scale 1"));
  Histogram one;
  one.observe(x, Shape{4});
  CHECK(one.view(0).total() == 2);
  CHECK(one.view(0).range == Range{-2, 1});
}

TEST_CASE("every granularity counts its own values") {
  const auto x = stet_test::sample(Distribution::normal, 240, 4);
  const Shape shape{5, 6, 8};
  for (const Granularity& g : {Granularity::per_channel(0), Granularity::per_channel(1), Granularity::per_channel(2),
                               Granularity::per_group(4)}) {
    Histogram h(g);
    h.observe(x, shape);
    const ScaleMap map = scale_map(g, shape);
    REQUIRE(h.scales() == map.count);
    for (std::int64_t k = 0; k < map.count; ++k) {
      std::vector<float> own;
      for (std::int64_t i = 0; i < 240; ++i) {
        if (map.index(i) == k) own.push_back(x[static_cast<std::size_t>(i)]);
      }
      CHECK(counts(h.view(k)) == direct_counts(own, h.view(k).width));
    }
  }
}

TEST_CASE("counts do not depend on the number of threads") {
  const auto x = stet_test::sample(Distribution::laplace, 200000, 9);
  const auto count = [&](int threads, const Granularity& g) {
    set_threads(threads);
    Histogram h(g);
    h.observe(x, Shape{50, 40, 100});
    set_threads(0);
    return integers(h);
  };
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(2), Granularity::per_channel(1)}) {
    CHECK(count(1, g) == count(3, g));
  }
}

TEST_CASE("a histogram refuses what does not fit") {
  CHECK_THROWS_WITH(Histogram({}, 100), Catch::Matchers::ContainsSubstring("power of two"));
  CHECK_THROWS_AS(Histogram({}, 8), Error);
  CHECK_THROWS_AS(Histogram({}, 131072), Error);
  Histogram h(Granularity::per_channel(0), 16);
  const std::vector<float> x(6);
  h.observe(x, Shape{2, 3});
  CHECK_THROWS_WITH(h.observe(x, Shape{3, 2}), Catch::Matchers::ContainsSubstring("has 2 scales, got 3"));
  CHECK_THROWS_AS(h.observe(x, Shape{2, 2}), Error);
  CHECK_THROWS_WITH(h.merge(Histogram({}, 16)), Catch::Matchers::ContainsSubstring("same granularity"));
  CHECK_THROWS_AS(h.merge(Histogram(Granularity::per_channel(0), 32)), Error);
  Histogram three(Granularity::per_channel(0), 16);
  three.observe(x, Shape{3, 2});
  CHECK_THROWS_AS(h.merge(three), Error);
  CHECK_THROWS_AS(h.view(2), Error);
  CHECK(h.view(1).total() == 3);
  h.fields([](std::string_view field, auto& value) {  // as if a file of another number of bins had been loaded
    if constexpr (std::is_same_v<decltype(value), std::vector<std::int64_t>&>) {
      if (field == "counts") value.resize(8);
    }
  });
  CHECK_THROWS_WITH(h.view(0), Catch::Matchers::ContainsSubstring("do not belong"));
  h.reset();
  CHECK(h.empty());
  CHECK(h.bins() == 16);
}

}  // namespace histogram_test
