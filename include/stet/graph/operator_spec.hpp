#pragma once
// What an operator says about itself: the parameters it needs, and the checks that its inference shares with others.

#include <stet/core/shape.hpp>
#include <stet/integer/target.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet::graph {

/// What a parameter or buffer of a node is for. Mean and variance are buffers: state that no gradient moves.
enum class Role { weight, bias, gamma, beta, mean, variance };

/// Whether a role is state without gradient.
constexpr bool is_buffer(Role role) { return role == Role::mean || role == Role::variance; }

/// What an operator is in a network of integers; each operator says its own as `form`.
enum class IntegerForm {
  none,      ///< integers know no such operator
  input,     ///< makes codes of the real input
  layer,     ///< multiplies codes by weight codes, adds a bias and requantizes
  computes,  ///< makes new codes of codes
  real,      ///< computed in float: reads codes or reals, makes codes or reals
  moves,     ///< passes on codes of its inputs, which keep scale and zero point
  training   ///< acts in training only: nothing of it is deployed
};

/// What stands in an operator's way among integers, and the change that mends it.
struct Obstacle {
  Errc code = Errc::unsupported;
  std::string what{}, remedy{};
};

/// One parameter or buffer that a node needs; its name is "<node>.<suffix>".
struct ParameterSpec {
  std::string suffix;
  Shape shape;
  Role role = Role::weight;
};

}  // namespace stet::graph

namespace stet::graph::op {

/// Shapes of a node's inputs, without the batch dimension.
using Shapes = std::span<const Shape>;

/// Errors:    Errc::shape unless the operator has this many inputs
inline void expect_inputs(std::string_view kind, std::size_t wanted, Shapes in) {
  require(in.size() == wanted, Errc::shape, "{}: wants {} input{}, got {}", kind, wanted, wanted == 1 ? "" : "s",
          in.size());
}

/// The shape of the only input, which is that of the output.
template <class Op>
const Shape& same_shape(const Op& o, Shapes in) {
  expect_inputs(o.name, 1, in);
  return in[0];
}

/// The one input of an operator on images.
/// Errors:    Errc::shape unless there is one input [height,width,channels]
inline const Shape& expect_image(std::string_view kind, Shapes in) {
  expect_inputs(kind, 1, in);
  require(in[0].rank() == 3, Errc::shape, "{}: wants an image [height,width,channels], got {}", kind, in[0]);
  return in[0];
}

// What follows holds for an operator that says nothing else in its own folder.

/// Name of its kind.
template <class Op>
constexpr std::string_view kind(const Op&) {
  return Op::name;
}
/// What this very operator is among integers: what its type says.
template <class Op>
constexpr IntegerForm integer_form(const Op&) {
  return Op::form;
}
/// What every target demands of it beyond what infer does: nothing.
template <class Op>
std::optional<Obstacle> integer_limit(const Op&, Shapes) {
  return std::nullopt;
}
/// What one target demands of it beyond that, whatever the scales: nothing.
template <class Op>
std::optional<Obstacle> target_limit(const Op&, Shapes, const Target&) {
  return std::nullopt;
}
/// What training on codes demands of it beyond that: nothing.
template <class Op>
std::optional<Obstacle> training_limit(const Op&) {
  return std::nullopt;
}
/// Text of its attributes: none where it has no attributes.
template <class Op>
  requires std::is_empty_v<Op>
std::string attributes(const Op&) {
  return "";
}
/// Parameters: none but those of layers, which name theirs.
template <class Op>
  requires(Op::form != IntegerForm::layer)
std::vector<ParameterSpec> parameters(const Op&, Shapes) {
  return {};
}
/// Multiplications with addition of one sample.
template <class Op>
  requires(Op::form != IntegerForm::layer)
std::int64_t multiply_adds(const Op&, Shapes, const Shape&) {
  return 0;
}

}  // namespace stet::graph::op
