// Percentile, entropy and mean-sigma observers against direct computations, and their errors.
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/percentile_observer.hpp>

#include "support/catch.hpp"
#include "support/distributions.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace value_observer_test {

using namespace stet;
using stet_test::Distribution;

TEST_CASE("percentiles are those of the sorted values, to the width of a bin") {
  for (const auto d : {Distribution::normal, Distribution::laplace, Distribution::relu}) {
    auto x = stet_test::sample(d, 100000, 6);
    for (const double percentile : {60.0, 99.0, 99.99, 100.0}) {
      PercentileObserver observer({}, percentile);
      observer.observe(x);
      const double width = observer.histogram().view(0).width;
      std::vector<float> sorted = x;
      std::sort(sorted.begin(), sorted.end());
      // k-th smallest value, k = floor(q n / 100 + 1/2), as Brevitas counts.
      const auto at = [&](double q) {
        const auto k = static_cast<std::int64_t>(q / 100.0 * 100000.0 + 0.5);
        return static_cast<double>(sorted[static_cast<std::size_t>(std::clamp<std::int64_t>(k - 1, 0, 99999))]);
      };
      const Range range = observer.ranges()[0];
      INFO(static_cast<int>(d) << " " << percentile << ": " << range.lo << ".." << range.hi);
      CHECK(std::fabs(static_cast<double>(range.hi) - at(percentile)) <= width);
      CHECK(std::fabs(static_cast<double>(range.lo) - at(100.0 - percentile)) <= width);
      if (percentile == 100.0) CHECK(range == Range{sorted.front(), sorted.back()});
    }
  }
  CHECK(PercentileObserver().percentile() == 99.999);
  PercentileObserver one;
  one.observe(std::vector<float>{3, 3, 3});
  CHECK(one.ranges() == std::vector<Range>{{3, 3}});
}

namespace {

// Kullback-Leibler divergence of the first i bins, written out array by array.
double divergence(std::vector<double> count, std::size_t levels, std::size_t i) {
  count[0] = count[1];
  std::vector<double> p(count.begin(), count.begin() + static_cast<std::ptrdiff_t>(i)), q(i, 0.0);
  for (std::size_t level = 0; level < levels; ++level) {
    std::vector<std::size_t> members;
    double sum = 0;
    for (std::size_t j = 0; j < i; ++j) {
      if (j * levels / i == level && count[j] > 0) {
        members.push_back(j);
        sum += count[j];
      }
    }
    for (const std::size_t j : members) q[j] = sum / static_cast<double>(members.size());
  }
  p.back() = std::accumulate(count.begin() + static_cast<std::ptrdiff_t>(i) - 1, count.end(), 0.0);
  const double all_p = std::accumulate(p.begin(), p.end(), 0.0);
  const double all_q = std::accumulate(q.begin(), q.end(), 0.0);
  double sum = 0;
  for (std::size_t j = 0; j < i; ++j) {
    if (p[j] > 0) sum += p[j] / all_p * std::log(p[j] / all_p / (q[j] / all_q));
  }
  return sum;
}

}  // namespace

TEST_CASE("the entropy observer takes the least divergence of all candidates") {
  Rng rng(8);
  for (int round = 0; round < 20; ++round) {
    std::vector<double> count(180 + rng.below(120));
    for (std::size_t i = 0; i < count.size(); ++i) {
      const double expected = 400.0 * std::exp(-static_cast<double>(i) / 40.0);
      count[i] = std::floor(expected * rng.uniform(0.5, 1.5) + rng.uniform());
    }
    const std::size_t levels = round % 2 == 0 ? 16 : 100;
    const std::size_t best = detail::least_divergence(count, levels, 128);
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 128; i <= count.size(); ++i) least = std::min(least, divergence(count, levels, i));
    INFO(round << ": " << best << " of " << count.size());
    CHECK(std::fabs(divergence(count, levels, best) - least) < 1e-9);
  }
}

TEST_CASE("the entropy observer clips long tails, and keeps the range where it cannot compare") {
  const auto x = stet_test::quantiles(Distribution::laplace, 200000);
  EntropyObserver observer;
  observer.observe(x);
  const Range range = observer.ranges()[0];
  CHECK(range.hi < 0.9f * min_max(x).hi);
  CHECK(range.hi > 4.0f);
  CHECK(range.lo == -range.hi);
  EntropyObserver constant, zeros;
  constant.observe(std::vector<float>(9, 1.5f));
  zeros.observe(std::vector<float>(9));
  CHECK(constant.ranges() == std::vector<Range>{{1.5f, 1.5f}});
  CHECK(zeros.ranges() == std::vector<Range>{{0, 0}});
  const auto positive = stet_test::quantiles(Distribution::relu, 200000);
  EntropyObserver one_sided({}, Grid::uint8());
  one_sided.observe(positive);
  CHECK(one_sided.ranges()[0].lo == 0.0f);
  CHECK(one_sided.ranges()[0].hi > 2.5f);
}

TEST_CASE("mean and sigma are those of all values, and merging equals the whole up to rounding") {
  auto x = stet_test::sample(Distribution::laplace, 30000, 12);
  for (float& v : x) v += 5.0f;
  MeanSigmaObserver whole, left, right;
  whole.observe(x);
  const std::span<const float> all(x);
  for (std::size_t i = 0; i < 30; ++i) (i % 4 == 0 ? left : right).observe(all.subspan(i * 1000, 1000));
  left.merge(right);
  double mean = 0, squares = 0;
  for (const float v : x) mean += static_cast<double>(v) / 30000.0;
  for (const float v : x) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  const double sigma = std::sqrt(squares / 29999.0);
  for (const MeanSigmaObserver* o : {&whole, &left}) {
    CHECK(std::fabs(o->mean(0) - mean) < 1e-11);
    CHECK(std::fabs(o->sigma(0) - sigma) < 1e-11);
  }
  CHECK(std::fabs(static_cast<double>(whole.ranges()[0].hi) - (mean + 2.6 * sigma)) < 1e-6);
  CHECK(std::fabs(static_cast<double>(whole.ranges()[0].lo) - (mean - 2.6 * sigma)) < 1e-6);
  MeanSigmaObserver wide({}, 100.0);
  wide.observe(x);
  CHECK(wide.ranges()[0] == min_max(x));
  MeanSigmaObserver single;
  single.observe(std::vector<float>{-4});
  CHECK(single.ranges() == std::vector<Range>{{-4, -4}});
}

TEST_CASE("mean and sigma of every granularity leave out what is not finite") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{1, nan, 3, 4, -1, 2, nan, 8};
  MeanSigmaObserver rows(Granularity::per_channel(0)), columns(Granularity::per_channel(1)),
      groups(Granularity::per_group(2));
  rows.observe(x, Shape{2, 4});
  columns.observe(x, Shape{2, 4});
  groups.observe(x, Shape{2, 4});
  CHECK(rows.non_finite() == 2);
  CHECK(std::fabs(rows.mean(0) - 8.0 / 3) < 1e-15);
  CHECK(std::fabs(rows.sigma(1) - std::sqrt(21.0)) < 1e-14);
  CHECK(columns.mean(3) == 6.0);
  CHECK(columns.mean(1) == 2.0);
  CHECK(groups.mean(1) == 3.5);
}

namespace {

template <class O>
std::vector<Range> ranges_with(int threads, const O& fresh, const std::vector<float>& x) {
  set_threads(threads);
  O observer = fresh;
  observer.observe(x, Shape{40, 25, 32});
  const auto ranges = observer.ranges();
  set_threads(0);
  return ranges;
}

}  // namespace

TEST_CASE("ranges do not depend on the number of threads") {
  const auto x = stet_test::sample(Distribution::normal, 32000, 13);
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(1)}) {
    const auto check = [&](const auto& fresh) { CHECK(ranges_with(1, fresh, x) == ranges_with(3, fresh, x)); };
    check(MseObserver(g, Grid::signed_bits(4)));
    check(PercentileObserver(g, 99.9));
    check(EntropyObserver(g));
    check(MeanSigmaObserver(g));
    check(HistogramObserver(g));
  }
}

TEST_CASE("observers of values refuse impossible options and what does not fit") {
  CHECK_THROWS_WITH(PercentileObserver({}, 50.0), Catch::Matchers::ContainsSubstring("must be in (50, 100]"));
  CHECK_THROWS_AS(PercentileObserver({}, std::numeric_limits<double>::quiet_NaN()), Error);
  CHECK_THROWS_WITH(MeanSigmaObserver({}, 0.0), Catch::Matchers::ContainsSubstring("must be positive"));
  CHECK_THROWS_AS(MeanSigmaObserver({}, std::numeric_limits<double>::infinity()), Error);
  CHECK_THROWS_AS(MseObserver({}, Grid::int8(), false, 100), Error);
  CHECK_THROWS_AS(EntropyObserver({}, Grid::int8(), false, 100), Error);
  CHECK_THROWS_WITH(MseObserver().ranges(), Catch::Matchers::ContainsSubstring("MseObserver: nothing was observed"));
  MseObserver some(Granularity::per_channel(1));
  some.observe(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, Shape{1, 2});
  CHECK_THROWS_WITH(some.ranges(), Catch::Matchers::ContainsSubstring("for some channels"));
  CHECK_THROWS_WITH(MeanSigmaObserver().ranges(), Catch::Matchers::ContainsSubstring("nothing was observed"));
  MeanSigmaObserver per_channel(Granularity::per_channel(0));
  per_channel.observe(Tensor<float>::zeros({2, 3}));
  CHECK_THROWS_WITH(per_channel.observe(Tensor<float>::zeros({3, 3})), Catch::Matchers::ContainsSubstring("has 2 scales"));
  CHECK_THROWS_WITH(per_channel.merge(MeanSigmaObserver()), Catch::Matchers::ContainsSubstring("same granularity"));
}

}  // namespace value_observer_test
