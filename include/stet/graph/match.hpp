#pragma once
// Dispatch over the operators of a graph. A fold over the alternatives, because std::visit costs twice the compile time.

#include <stet/operators/list.hpp>

#include <concepts>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace stet::graph {

namespace detail {

template <class Op, class F, class... Args>
constexpr void check_overload() {
  static_assert(std::invocable<F&, const Op&, Args&...>,
                "stet: a behaviour has no overload for the operator `Op` named here; every room that dispatches over "
                "operators/list.hpp must handle it (see docs/design.md, Operators)");
}

template <class F, std::size_t... I, class... Args>
decltype(auto) match(const Operator& op, F& f, std::index_sequence<I...>, Args&... args) {
  (check_overload<Operator::alternative<I>, F, Args...>(), ...);
  using R = std::invoke_result_t<F&, const op::Input&, Args&...>;
  if constexpr (std::is_void_v<R>) {
    (void)((op.index() == I && (f(*op.get_if<Operator::alternative<I>>(), args...), true)) || ...);
  } else {
    std::optional<R> result;
    (void)((op.index() == I && (result.emplace(f(*op.get_if<Operator::alternative<I>>(), args...)), true)) || ...);
    return R(std::move(*result));
  }
}

}  // namespace detail

/// Calls f(operator that is held, args...) and returns its result; all overloads return the same type (a value
/// or void). Write the callable without captures and with a trailing decltype, then a missing overload is one readable
/// error:
///   match(node.op, [](const auto& o, Shapes in) -> decltype(op::infer(o, in)) { return op::infer(o, in); }, shapes)
template <class F, class... Args>
decltype(auto) match(const Operator& op, F&& f, Args&&... args) {
  return detail::match(op, f, std::make_index_sequence<Operator::count>{}, args...);
}

/// The operator of a node if it is of this type, else null.
template <class Op>
const Op* as(const Operator& op) {
  return op.get_if<Op>();
}
template <class Op>
bool is(const Operator& op) {
  return op.is<Op>();
}

/// Calls f(operator that is held, args...) as match does, but for the operators that integers know only.
/// Errors:    Errc::unsupported if it is another one
template <class F, class... Args>
decltype(auto) match_integer(const Operator& op, F&& f, Args&&... args) {
  using R = std::invoke_result_t<F&, const op::Input&, Args&...>;
  return match(op, [&](const auto& o) -> R {
    using Op = std::remove_cvref_t<decltype(o)>;
    if constexpr (Op::form != IntegerForm::none && Op::form != IntegerForm::training) {
      detail::check_overload<Op, F, Args...>();
      if (op::integer_form(o) != IntegerForm::none) return f(o, args...);
    }
    fail(Errc::unsupported, "{} has no integer form", op::kind(o));
  });
}

namespace detail {

template <class Op>
constexpr int channel_axis_of() {
  if constexpr (Op::form == IntegerForm::layer) {
    return Op::channel_axis;
  } else {
    return 0;
  }
}
template <std::size_t... I>
constexpr int channel_axis_at(std::size_t index, std::index_sequence<I...>) {
  constexpr int axes[] = {channel_axis_of<Operator::alternative<I>>()...};
  return axes[index];
}

}  // namespace detail

/// What an operator is in a network of integers.
STET_ENTRY IntegerForm form(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerForm form(const Operator& o) {
  return match(o, [](const auto& x) { return op::integer_form(x); });
}
#endif
/// Whether it multiplies by weights that become codes.
inline bool has_weights(const Operator& o) { return form(o) == IntegerForm::layer; }
/// Whether its codes are those of its inputs, under the same scale.
inline bool moves_codes(const Operator& o) { return form(o) == IntegerForm::moves; }
/// Axis of the weights that counts output channels.
STET_ENTRY int channel_axis(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY int channel_axis(const Operator& o) {
  return detail::channel_axis_at(o.index(), std::make_index_sequence<Operator::count>{});
}
#endif

/// Whether it applies an activation that stands behind it: layers, and who says so.
STET_ENTRY bool takes_activation(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool takes_activation(const Operator& o) {
  return match(o, [](const auto& x) { return x.form == IntegerForm::layer || requires { x.takes_activation; }; });
}
#endif
/// Whether its gradient knows a trained scale of the output: layers, and who says so.
STET_ENTRY bool trains_scale(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool trains_scale(const Operator& o) {
  return match(o, [](const auto& x) { return x.form == IntegerForm::layer || requires { x.trains_scale; }; });
}
#endif
/// Whether every value that it makes is one of its input, or 0.
STET_ENTRY bool keeps_values(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool keeps_values(const Operator& o) {
  return match(o, [](const auto& x) { return requires { x.keeps_values; }; });
}
#endif
/// Whether a channel of its input times a positive number comes out times that number, for every channel.
STET_ENTRY bool scales_channels(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool scales_channels(const Operator& o) {
  return match(o, [](const auto& x) { return requires { x.scales_channels; }; });
}
#endif
/// Whether it would rather choose among values finer than codes.
STET_ENTRY bool orders_inputs(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool orders_inputs(const Operator& o) {
  return match(o, [](const auto& x) { return requires { x.orders_inputs; }; });
}
#endif
/// The clamp that an operator is: relu and relu6 on their own; none for all others.
STET_ENTRY integer::Activation clamp_of(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY integer::Activation clamp_of(const Operator& o) {
  return match(o, [](const auto& x) {
    if constexpr (requires { x.clamps; }) {
      return x.clamps;
    } else {
      return integer::Activation::none;
    }
  });
}
#endif
/// The operator that integers know in place of one of a graph; most are it themselves.
STET_ENTRY Operator integer_form_of(const Operator& o, std::span<const Shape> in, const Shape& out);
#if STET_DEFINE_ENTRIES
STET_ENTRY Operator integer_form_of(const Operator& o, std::span<const Shape> in, const Shape& out) {
  return match(o, [&](const auto& x) -> Operator {
    if constexpr (requires { as_integer(x, in, out); }) {
      if (auto other = as_integer(x, in, out)) return *other;
    }
    return x;
  });
}
#endif
/// What stands in its way among integers: that they or the target do not know it, or know it only otherwise.
STET_ENTRY std::optional<Obstacle> obstacle(const Operator& o, std::span<const Shape> in, const Target& target);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::optional<Obstacle> obstacle(const Operator& o, std::span<const Shape> in, const Target& target) {
  return match(o, [&](const auto& x) -> std::optional<Obstacle> {
    using Op = std::remove_cvref_t<decltype(x)>;
    if constexpr (Op::form == IntegerForm::none || requires { no_integer_form(x); }) {
      if (op::integer_form(x) == IntegerForm::none) return no_integer_form(x);
    }
    auto limit = integer_limit(x, in);
    return limit ? limit : target_limit(x, in, target);
  });
}
#endif

// The dispatchers are not inlined: it saves compile time, and g++ then has no reason to warn about the arity of
// operators that a caller's constant arguments cannot hold.

/// Name of the operator's kind: conv2d, relu, ...
STET_ENTRY std::string_view kind(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string_view kind(const Operator& o) {
  return match(o, [](const auto& x) -> decltype(op::kind(x)) { return op::kind(x); });
}
#endif
/// Attributes as text, without those that the output shape shows.
STET_ENTRY std::string attributes(const Operator& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string attributes(const Operator& o) {
  return match(o, [](const auto& x) -> decltype(op::attributes(x)) { return op::attributes(x); });
}
#endif
/// Output shape from input shapes, all without the batch.
/// Errors:    Errc::shape or Errc::range if they do not fit, beginning with the operator's kind
STET_ENTRY Shape infer(const Operator& o, std::span<const Shape> inputs);
#if STET_DEFINE_ENTRIES
STET_ENTRY Shape infer(const Operator& o, std::span<const Shape> inputs) {
  return match(o, [](const auto& x, op::Shapes in) -> decltype(op::infer(x, in)) { return op::infer(x, in); }, inputs);
}
#endif
/// Parameters and buffers that a node with these inputs owns.
STET_ENTRY std::vector<ParameterSpec> parameters(const Operator& o, std::span<const Shape> inputs);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<ParameterSpec> parameters(const Operator& o, std::span<const Shape> inputs) {
  return match(
      o, [](const auto& x, op::Shapes in) -> decltype(op::parameters(x, in)) { return op::parameters(x, in); }, inputs);
}
#endif
/// Multiplications with addition of one sample.
STET_ENTRY std::int64_t multiply_adds(const Operator& o, std::span<const Shape> inputs,
                                                    const Shape& output);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::int64_t multiply_adds(const Operator& o, std::span<const Shape> inputs,
                                                    const Shape& output) {
  return match(
      o,
      [](const auto& x, op::Shapes in, const Shape& out) -> decltype(op::multiply_adds(x, in, out)) {
        return op::multiply_adds(x, in, out);
      },
      inputs, output);
}
#endif

}  // namespace stet::graph
