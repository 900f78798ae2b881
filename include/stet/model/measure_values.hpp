#pragma once
// measure_values: every value of a quantized network on data, beside the range that it has.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/data_sample.hpp>
#include <stet/model/measured_node.hpp>
#include <stet/model/qat_model.hpp>

#include <cstdint>
#include <span>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/model_inputs.hpp>
#include <stet/model/network_meter.hpp>
#include <stet/model/unit_runner.hpp>
#endif

namespace stet {

/// Every value of the deployed network on a sample of data: range in use, values that came, what is cut, how large the error
/// of rounding is; of layers the disparity of channels and how many are dead or saturated, of batch norms how far the data are
/// from the running mean. The values are those of the float network with the model's weights. Nothing of the model moves.
/// Errors:    Errc::state if a range is missing or the data are empty; Errc::range if an option is impossible
STET_ENTRY std::vector<MeasuredNode> measure_values(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample = {});

/// Per unit, how far running means are from what the quantized network makes of a batch: what reestimate_batch_norm would
/// change. 0 without a batch norm, and for recipes that are simulated in float.
/// Formula:   sqrt(max(0, mean over channels of ((m - running mean)^2 - e^2) / (running variance + eps))), m the mean over
///            four parts of the images, e its standard error: few images give no drift of their own
/// Shapes:    inputs [N, ...], N at least 8
/// Errors:    Errc::shape if there are fewer images; Errc::state if a range is missing
STET_ENTRY std::vector<double> batch_norm_shifts(const QatModel& qat, std::span<const Tensor<float>> inputs);
inline std::vector<double> batch_norm_shifts(const QatModel& qat, const Tensor<float>& x) {
  return batch_norm_shifts(qat, std::span<const Tensor<float>>(&x, 1));
}

#if STET_DEFINE_ENTRIES
namespace detail {

// Images first, first+1, ... of a batch, copied, of every input.
inline std::vector<Tensor<float>> some_images(std::span<const Tensor<float>> inputs, std::int64_t first, std::int64_t count) {
  std::vector<Tensor<float>> some;
  for (const Tensor<float>& x : inputs) {
    const std::int64_t each = x.size() / x.shape()[0];
    some.emplace_back(x.shape().with(0, count),
                      x.span().subspan(static_cast<std::size_t>(first * each), static_cast<std::size_t>(count * each)));
  }
  return some;
}

}  // namespace detail

STET_ENTRY std::vector<MeasuredNode> measure_values(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample) {
  qat.require_calibrated("measure_values");
  const Batches batches = detail::sample_of("measure_values", qat.graph(), data, sample);
  detail::NetworkMeter meter(qat);
  using Pass = detail::NetworkMeter::Pass;
  for (const Pass pass : {Pass::extremes, Pass::values}) {
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const std::vector<std::int64_t> images(batches[i].begin(), batches[i].end());
      meter.show(data.batch(images).inputs(), images, pass);
    }
  }
  return std::move(meter).finish();
}

STET_ENTRY std::vector<double> batch_norm_shifts(const QatModel& qat, std::span<const Tensor<float>> inputs) {
  constexpr std::int64_t parts = 4;
  detail::require_inputs("batch_norm_shifts", qat.graph(), inputs);
  const std::int64_t all = inputs[0].shape()[0], images = all / parts;
  require(images >= 2, Errc::shape, "batch_norm_shifts: needs at least {} images, got {}", 2 * parts, all);
  qat.require_calibrated("batch_norm_shifts");
  std::vector<double> shifts(qat.units().size(), 0.0);
  if (qat.recipe().simulated()) return shifts;
  std::vector<std::vector<double>> sums(shifts.size()), squares(shifts.size());
  for (std::int64_t p = 0; p < parts; ++p) {
    QatModel copy = qat;  // each part from the statistics in use: per-tensor weights depend on them
    Tape tape;
    detail::UnitRunner runner(tape, copy, &copy, nullptr);
    runner.reestimate(1.0f);
    (void)runner.run(detail::some_images(inputs, p * images, images), nullptr);
    for (std::size_t u = 0; u < shifts.size(); ++u) {
      const Unit& unit = qat.units()[u];
      if (unit.batch_norm < 0) continue;
      const Tensor<float>& mean = copy.model().buffer(qat.node_name(unit.batch_norm) + ".mean");
      sums[u].resize(static_cast<std::size_t>(mean.size()));
      squares[u].resize(sums[u].size());
      for (std::size_t c = 0; c < sums[u].size(); ++c) {
        const auto m = static_cast<double>(mean.span()[c]);
        sums[u][c] += m;
        squares[u][c] += m * m;
      }
    }
  }
  for (std::size_t u = 0; u < shifts.size(); ++u) {
    const std::optional<NormView> norm = detail::norm_of(qat, qat.units()[u]);
    if (!norm || sums[u].empty()) continue;
    for (std::size_t c = 0; c < sums[u].size(); ++c) {
      double& mean = sums[u][c];
      mean /= parts;
      squares[u][c] = std::max(0.0, squares[u][c] / parts - mean * mean) / (parts - 1);
    }
    shifts[u] = detail::drift_between(*norm, sums[u], squares[u]);
  }
  return shifts;
}
#endif

}  // namespace stet
