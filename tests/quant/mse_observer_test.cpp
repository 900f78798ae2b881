// MseObserver and mse_range: the best signal-to-noise ratio of known distributions, and the exact optimum of small data.
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/mse_range.hpp>
#include <stet/quant/observer.hpp>

#include "support/catch.hpp"
#include "support/distributions.hpp"

#include <limits>

namespace mse_observer_test {

using namespace stet;
using stet_test::Distribution;

namespace {

double squared_error(const std::vector<float>& x, const QParams& p) {
  std::vector<float> y(x.size());
  fake_quantize(x, p, y);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += e * e;
  }
  return sum;
}

}  // namespace

TEST_CASE("the integrated signal-to-noise ratio is that of the reference table") {
  for (const auto d : {Distribution::normal, Distribution::laplace, Distribution::relu}) {
    for (const auto& best : stet_test::optima(d)) {
      const Grid grid = d == Distribution::relu ? Grid::unsigned_bits(best.bits) : Grid::signed_bits(best.bits);
      const QParams p = QParams::per_tensor(static_cast<float>(best.step), 0, grid);
      CHECK(std::fabs(stet_test::signal_to_noise(d, p) - best.decibels) < 0.01);
    }
  }
}

TEST_CASE("the MSE observer reaches the optimum of known distributions within 0.05 dB") {
  for (const auto d : {Distribution::normal, Distribution::laplace, Distribution::relu}) {
    const auto x = stet_test::quantiles(d, std::size_t{1} << 20);
    MseObserver observer;
    const std::size_t batch = x.size() / 8;
    for (std::size_t i = 0; i < 8; ++i) observer.observe(std::span<const float>(x).subspan(i * batch, batch));
    for (const auto& best : stet_test::optima(d)) {
      for (const bool symmetric : {false, true}) {
        if (symmetric && d == Distribution::relu) continue;
        const Grid grid = d == Distribution::relu ? Grid::unsigned_bits(best.bits) : Grid::signed_bits(best.bits);
        observer.set_grid(grid, symmetric);
        const QParams p = choose_qparams(observer.ranges(), grid, {.symmetric = symmetric});
        const double reached = stet_test::signal_to_noise(d, p);
        INFO(static_cast<int>(d) << " " << best.bits << " bits " << symmetric << " step " << p.scale[0] << ": " << reached);
        CHECK(reached > best.decibels - 0.05);
      }
    }
  }
}

namespace {

// The smallest error over very many scales and all zero points, by brute force.
double least_error(const std::vector<float>& x, const Grid& grid, bool symmetric) {
  const float most = min_max(x).absmax();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 1; i <= 4000; ++i) {
    const float scale = most * static_cast<float>(i) / 2000.0f;
    for (std::int32_t z = symmetric ? 0 : grid.lo; z <= (symmetric ? 0 : grid.hi); ++z) {
      least = std::min(least, squared_error(x, QParams::per_tensor(scale, z, grid)));
    }
  }
  return least;
}

}  // namespace

TEST_CASE("mse_range finds the smallest error of few values, for every kind of grid") {
  Rng rng(3);
  for (int round = 0; round < 12; ++round) {
    std::vector<float> x(40);
    for (float& v : x) v = static_cast<float>(round % 3 == 0 ? rng.uniform(-1, 3) : rng.normal());
    if (round % 4 == 1) x[0] = 30.0f;
    if (round % 4 == 2) {
      for (float& v : x) v = std::fabs(v);
    }
    for (const Grid& grid : {Grid::signed_bits(2), Grid::narrow(2), Grid::narrow(3), Grid::unsigned_bits(3)}) {
      const bool symmetric = grid.lo < 0 && round % 2 == 0;
      const QParams p = choose_qparams(mse_range(x, grid, symmetric), grid, {.symmetric = symmetric});
      INFO(round << " grid " << grid.lo << ".." << grid.hi << " scale " << p.scale[0] << " zero point " << p.zero_point[0]);
      CHECK(squared_error(x, p) <= 1.01 * least_error(x, grid, symmetric));
    }
  }
}

TEST_CASE("values that lie on a grid are met exactly") {
  const std::vector<float> ternary{-0.5f, 0.0f, 0.5f, 0.5f};
  CHECK(squared_error(ternary, choose_qparams(mse_range(ternary, Grid::narrow(2), true), Grid::narrow(2),
                                              {.symmetric = true})) < 1e-12);
  const std::vector<float> beyond{0.0f, 1.0f, 2.0f};  // step 1 is coarser than the range over the levels
  CHECK(squared_error(beyond, choose_qparams(mse_range(beyond, Grid::unsigned_bits(2), false),
                                             Grid::unsigned_bits(2))) < 1e-6);
  const std::vector<float> positive(5, 3.0f);  // the positive half of -2..1 has one code
  CHECK(squared_error(positive, choose_qparams(mse_range(positive, Grid::signed_bits(2), true), Grid::signed_bits(2),
                                               {.symmetric = true})) < 1e-6);
}

TEST_CASE("mse_range takes extreme values") {
  CHECK(mse_range(std::vector<float>(3), Grid::int8(), false) == Range{0, 0});
  const float most = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  for (const bool symmetric : {false, true}) {
    for (const std::vector<float>& x : {std::vector<float>{-most, most}, {most}, {-most, 1}, {least, -least}, {1e-20f}}) {
      for (const Grid& grid : {Grid::range(0, 1), Grid::narrow(2), Grid::int8(), Grid::signed_bits(16)}) {
        const Range range = mse_range(x, grid, symmetric);
        CHECK(range.finite());
        CHECK_NOTHROW(choose_qparams(range, grid, {.symmetric = symmetric}));
        MseObserver observer({}, grid, symmetric);
        observer.observe(x);
        CHECK_NOTHROW(choose_qparams(observer.ranges(), grid, {.symmetric = symmetric}));
      }
    }
  }
}

TEST_CASE("mse_range per channel and per group is that of each part") {
  const auto all = stet_test::sample(Distribution::laplace, 96, 5);
  const Tensor<float> x({4, 3, 8}, std::span<const float>(all));
  const auto part = [&](auto belongs) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < x.shape().elements(); ++i) {
      if (belongs(i)) values.push_back(x[i]);
    }
    return mse_range(values, Grid::narrow(4), true);
  };
  const auto by_axis = mse_range(x, Granularity::per_channel(1), Grid::narrow(4), true);
  REQUIRE(by_axis.size() == 3);
  for (std::int64_t k = 0; k < 3; ++k) {
    CHECK(by_axis[static_cast<std::size_t>(k)] == part([&](std::int64_t i) { return i / 8 % 3 == k; }));
  }
  const auto last = mse_range(x, Granularity::per_channel(2), Grid::narrow(4), true);
  CHECK(last.at(5) == part([](std::int64_t i) { return i % 8 == 5; }));
  const auto groups = mse_range(x, Granularity::per_group(4), Grid::narrow(4), true);
  REQUIRE(groups.size() == 24);
  CHECK(groups[23] == part([](std::int64_t i) { return i / 4 == 23; }));
  CHECK(mse_range(x, {}, Grid::narrow(4), true) == std::vector<Range>{mse_range(x.span(), Grid::narrow(4), true)});
}

TEST_CASE("mse_scales finds the smallest error with a given zero point, per channel too") {
  const auto all = stet_test::sample(Distribution::laplace, 120, 7);
  const Tensor<float> x({3, 40}, std::span<const float>(all));
  for (const Grid& grid : {Grid::unsigned_bits(2), Grid::signed_bits(3), Grid::narrow(3)}) {
    for (std::int32_t z = grid.lo; z <= grid.hi; ++z) {
      const std::vector<float> scales = mse_scales(x, Granularity::per_channel(0), grid, z, 0x1p-60f);
      REQUIRE(scales.size() == 3);
      for (std::size_t k = 0; k < scales.size(); ++k) {
        const std::vector<float> own(all.begin() + 40 * static_cast<std::ptrdiff_t>(k),
                                     all.begin() + 40 * static_cast<std::ptrdiff_t>(k + 1));
        double least = std::numeric_limits<double>::infinity();
        for (int i = 1; i <= 4000; ++i) {
          const float scale = min_max(own).absmax() * static_cast<float>(i) / 2000.0f;
          least = std::min(least, squared_error(own, QParams::per_tensor(scale, z, grid)));
        }
        INFO("grid " << grid.lo << ".." << grid.hi << ", zero point " << z << ", scale " << scales[k]);
        CHECK(squared_error(own, QParams::per_tensor(scales[k], z, grid)) <= 1.01 * least);
      }
    }
  }
  CHECK(mse_scales(Tensor<float>::zeros({4}), {}, Grid::int8(), 0, 0x1p-60f) == std::vector<float>{1.0f});
  const Tensor<float> tiny = Tensor<float>::filled({4}, 0x1p-50f);  // the caller's least scale counts, not 2^-23
  CHECK(std::fabs(mse_scales(tiny, {}, Grid::narrow(2), 0, 0x1p-60f)[0] - 0x1p-50f) < 0x1p-56f);
  CHECK_THROWS_WITH(mse_scales(x, {}, Grid::unsigned_bits(2), 4, 1e-6f), Catch::Matchers::ContainsSubstring("outside the grid"));
}

TEST_CASE("mse_range refuses what it cannot search") {
  CHECK_THROWS_WITH(mse_range(std::vector<float>(), Grid::int8(), true), Catch::Matchers::ContainsSubstring("no values"));
  const std::vector<float> bad{1, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THROWS_WITH(mse_range(bad, Grid::int8(), true), Catch::Matchers::ContainsSubstring("NaN or infinite"));
  CHECK_THROWS_AS(mse_range(bad, Shape{2}, Granularity::per_channel(0), Grid::int8(), true), Error);
  CHECK_THROWS_WITH(search_mse_range(SortedMoments(std::vector<float>{1}), Grid::int8(), true, 0),
                    Catch::Matchers::ContainsSubstring("must be positive"));
  CHECK_THROWS_AS(mse_range(std::vector<float>(3), Shape{2}, Granularity::per_channel(0), Grid::int8(), true), Error);
}

TEST_CASE("AnyObserver forwards the grid and refuses ranges where values are needed") {
  AnyObserver mse{MseObserver()};
  AnyObserver min_max_observer{MinMaxObserver()};
  CHECK(mse.needs_values());
  CHECK_FALSE(min_max_observer.needs_values());
  mse.set_grid(Grid::narrow(3), true);
  min_max_observer.set_grid(Grid::narrow(3), true);  // does nothing
  CHECK(mse.get<MseObserver>()->grid() == Grid::narrow(3));
  CHECK(mse.get<MseObserver>()->symmetric());
  CHECK_THROWS_WITH(mse.observe(Range{-1, 1}), Catch::Matchers::ContainsSubstring("needs the values"));
  const auto x = stet_test::sample(Distribution::normal, 1000, 7);
  mse.observe(x);
  const Range range = mse.ranges()[0];
  CHECK(range.lo == -range.hi);
  CHECK(std::fabs(range.hi / 3.0f - 0.6019f) < 0.2f);  // codes -3..3
  mse.set_grid(Grid::int8(), false);                   // the same counts, another question
  CHECK(mse.ranges()[0].hi > range.hi);
}

}  // namespace mse_observer_test
