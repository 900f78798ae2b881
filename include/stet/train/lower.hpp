#pragma once
// lower(): what a unit becomes on the target. evaluate, the frozen training forward and convert all call it.

#include <stet/core/parallel.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/integer/layer.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/frozen_layer.hpp>
#include <stet/train/qat_model.hpp>

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// Kind of the layer that a unit with weights is.
inline integer::LayerKind layer_kind(UnitKind kind) {
  return kind == UnitKind::conv2d             ? integer::LayerKind::convolution
         : kind == UnitKind::depthwise_conv2d ? integer::LayerKind::depthwise
                                              : integer::LayerKind::linear;
}

/// Product of a unit with weights, from its node's attributes.
inline Product product_of(const Graph& graph, const Unit& unit) {
  const graph::Operator& o = graph.nodes()[static_cast<std::size_t>(unit.node)].op;
  if (const auto* conv = graph::as<graph::op::Conv2D>(o)) {
    return Product::conv2d({.stride = conv->stride, .padding = conv->padding, .dilation = conv->dilation,
                            .groups = conv->groups});
  }
  if (const auto* depthwise = graph::as<graph::op::DepthwiseConv2D>(o)) {
    return Product::depthwise({.stride = depthwise->stride, .padding = depthwise->padding,
                               .dilation = depthwise->dilation});
  }
  return Product::linear();
}

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
  const bool of_product = norm && !unit.weights.per_channel;
  return quantize_weights(qat.model().parameter(qat.node_name(unit.node) + ".weight").value,
                          product_of(qat.graph(), unit).channel_axis(), unit.weights,
                          of_product ? norm->weight_factors() : std::vector<float>(), qat.weight_scale(unit));
}

}  // namespace detail

/// Folds a unit with weights from the present parameters and running statistics, for input codes that mean `in`.
/// Errors:    Errc::state if a range is missing; Errc::range as fold()
inline FrozenLayer fold_unit(const QatModel& qat, const Unit& unit, const QParams& in) {
  const std::span<const float> bias = detail::bias_of(qat, unit);
  FrozenLayer layer;
  layer.per_channel = unit.weights.per_channel;
  const std::optional<NormView> norm = detail::norm_of(qat, unit);
  if (norm) norm->check(qat.node_name(unit.node));
  for (std::size_t c = 0; norm && c < norm->gamma.size(); ++c) {
    layer.k.push_back(norm->factor(c));
    layer.mean.push_back(static_cast<double>(norm->mean[c]) - (bias.empty() ? 0.0 : static_cast<double>(bias[c])));
    layer.inverse_std.push_back(1.0 / std::sqrt(static_cast<double>(norm->variance[c]) + static_cast<double>(norm->eps)));
  }
  layer.weights = detail::weight_codes_of(qat, unit, norm);
  const QParams out = qat.params(unit);
  layer.folded = fold(qat.node_name(unit.node), layer.weights, product_of(qat.graph(), unit).channel_axis(),
                      unit.weights.per_channel, bias,
                      norm ? &*norm : nullptr,
                      {in.scale[0], in.zero_point[0], in.grid, out.scale[0]});
  layer.requantizer = integer::layer_requantizer(qat.recipe().target, layer_kind(unit.kind), in, layer.folded.scale,
                                                 layer.folded.bias.span(), out, unit.activation);
  return layer;
}

/// The same for the input that is deployed.
inline FrozenLayer fold_unit(const QatModel& qat, const Unit& unit) {
  return fold_unit(qat, unit, qat.params_of(unit.inputs[0]));
}

namespace detail {

// The integer operator of a unit; `fold` makes the weights of one that has some.
inline IntegerOperator lower_with(const Graph& graph, const Unit& unit, FunctionRef<FoldedWeights()> fold) {
  namespace op = graph::op;
  const graph::Node& node = graph.nodes()[static_cast<std::size_t>(unit.node)];
  const graph::Operator& o = node.op;
  switch (unit.kind) {
    case UnitKind::quantize: return integer_op::Quantize{};
    case UnitKind::conv2d: {
      const auto& a = *graph::as<op::Conv2D>(o);
      FoldedWeights f = fold();
      return integer_op::Conv2D{a.stride, a.dilation, a.padding, a.groups, f.codes, f.scale, f.bias, unit.activation};
    }
    case UnitKind::depthwise_conv2d: {
      const auto& a = *graph::as<op::DepthwiseConv2D>(o);
      FoldedWeights f = fold();
      return integer_op::DepthwiseConv2D{a.stride, a.dilation, a.padding,    a.multiplier,
                                         f.codes,  f.scale,    f.bias, unit.activation};
    }
    case UnitKind::linear: {
      FoldedWeights f = fold();
      return integer_op::Linear{f.codes, f.scale, f.bias, unit.activation};
    }
    case UnitKind::add: return integer_op::Add{unit.activation};
    case UnitKind::sub: return integer_op::Sub{unit.activation};
    case UnitKind::mul: return integer_op::Mul{unit.activation};
    case UnitKind::max_pool: {
      const auto& a = *graph::as<op::MaxPool>(o);
      return integer_op::MaxPool{a.size, op::pool_stride(a.size, a.stride), a.padding};
    }
    case UnitKind::average_pool: {
      const auto& a = *graph::as<op::AveragePool>(o);
      return integer_op::AveragePool{a.size, op::pool_stride(a.size, a.stride), a.padding};
    }
    case UnitKind::mean: return integer_op::Mean{};
    case UnitKind::concat: return integer_op::Concat{graph::as<op::Concat>(o)->axis};
    case UnitKind::pad: {
      const auto& a = *graph::as<op::Pad>(o);
      return integer_op::Pad{a.top, a.bottom, a.left, a.right};
    }
    case UnitKind::transpose: return integer_op::Transpose{graph::as<op::Transpose>(o)->axes};
    case UnitKind::clamp: return integer_op::Clamp{unit.activation};
    case UnitKind::lookup: return *lookup_of(o);
    case UnitKind::reshape: return integer_op::Reshape{};
    case UnitKind::dropout: break;  // nothing is deployed
  }
  fail(Errc::unsupported, "lower: {} has no integer operator", node.name);
}

// Units as an integer model, with operators and parameters of values from functions of a unit.
inline IntegerModel assemble(const Graph& graph, const std::vector<Unit>& units, const Target& target,
                             FunctionRef<IntegerOperator(const Unit&)> lower, FunctionRef<QParams(const Unit&)> params) {
  IntegerModel model;
  model.target = target;
  std::vector<int> value_of(graph.nodes().size(), -1);
  for (const Unit& unit : units) {
    const auto output = static_cast<std::size_t>(unit.output);
    if (unit.kind == UnitKind::dropout) {  // the identity after training
      value_of[output] = value_of[static_cast<std::size_t>(unit.inputs[0])];
      continue;
    }
    const auto value = static_cast<int>(model.values.size());
    IntegerNode node{graph.nodes()[static_cast<std::size_t>(unit.node)].name, lower(unit), {}, value};
    for (const int in : unit.inputs) node.inputs.push_back(value_of[static_cast<std::size_t>(in)]);
    value_of[output] = value;
    model.values.push_back({graph.nodes()[output].name, graph.nodes()[output].shape, params(unit)});
    model.nodes.push_back(std::move(node));
  }
  for (const int out : graph.outputs()) model.outputs.push_back(value_of[static_cast<std::size_t>(out)]);
  return model;
}

}  // namespace detail

/// The integer operator of a unit.
/// Errors:    as fold_unit
inline IntegerOperator lower(const QatModel& qat, const Unit& unit) {
  return detail::lower_with(qat.graph(), unit, [&] { return fold_unit(qat, unit).folded; });
}

/// All units of a calibrated model as integers.
/// Errors:    as fold_unit
inline IntegerModel lower(const QatModel& qat) {
  return detail::assemble(
      qat.graph(), qat.units(), qat.recipe().target, [&](const Unit& unit) { return lower(qat, unit); },
      [&](const Unit& unit) { return qat.params(unit); });
}

}  // namespace stet
