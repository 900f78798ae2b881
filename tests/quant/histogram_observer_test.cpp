// HistogramObserver against PyTorch: bin weights, and the error that its range reaches; what merging keeps.
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/histogram_observer.hpp>

#include "support/distributions.hpp"
#include "support/golden.hpp"

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
