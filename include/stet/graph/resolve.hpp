#pragma once
// resolve: from an operator on codes to the parameters with which a target computes it. Training, the engine, check and the
// writers of files all ask here, which is why they cannot differ.

#include <stet/graph/integer_model.hpp>
#include <stet/integer/layer.hpp>
#include <stet/operators/resolve.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace stet {

namespace graph::op {

/// Whoever names its scalar function is a table of it.
template <class Op>
  requires requires(const Op& o) { scalar_function(o); }
TableFunction table_function(const Op& o) {
  return {integer::Function::scalar, 0.0f, scalar_function(o)};
}

/// An operator whose function integers compute by a table of 256 codes.
template <class Op>
concept TableOp = requires(const Op& o) { table_function(o); };

template <class Op>
concept LayerOp = Op::form == IntegerForm::layer;

/// Requantization of a layer with these weight scales and bias codes.
/// Errors:    of this and all others: Errc::range or Errc::unsupported if the target cannot run it at these scales
template <LayerOp Op>
integer::Requantizer resolve(const Op& o, const Surroundings& s, std::span<const float> weight_scale,
                             std::span<const std::int32_t> bias) {
  return integer::layer_requantizer(s.target, requantization(o, s.target), s.in[0].codes, weight_scale, bias, s.out.codes,
                                    s.activation);
}
template <TableOp Op>
integer::TableSpec table_spec(const Op& o, const Surroundings& s) {
  const TableFunction f = table_function(o);
  return {f.function, f.alpha, s.in[0].codes, s.out.codes, f.scalar};
}
template <TableOp Op>
integer::Table resolve(const Op& o, const Surroundings& s) {
  return integer::make_table(s.target, table_spec(o, s));
}

/// The real value of the largest step in which an operator's result moves before it is rounded: that of a summand.
template <class Op>
float step_before_rounding(const Op&, std::span<const float> input_scales) {
  return *std::max_element(input_scales.begin(), input_scales.end());
}

}  // namespace graph::op

/// Requantization of a layer, whichever it is.
/// Errors:    as resolve; Errc::unsupported if the operator is none
STET_ENTRY integer::Requantizer resolve_layer(const graph::Operator& layer, const Surroundings& s,
                                          std::span<const float> weight_scale, std::span<const std::int32_t> bias);
#if STET_DEFINE_ENTRIES
STET_ENTRY integer::Requantizer resolve_layer(const graph::Operator& layer, const Surroundings& s,
                                          std::span<const float> weight_scale, std::span<const std::int32_t> bias) {
  return graph::match(layer, [&](const auto& o) -> integer::Requantizer {
    if constexpr (graph::op::LayerOp<std::remove_cvref_t<decltype(o)>>) {
      return resolve(o, s, weight_scale, bias);
    } else {
      fail(Errc::unsupported, "{} has no weights", kind(o));
    }
  });
}
#endif

/// The table function of an operator, if it is one.
STET_ENTRY std::optional<TableFunction> table_of(const graph::Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::optional<TableFunction> table_of(const graph::Operator& o) {
  return graph::match(o, [](const auto& op) -> std::optional<TableFunction> {
    if constexpr (requires { table_function(op); }) {
      if (integer_form(op) == graph::IntegerForm::computes) return table_function(op);
    }
    return std::nullopt;
  });
}
#endif

/// The surroundings of a node of a model, for as long as both live.
class NodeSite {
 public:
  NodeSite(const IntegerModel& model, const IntegerNode& node) : NodeSite(model, node, model.target) {}
  /// The same under another target.
  NodeSite(const IntegerModel& model, const IntegerNode& node, const Target& target)
      : target_(&target), node_(&node), out_(operand(model, node.output)) {
    for (const int in : node.inputs) in_.push_back(operand(model, in));
  }
  [[nodiscard]] Surroundings surroundings() const { return {*target_, in_, out_, node_->activation}; }
  [[nodiscard]] const Operand& in(std::size_t i = 0) const { return in_[i]; }
  [[nodiscard]] const Operand& out() const { return out_; }

  /// The parameters of one of the operators above: the node's own.
  template <class Op>
  [[nodiscard]] auto resolve(const Op& o) const {
    if constexpr (graph::op::LayerOp<Op>) {
      return graph::op::resolve(o, surroundings(), node_->constants.weight_scale, node_->constants.bias.span());
    } else {
      return graph::op::resolve(o, surroundings());
    }
  }

 private:
  static Operand operand(const IntegerModel& model, int v) {
    const IntegerValue& value = model.values[static_cast<std::size_t>(v)];
    return {value.shape, value.codes};
  }

  const Target* target_;
  const IntegerNode* node_;
  std::vector<Operand> in_;
  Operand out_;
};

/// Checks that a target can run a node of a model at its scales.
/// Errors:    Errc::range or Errc::unsupported, as resolve
STET_ENTRY void require_resolvable(const IntegerModel& model, const IntegerNode& node, const Target& target);
#if STET_DEFINE_ENTRIES
STET_ENTRY void require_resolvable(const IntegerModel& model, const IntegerNode& node, const Target& target) {
  const NodeSite site(model, node, target);
  graph::match_integer(node.op, [&](const auto& o) { (void)site.resolve(o); });
}
#endif

}  // namespace stet
