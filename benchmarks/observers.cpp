// Signal-to-noise ratio in decibels that each observer's range reaches at 2, 3, 4 and 8 bits on a normal, a Laplace and a
// rectified normal distribution. Observers see a sample in eight batches; the ratio is that of the distribution itself.
// The last column is processor time of one thread, observing and choosing at 8 bits.
// Grids: symmetric -2^(b-1) .. 2^(b-1)-1 for the first two, affine 0 .. 2^b-1 for the third. Prints Markdown.
//   bench_observers [values]

#include "tests/support/distributions.hpp"

#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/mse_range.hpp>
#include <stet/quant/observer.hpp>
#include <stet/quant/percentile_observer.hpp>

#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace stet;
using stet_test::Distribution;

struct Row {
  std::string name;
  std::function<Range(std::span<const float>, const Grid&, bool)> range;
};

Range observe(AnyObserver observer, std::span<const float> x, const Grid& grid, bool symmetric) {
  observer.set_grid(grid, symmetric);
  const std::size_t batch = x.size() / 8;
  for (std::size_t i = 0; i < 8; ++i) observer.observe(x.subspan(i * batch, batch));
  return observer.ranges()[0];
}

Row row(std::string name, const AnyObserver& observer) {
  return {std::move(name), [observer](std::span<const float> x, const Grid& grid, bool symmetric) {
            return observe(observer, x, grid, symmetric);
          }};
}

}  // namespace

int main(int argc, char** argv) {
  const auto values = static_cast<std::size_t>(argc > 1 ? std::atoll(argv[1]) : 1 << 20);
  set_threads(1);
  const std::vector<Row> rows{
      row("`MinMaxObserver`", MinMaxObserver()),
      row("`MovingAverageObserver`, 0.01", MovingAverageObserver()),
      row("`PercentileObserver`, 99.999", PercentileObserver()),
      row("`PercentileObserver`, 99.99", PercentileObserver({}, 99.99)),
      row("`PercentileObserver`, 99", PercentileObserver({}, 99.0)),
      row("`MeanSigmaObserver`, 2.6", MeanSigmaObserver()),
      row("`EntropyObserver`", EntropyObserver()),
      row("`HistogramObserver`", HistogramObserver()),
      {"`HistogramObserver`, 256 levels always (PyTorch)",
       [](std::span<const float> x, const Grid&, bool) { return observe(HistogramObserver(), x, Grid::int8(), true); }},
      row("`MseObserver`", MseObserver()),
      {"`mse_range`", [](std::span<const float> x, const Grid& grid, bool symmetric) { return mse_range(x, grid, symmetric); }},
  };
  fmt::print("| observer | N(0,1): 2 | 3 | 4 | 8 bits | Laplace: 2 | 3 | 4 | 8 bits | ReLU(N): 2 | 3 | 4 | 8 bits | 8 bits, ms |\n");
  fmt::print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  const auto distributions = {Distribution::normal, Distribution::laplace, Distribution::relu};
  std::vector<std::vector<float>> samples;
  for (const auto d : distributions) samples.push_back(stet_test::sample(d, values, 1));
  for (const Row& r : rows) {
    fmt::print("| {} |", r.name);
    double milliseconds = 0;
    for (const auto d : distributions) {
      const auto& x = samples[static_cast<std::size_t>(d)];
      for (const int bits : {2, 3, 4, 8}) {
        const bool symmetric = d != Distribution::relu;
        const Grid grid = symmetric ? Grid::signed_bits(bits) : Grid::unsigned_bits(bits);
        const std::clock_t start = std::clock();
        const Range range = r.range(x, grid, symmetric);
        if (bits == 8) milliseconds += 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / 3.0;
        fmt::print(" {:.2f} |", stet_test::signal_to_noise(d, choose_qparams(range, grid, {.symmetric = symmetric})));
      }
    }
    fmt::print(" {:.1f} |\n", milliseconds);
  }
  fmt::print("| optimum |");
  for (const auto d : distributions) {
    for (const auto& best : stet_test::optima(d)) fmt::print(" {:.2f} |", best.decibels);
  }
  fmt::print(" |\n");
}
