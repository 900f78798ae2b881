#pragma once
// calibrate: ranges of a prepared model from data, without training.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/data_sample.hpp>
#include <stet/model/qat_model.hpp>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/warning.hpp>
#include <stet/model/check_calibration.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/scale_limits.hpp>
#endif

namespace stet {

#if STET_DEFINE_ENTRIES
namespace detail {

// Part of the values that lie more than `margin` outside of a range.
inline double part_beyond(std::span<const float> values, const Range& range, float margin) {
  const auto beyond = std::count_if(values.begin(), values.end(),
                                    [=](float v) { return v < range.lo - margin || v > range.hi + margin; });
  return static_cast<double>(beyond) / static_cast<double>(values.size());
}

}  // namespace detail
#endif

/// Shows a sample of the images to the float model and lets the quantizers see every activation. Batch norm uses its
/// running statistics, which do not move; nothing is quantized. All images weigh alike: their order in the data set does
/// not matter but for which are drawn. Ranges that were fixed by hand or are frozen stay, and so do learned scales once a
/// training step has moved them. A second call takes the place of the first: to use more data, give them to one call.
/// Warns if the images are of one class only, if batches disagree, if a range that was fixed cuts much of the values or has
/// few steps for them, if what is concatenated differs so, and if it replaces what an earlier call found.
/// A model of several inputs takes data of as many (Dataset::with_input).
/// Values that were zero on all data, or too small for a code, get the range [0, 1] for the time being, with a warning.
/// Errors:    Errc::shape if the data do not fit the inputs; Errc::state if the data are empty or all ranges are frozen already; Errc::range if an option is impossible
///            or an activation is not finite; nothing is changed then
STET_ENTRY void calibrate(QatModel& qat, const Dataset& data, const CalibrateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY void calibrate(QatModel& qat, const Dataset& data, const CalibrateOptions& options) {
  const Batches batches = detail::sample_of("calibrate", qat.graph(), data, options);
  const std::vector<const Unit*> unit_of = detail::units_by_output(qat);
  std::vector<CalibratedRange> found;
  bool any = false, again = false;
  for (const Quantizer& q : qat.quantizers()) {
    found.push_back(q.calibration().fresh());
    any = any || q.calibrates();
    again = again || (q.calibrates() && q.freshly_calibrated());
  }
  require(any, Errc::state, "calibrate: all ranges are frozen; calibrate before training, or call reopen() on the model before");
  const std::size_t units = qat.units().size();
  CalibrationData seen{batches.images(), std::vector<std::int64_t>(static_cast<std::size_t>(data.classes())),
                       std::vector<float>(units), std::vector<float>(units), {}};
  FingerprintCollectors inputs;
  std::vector<Range> reach(units);
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    for (const std::int32_t label : batch.labels.span()) ++seen.of_class[static_cast<std::size_t>(label)];
    const std::vector<Tensor<float>> x = batch.inputs();
    (void)infer(qat.model(), x, {.observe = [&](int node, const Tensor<float>& value) {
                  const Unit* unit = unit_of[static_cast<std::size_t>(node)];
                  if (unit == nullptr) return;
                  const Range range = detail::range_of("calibrate", qat.node_name(node), value.span());
                  found[static_cast<std::size_t>(unit->quantizer)].observe(value.span(), range);
                  const auto u = static_cast<std::size_t>(unit - qat.units().data());
                  reach[u] = unite(reach[u], range);
                  const Quantizer& q = qat.quantizer(unit->quantizer);
                  if (q.calibrates()) return;
                  const double part = detail::part_beyond(value.span(), q.range(), q.params().scale[0]);
                  seen.cut[u] += static_cast<float>(part * static_cast<double>(batch.size()) / static_cast<double>(seen.images));
                }});
    inputs.observe(x);
    for (CalibratedRange& f : found) f.end_batch();
  }
  for (std::size_t i = 0; i < found.size(); ++i) qat.quantizers()[i].calibrate(std::move(found[i]));
  for (std::size_t i = 0; i < units; ++i) seen.reach[i] = static_cast<float>(reach[i].width());
  seen.inputs = std::move(inputs).finish();
  qat.set_calibration_data(std::move(seen));
  if (again) {
    warn(
        "calibrate: takes the place of an earlier call, whose images count no more; to use both, give them to one "
        "call");
  }
  detail::widen_outputs(qat, true);
  for (const auto& findings : {detail::calibration_findings(qat), detail::range_use_findings(qat)}) {
    for (const CheckEntry& e : grouped(findings)) warn("calibrate: {}", e);
  }
  detail::warn_of_zeros(qat);
}
#endif

}  // namespace stet
