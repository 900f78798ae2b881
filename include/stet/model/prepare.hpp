#pragma once
// prepare: from a trained float model to a model with quantizers.

#include <stet/core/entry.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <utility>

#if STET_DEFINE_ENTRIES
#include <stet/core/warning.hpp>
#include <stet/model/check.hpp>
#endif

namespace stet {

#if STET_DEFINE_ENTRIES
namespace detail {

// A channel with gamma < 0 is the same function with W, conv bias, running mean and gamma negated. Exact, and the folded
// codes then are the trained ones without a sign flip.
inline void flip_negative_channels(QatModel& qat) {
  Model& model = qat.model();
  for (const Unit& unit : qat.units()) {
    if (unit.batch_norm < 0) continue;
    const std::string& node = qat.node_name(unit.node);
    const std::string& bn = qat.node_name(unit.batch_norm);
    const auto gamma = model.parameter(bn + ".gamma").value.edit();
    const auto mean = model.buffer(bn + ".mean").edit();
    Tensor<float>& w = model.parameter(node + ".weight").value;
    Parameter* bias = model.find_parameter(node + ".bias");
    const ScaleMap channel = channel_of(w.shape(), unit.channel_axis());
    const auto weights = w.edit();
    channel.runs(static_cast<std::int64_t>(weights.size()), [&](std::size_t c, std::int64_t first, std::int64_t last) {
      if (!(gamma[c] < 0.0f)) return;
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) weights[i] = -weights[i];
    });
    for (std::size_t c = 0; c < gamma.size(); ++c) {
      if (!(gamma[c] < 0.0f)) continue;
      gamma[c] = -gamma[c];
      mean[c] = -mean[c];
      if (bias != nullptr) bias->value.edit()[c] = -bias->value.span()[c];
    }
  }
}

}  // namespace detail
#endif

/// Prepares a copy of a model for quantization-aware training or post-training quantization.
/// Channels whose batch norm scale is negative are negated with their weights, which changes no value.
/// Warns of values that the target will clip whatever is calibrated or trained, such as those that a concat makes share the
/// fixed scale of a sigmoid, and of what Recipe::keep_float_unsupported keeps in float; check lists all that loses accuracy, and FitReport::warnings repeats it.
/// Errors:    Errc::unsupported listing every node that the recipe's target cannot run as integers, with the remedy
STET_ENTRY QatModel prepare(const Model& model, const Recipe& recipe);
#if STET_DEFINE_ENTRIES
STET_ENTRY QatModel prepare(const Model& model, const Recipe& recipe) {
  QatModel qat(model, recipe);
  detail::flip_negative_channels(qat);
  for (const CheckEntry& e : grouped(check(model, recipe).entries)) {
    if (e.prepare_warns) warn("prepare: {}", e);
  }
  return qat;
}
#endif

}  // namespace stet
