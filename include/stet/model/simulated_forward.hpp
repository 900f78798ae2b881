#pragma once
// Float simulation of a QatModel whose recipe names schemes that no integer kernel runs.

#include <stet/core/entry.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/qat/any_scheme.hpp>

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// The float network with weights and activations rounded by the recipe's schemes. `trained` is the same model in
// training, null in evaluation.
STET_ENTRY std::vector<Var<Tensor<float>>> simulated_forward(Tape& tape, const QatModel& qat, QatModel* trained,
                                                             std::span<const Tensor<float>> inputs, Rng* rng);
#if STET_DEFINE_ENTRIES
inline const Unit* layer_at(const QatModel& qat, int node) {
  for (const Unit& unit : qat.units()) {
    if (unit.node == node) return unit.has_weights() ? &unit : nullptr;
  }
  return nullptr;
}

STET_ENTRY std::vector<Var<Tensor<float>>> simulated_forward(Tape& tape, const QatModel& qat, QatModel* trained,
                                                             std::span<const Tensor<float>> inputs, Rng* rng) {
  const Recipe& recipe = qat.recipe();
  const std::vector<const Unit*> unit_of = units_by_output(qat);
  const AnyEstimator estimator = recipe.weight_estimator.value_or(AnyEstimator());
  const AnyEstimator of_activations = recipe.activation_estimator.value_or(AnyEstimator());
  ForwardOptions options;
  options.rng = rng;
  options.parameter = [&](int node, std::string_view suffix, const Var<Tensor<float>>& w) {
    const Unit* layer = suffix == "weight" ? layer_at(qat, node) : nullptr;
    if (layer == nullptr) return w;
    const AnyScheme& scheme = layer->weights;
    const bool turned = layer->channel_axis() == 3 && scheme.per_channel();  // output channels first
    const Var<Tensor<float>> rows = turned ? transpose(w, {3, 0, 1, 2}) : w;
    const Var<Tensor<float>> y = scheme.fake_quantize(rows, scheme.qparams(rows.value()), estimator);
    return turned ? transpose(y, {1, 2, 3, 0}) : y;
  };
  options.value = [&](int node, const Var<Tensor<float>>& y) {
    const Unit* unit = unit_of[static_cast<std::size_t>(node)];
    if (unit == nullptr || unit->shares_scale() || unit->real_output) return y;
    if (trained != nullptr) {
      trained->quantizer(unit->quantizer).observe(y.value().span(), range_of("forward", qat.node_name(node), y.value().span()));
    }
    const QParams p = qat.params(*unit);
    const AnyScheme& scheme = qat.activations(*unit);
    if (activation_refusal(scheme).empty()) return fake_quantize(y, p, of_activations);
    const std::optional<QParams> own = scheme.qparams(qat.quantizer(unit->quantizer).range());
    return scheme.fake_quantize(y, own ? *own : scheme.qparams(y.value().span(), y.shape()), of_activations);
  };
  std::vector<Var<Tensor<float>>> outputs =
      run_model(tape, qat.model(), trained == nullptr ? nullptr : &trained->model(), inputs, options);
  if (trained != nullptr) end_step(trained->quantizers(), tape.parts());
  return outputs;
}
#endif

}  // namespace detail
}  // namespace stet
