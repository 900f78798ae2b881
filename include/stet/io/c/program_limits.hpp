#pragma once
// What a C program cannot hold of a node: rules of a target that need more than whole numbers and single products.

#include <stet/graph/resolve.hpp>

#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <vector>

namespace stet::c {

namespace detail {

inline void require_rule(bool known, const Target& target, const char* what) {
  require(known, Errc::unsupported, "{} of target {}, which C programs do not have; those of tflite_micro and tflite_reference they have all",
          what, target.name);
}
inline void require_sum(integer::AddRule rule, const Target& target) {
  require_rule(rule == integer::AddRule::three_roundings || rule == integer::AddRule::xnnpack, target, "sums in float are a rule");
}
// Every window must see a pixel, as the engine wants it.
inline void require_taps(const Window& w) {
  for (const WindowAxis& a : {w.h, w.w}) {
    const std::int64_t last = (a.out - 1) * a.stride - a.before;
    require(a.before < a.kernel && last < a.in, Errc::unsupported, "a window that lies in the padding only");
  }
}

template <class Op>
void require_program(const Op& o, const IntegerModel& model, const IntegerNode& node) {
  const Target& t = model.target;
  const Shape& x = model.values[static_cast<std::size_t>(node.inputs.empty() ? node.output : node.inputs[0])].shape;
  if constexpr (std::is_same_v<Op, graph::op::Add>) require_sum(t.add, t);
  if constexpr (std::is_same_v<Op, graph::op::Sub>) require_sum(t.subtract, t);
  if constexpr (std::is_same_v<Op, graph::op::Mul>) {
    require_rule(t.multiply != integer::MultiplyRule::float_with_zero_point, t, "products with a zero point in float are a rule");
  }
  if constexpr (std::is_same_v<Op, graph::op::AveragePool>) {
    require_rule(t.average_pool == integer::AveragePoolRule::codes_half_away, t, "means of real numbers are a rule");
  }
  if constexpr (std::is_same_v<Op, graph::op::AveragePool> || std::is_same_v<Op, graph::op::MaxPool>) require_taps(window(o, x));
}

}  // namespace detail

/// Checks that there are kernels for a node under its model's target; scales are not looked at.
/// Errors:    Errc::unsupported
inline void require_program(const IntegerModel& model, const IntegerNode& node) {
  graph::match_integer(node.op, [&](const auto& o) { detail::require_program(o, model, node); });
}

/// Checks that no sum of a layer can leave 32 bits, as the engine does when it packs weights.
/// Errors:    Errc::range naming the channel
inline void require_exact_sums(const IntegerModel& model, const IntegerNode& node) {
  if (!graph::has_weights(node.op)) return;
  const Shape& s = node.constants.weights.shape();
  const int axis = graph::channel_axis(node.op);
  std::vector<std::int64_t> magnitudes(static_cast<std::size_t>(s[axis]));
  const std::int64_t inner = s.product(axis + 1, s.rank());
  std::int64_t i = 0;
  for (const std::int8_t q : node.constants.weights.span()) magnitudes[static_cast<std::size_t>(i++ / inner % s[axis])] += std::abs(int{q});
  const NodeSite site(model, node);
  const Affine& x = site.in().codes;
  const integer::Requantizer r =
      resolve_layer(node.op, site.surroundings(), node.constants.weight_scale, node.constants.bias.span());
  integer::check_accumulators(node.name.c_str(), magnitudes, x.zero_point, {x.grid.lo, x.grid.hi}, r);
}

}  // namespace stet::c
