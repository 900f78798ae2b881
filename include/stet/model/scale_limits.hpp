#pragma once
// Output scales that no target could reach: where they lie, and what is done about them.

#include <stet/core/warning.hpp>
#include <stet/model/lower.hpp>
#include <stet/model/qat_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace stet::detail {

// Real value of the largest step in which a unit's result moves before it is rounded to the output: of an accumulator, of
// a summand. Channels whose codes are all 0 do not move it. 0 for units that make no scale of their own.
inline float largest_step(const QatModel& qat, const Unit& unit) {
  const auto scale = [&](std::size_t i) { return qat.input_params(unit, i).scale[0]; };
  if (unit.has_weights()) {
    const std::optional<NormView> norm = norm_of(qat, unit);
    const WeightCodes weights = weight_codes_of(qat, unit, norm);
    const std::vector<std::int64_t> magnitude = magnitudes(weights.codes, channel_of(weights.codes.shape(), unit.channel_axis()));
    double largest = 0.0;
    for (std::size_t c = 0; c < magnitude.size(); ++c) {
      if (magnitude[c] == 0) continue;
      const double k = unit.weights.per_channel() && norm ? std::fabs(norm->factor(c)) : 1.0;
      largest = std::max(largest, k * static_cast<double>(weights.scale[unit.weights.per_channel() ? c : 0]));
    }
    return static_cast<float>(largest * static_cast<double>(scale(0)));
  }
  return graph::match(unit.op(), [&](const auto& o) -> float {
    namespace op = graph::op;
    using Op = std::remove_cvref_t<decltype(o)>;
    if constexpr (op::TableOp<Op>) {
      const TableFunction table = table_function(o);
      if (integer::fixed_output(table.function) != nullptr || table.scalar != nullptr) return 0.0f;
      // Hard swish has half of the others' room.
      return scale(0) * (table.function == integer::Function::leaky_relu ? std::max(1.0f, table.alpha) : 2.0f);
    } else if constexpr (Op::form == graph::IntegerForm::computes) {
      std::vector<float> scales;
      for (std::size_t i = 0; i < unit.deployed.inputs.size(); ++i) scales.push_back(scale(i));
      return step_before_rounding(o, scales);
    } else {
      return 0.0f;
    }
  });
}

// Widens output scales that targets cannot reach: their multipliers end at 256, so one step must not be more steps of the
// output than its grid has. What lies below was narrower than a single step and has no more than a constant to lose. The
// optimizer may move a learned input scale once before the next call, hence the margin. In the order of the units, because
// an output is the next one's input; frozen scales stay.
inline void widen_outputs(QatModel& qat, bool layers) {
  if (qat.recipe().simulated()) return;
  for (const Unit& unit : qat.units()) {
    if (unit.has_weights() && !layers) continue;
    const float smallest = largest_step(qat, unit) / 240.0f;
    if (smallest > 0.0f) qat.quantizer(unit.quantizer).widen(smallest);
  }
}

// Says once, after calibration, for which values nothing but zeros was seen.
inline void warn_of_zeros(const QatModel& qat) {
  std::vector<bool> codes(qat.quantizers().size(), false);
  for (const Unit& unit : qat.units()) codes[static_cast<std::size_t>(unit.quantizer)] = !unit.real_output;
  std::string names;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const Quantizer& q = qat.quantizers()[i];
    if (codes[i] && q.source() == RangeSource::stand_in) names += (names.empty() ? "" : ", ") + q.name();
  }
  if (names.empty()) return;
  warn(
      "calibrate: zero, or below every code, on all data: {}; [0, 1] stands in for their ranges until training sees values. "
      "Calibrate on data that reach them, scale the inputs to about 1, or remove a branch that is dead",
      names);
}

}  // namespace stet::detail
