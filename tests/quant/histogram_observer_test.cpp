// HistogramObserver against PyTorch: bin weights, and the error that its range reaches; what merging keeps.
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mse_observer.hpp>

#include "support/distributions.hpp"
#include "support/golden.hpp"

namespace histogram_observer_test {

using namespace stet;

namespace {

double mean_squared_error(const std::vector<float>& x, const QParams& p) {
  std::vector<float> y(x.size());
  fake_quantize(x, p, y);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += e * e;
  }
  return sum / static_cast<double>(x.size());
}

void observe_batches(HistogramObserver& observer, const GoldenArray& batches) {
  const auto values = batches.as<float>();
  const auto size = values.size() / static_cast<std::size_t>(batches.shape[0]);
  for (std::size_t first = 0; first < values.size(); first += size) {
    observer.observe(std::span<const float>(values).subspan(first, size));
  }
}

}  // namespace

TEST_CASE("the histogram observer reaches PyTorch's error") {
  int searched = 0, counted = 0;
  for (const auto& c : load_golden("histogram")) {
    INFO(c.name);
    const GoldenArray batches = c.inputs("batches");
    if (c.has_expected("histogram")) {
      HistogramObserver observer({}, Grid::int8(), c.params.at("bins").get<int>());
      observe_batches(observer, batches);
      check_golden(c, "histogram", observer.histogram(0));
      ++counted;
      continue;
    }
    const Grid grid = Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
    HistogramObserver observer({}, grid);
    observe_batches(observer, batches);
    const QParams p =
        choose_qparams(observer.ranges(), grid, {.symmetric = c.params.at("symmetric").get<bool>()});
    check_golden(c, "mse", std::vector<double>{mean_squared_error(batches.as<float>(), p)});
    ++searched;
  }
  CHECK(searched == 24);
  CHECK(counted == 2);
}

TEST_CASE("MseObserver is as good as the best of many ranges and never worse than PyTorch's search") {
  for (const auto& c : load_golden("histogram")) {
    if (!c.has_expected("mse_best")) continue;
    INFO(c.name);
    const Grid grid = Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
    const bool symmetric = c.params.at("symmetric").get<bool>();
    const auto x = c.inputs("batches").as<float>();
    MseObserver observer({}, grid, symmetric);
    observer.observe(x);
    const double error = mean_squared_error(x, choose_qparams(observer.ranges(), grid, {.symmetric = symmetric}));
    CHECK(error <= 1.02 * c.expected("mse_best").as<double>()[0]);
    CHECK(error <= 1.01 * c.expected("mse").as<double>()[0]);
  }
}

TEST_CASE("merged histograms of the histogram observer keep the sum and move counts by a few bins at most") {
  const auto x = stet_test::sample(stet_test::Distribution::laplace, 20000, 11);
  HistogramObserver whole, merged, other;
  whole.observe(x);
  const std::span<const float> all(x);
  for (std::size_t i = 0; i < 10; ++i) (i < 5 ? merged : other).observe(all.subspan(i * 2000, 2000));
  merged.merge(other);
  double sum = 0, difference = 0, most = 0;
  std::vector<double> cumulated_whole, cumulated;
  double a = 0, b = 0;
  for (std::size_t i = 0; i < 2048; ++i) {
    cumulated_whole.push_back(a += whole.histogram(0)[i]);
    cumulated.push_back(b += merged.histogram(0)[i]);
    sum += merged.histogram(0)[i];
  }
  CHECK(std::fabs(sum - 20000.0) < 1e-6);
  // A count moves by less than two bins for each growth of the range, of which there are several here; four bins in all
  // are enough for these data.
  for (std::size_t i = 4; i + 4 < 2048; ++i) {
    difference = std::max({difference, cumulated[i] - cumulated_whole[i + 4], cumulated_whole[i - 4] - cumulated[i]});
    most = std::max(most, std::fabs(cumulated[i] - cumulated_whole[i]));
  }
  CHECK(difference <= 1e-6);
  CHECK(most > 0);
  CHECK(merged.ranges()[0].hi > 0);
}

TEST_CASE("the histogram observer takes constants, growth from them, and refuses what does not fit") {
  HistogramObserver observer;
  observer.observe(std::vector<float>{2, 2, 2});
  CHECK(observer.ranges() == std::vector<Range>{{2, 2}});
  observer.observe(std::vector<float>{0, 4});
  CHECK(observer.histogram(0)[1024] == 3.0);  // 2 is the lower edge of bin 1024 of 0..4
  CHECK(observer.histogram(0)[0] == 1.0);
  CHECK(observer.histogram(0)[2047] == 1.0);
  CHECK_THROWS_WITH(HistogramObserver({}, Grid::int8(), 1), Catch::Matchers::ContainsSubstring("1 bins"));
  CHECK_THROWS_WITH(observer.merge(HistogramObserver({}, Grid::int8(), 64)),
                    Catch::Matchers::ContainsSubstring("number of bins"));
  CHECK_THROWS_WITH(HistogramObserver().ranges(), Catch::Matchers::ContainsSubstring("nothing was observed"));
  HistogramObserver per_channel(Granularity::per_channel(0));
  per_channel.observe(Tensor<float>::zeros({2, 3}));
  CHECK_THROWS_WITH(per_channel.observe(Tensor<float>::zeros({3, 3})), Catch::Matchers::ContainsSubstring("has 2 scales"));
  HistogramObserver loaded({}, Grid::int8(), 64);
  loaded.observe(std::vector<float>{1, 2});
  loaded.fields([](std::string_view field, auto& value) {
    if constexpr (std::is_same_v<decltype(value), std::vector<double>&>) {
      if (field == "counts") value.resize(32);
    }
  });
  CHECK_THROWS_WITH(loaded.ranges(), Catch::Matchers::ContainsSubstring("do not belong"));
}

}  // namespace histogram_observer_test
