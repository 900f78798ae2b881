#pragma once
// calibrate: ranges of a prepared model from data, without training.

#include <stet/data/dataset.hpp>
#include <stet/train/forward.hpp>
#include <stet/train/qat_model.hpp>

#include <algorithm>
#include <vector>

namespace stet {

/// How calibrate goes through its data.
struct CalibrateOptions {
  std::int64_t batch = 128;
};

/// Shows images to the float model, in order, and lets the quantizers see every activation. Batch norm uses its running
/// statistics, which do not move; nothing is quantized. Ranges that were fixed by hand stay.
/// Errors:    Errc::state if the data are empty or all ranges are frozen already; Errc::range if an activation is not finite
STET_ENTRY void calibrate(QatModel& qat, const Dataset& data, const CalibrateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY void calibrate(QatModel& qat, const Dataset& data, const CalibrateOptions& options) {
  require(data.size() > 0, Errc::state, "calibrate: the data set is empty");
  require(options.batch > 0, Errc::range, "calibrate: batch must be positive, got {}", options.batch);
  const std::vector<const Unit*> unit_of = detail::units_by_output(qat);
  bool follows = false;
  for (const Quantizer& q : qat.quantizers()) follows = follows || q.follows();
  require(follows, Errc::state, "calibrate: all ranges are frozen; calibrate before training");
  for (std::int64_t first = 0; first < data.size(); first += options.batch) {
    const Batch batch = data.batch(first, std::min(first + options.batch, data.size()));
    (void)infer(qat.model(), batch.x, {.observe = [&](int node, const Tensor<float>& value) {
                  const Unit* unit = unit_of[static_cast<std::size_t>(node)];
                  if (unit == nullptr) return;
                  const Range range = detail::range_of("calibrate", qat.node_name(node), value.span());
                  qat.quantizer(unit->quantizer).observe(value.span(), range);
                }});
    for (Quantizer& q : qat.quantizers()) q.end_step();
  }
}
#endif

}  // namespace stet
