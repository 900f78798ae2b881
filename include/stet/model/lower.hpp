#pragma once
// lower(): what a unit becomes on the target. evaluate, the frozen training forward and convert all call it.

#include <stet/core/parallel.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/model/node_function.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/frozen_layer.hpp>

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet {

namespace detail {

inline std::span<const float> bias_of(const QatModel& qat, const Unit& unit) {
  const Parameter* p = qat.model().find_parameter(qat.node_name(unit.node) + ".bias");
  return p == nullptr ? std::span<const float>() : p->value.span();
}

// The batch norm of a unit, if it has one; the model must outlive it.
inline std::optional<NormView> norm_of(const QatModel& qat, const Unit& unit) {
  if (unit.batch_norm < 0) return std::nullopt;
  const Model& model = qat.model();
  const std::string& bn = qat.node_name(unit.batch_norm);
  return NormView{model.parameter(bn + ".gamma").value.span(), model.parameter(bn + ".beta").value.span(),
                  model.buffer(bn + ".mean").span(), model.buffer(bn + ".variance").span(),
                  graph::as<graph::op::BatchNorm>(qat.graph().node(unit.batch_norm).op)->eps};
}

// Codes of a unit's weights as they are folded.
inline WeightCodes weight_codes_of(const QatModel& qat, const Unit& unit, const std::optional<NormView>& norm) {
  const bool of_product = norm && !unit.weights.per_channel();
  return quantize_weights(qat.model().parameter(qat.node_name(unit.node) + ".weight").value,
                          unit.channel_axis(), unit.weights,
                          of_product ? norm->weight_factors() : std::vector<float>(), qat.weight_scale(unit));
}

}  // namespace detail

/// Folds a unit with weights from the present parameters and running statistics, for input codes that mean `in`.
/// Errors:    Errc::state if a range is missing; Errc::range as fold()
inline FrozenLayer fold_unit(const QatModel& qat, const Unit& unit, const QParams& in) {
  const std::span<const float> bias = detail::bias_of(qat, unit);
  FrozenLayer layer;
  layer.per_channel = unit.weights.per_channel();
  const std::optional<NormView> norm = detail::norm_of(qat, unit);
  if (norm) norm->check(qat.node_name(unit.node));
  for (std::size_t c = 0; norm && c < norm->gamma.size(); ++c) {
    layer.k.push_back(norm->factor(c));
    layer.mean.push_back(static_cast<double>(norm->mean[c]) - (bias.empty() ? 0.0 : static_cast<double>(bias[c])));
    layer.inverse_std.push_back(1.0 / std::sqrt(static_cast<double>(norm->variance[c]) + static_cast<double>(norm->eps)));
  }
  layer.weights = detail::weight_codes_of(qat, unit, norm);
  const QParams out = qat.params(unit);
  layer.folded = fold(qat.node_name(unit.node), layer.weights, unit.channel_axis(),
                      unit.weights.per_channel(), bias,
                      norm ? &*norm : nullptr,
                      affine(in), affine(out));
  const Operand from{{}, affine(in)}, to{{}, affine(out)};
  layer.requantizer = resolve_layer(unit.op(), {qat.recipe().target, {&from, 1}, to, unit.deployed.activation},
                                    layer.folded.weight_scale, layer.folded.bias.span());
  return layer;
}

/// The same for the input that is deployed.
inline FrozenLayer fold_unit(const QatModel& qat, const Unit& unit) {
  return fold_unit(qat, unit, qat.input_params(unit));
}

namespace detail {

// Units as an integer model: what acts in training only is left out, constants and codes come from functions of a unit.
// What is kept in float gets its parameters, if there are any yet.
inline IntegerModel assemble(const Graph& graph, const std::vector<Unit>& units, const Target& target,
                             FunctionRef<LayerConstants(const Unit&)> constants, FunctionRef<Affine(const Unit&)> codes,
                             const Model* parameters) {
  IntegerModel model;
  model.target = target;
  std::vector<int> value_of(units.size(), -1);
  const auto at = [&](int unit) -> int& { return value_of[static_cast<std::size_t>(unit)]; };
  for (const Unit& unit : units) {
    if (unit.training_only()) {  // the identity after training
      at(unit.deployed.output) = at(unit.deployed.inputs[0]);
      continue;
    }
    IntegerNode node = unit.deployed;
    for (int& in : node.inputs) in = at(in);
    node.output = at(unit.deployed.output) = static_cast<int>(model.values.size());
    if (unit.has_weights()) node.constants = constants(unit);
    if (unit.kept_float() && parameters != nullptr) {
      node.op = graph::op::Real{std::make_shared<const NodeFunction>(*parameters, unit.node)};
    }
    const graph::Node& value = graph.node(unit.output);
    model.values.push_back({value.name, value.shape, codes(unit), unit.real_output});
    model.nodes.push_back(std::move(node));
  }
  std::vector<int> unit_of(graph.nodes().size(), -1);
  for (const Unit& unit : units) unit_of[static_cast<std::size_t>(unit.output)] = unit.deployed.output;
  for (const int id : graph.outputs()) model.outputs.push_back(at(unit_of[static_cast<std::size_t>(id)]));
  return model;
}

}  // namespace detail

/// The constants of a unit with weights.
/// Errors:    as fold_unit
inline LayerConstants lower(const QatModel& qat, const Unit& unit) {
  return fold_unit(qat, unit).folded;
}

/// All units of a calibrated model as integers.
/// Errors:    as fold_unit
inline IntegerModel lower(const QatModel& qat) {
  return detail::assemble(
      qat.graph(), qat.units(), qat.recipe().target, [&](const Unit& unit) { return lower(qat, unit); },
      [&](const Unit& unit) { return affine(qat.params(unit)); }, &qat.model());
}

}  // namespace stet
