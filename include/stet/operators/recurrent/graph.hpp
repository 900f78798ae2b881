#pragma once
// Recurrent layers.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

namespace detail {

inline Shape infer_recurrent(std::string_view name, int units, Shapes in) {
  expect_inputs(name, 1, in);
  require(in[0].rank() == 2, Errc::shape, "{}: wants a sequence [steps,features], got {}", name, in[0]);
  require(units > 0, Errc::range, "{}: units must be positive, got {}", name, units);
  return in[0].with(1, units);
}
inline std::vector<ParameterSpec> recurrent_parameters(int gates, int units, Shapes in) {
  return {{"weight", Shape{std::int64_t{gates} * units, in[0][1] + units}, Role::weight},
          {"bias", Shape{std::int64_t{4} * units}, Role::bias}};
}
inline std::int64_t recurrent_multiply_adds(int gates, int units, Shapes in) {
  return in[0][0] * gates * units * (in[0][1] + units);
}
inline Obstacle recurrent_obstacle() {
  return {.what = "its steps have no form in integers here, where each would read what the one before wrote",
          .remedy = "Recipe::keep_float_unsupported keeps it in float; a network of 1-D convolutions has one"};
}
inline std::string recurrent_attributes(int units, bool reverse) {
  return formatted("units {}{}", units, reverse ? ", reverse" : "");
}

}  // namespace detail

/// LSTM over the first dimension, from states and cells of zero. Shapes:    [steps,features] -> [steps,units];
/// weight [4*units,features+units] (i, f, g, o), bias [4*units]
/// Formula:   as stet::lstm_forward
struct Lstm {
  static constexpr std::string_view name = "lstm";
  static constexpr auto form = IntegerForm::none;
  int units = 0;
  bool reverse = false;  ///< begins at the last step; step t of the output belongs to step t of the input
};

inline std::string attributes(const Lstm& o) { return detail::recurrent_attributes(o.units, o.reverse); }
inline Shape infer(const Lstm& o, Shapes in) { return detail::infer_recurrent("lstm", o.units, in); }
inline std::vector<ParameterSpec> parameters(const Lstm& o, Shapes in) { return detail::recurrent_parameters(4, o.units, in); }
inline std::int64_t multiply_adds(const Lstm& o, Shapes in, const Shape&) { return detail::recurrent_multiply_adds(4, o.units, in); }
inline Obstacle no_integer_form(const Lstm&) { return detail::recurrent_obstacle(); }

/// GRU over the first dimension, from states of zero. Shapes:    [steps,features] -> [steps,units];
/// weight [3*units,features+units] (r, z, n), bias [4*units] (r, z, and n of the input and of the state)
/// Formula:   as stet::gru_forward
struct Gru {
  static constexpr std::string_view name = "gru";
  static constexpr auto form = IntegerForm::none;
  int units = 0;
  bool reverse = false;  ///< begins at the last step; step t of the output belongs to step t of the input
};

inline std::string attributes(const Gru& o) { return detail::recurrent_attributes(o.units, o.reverse); }
inline Shape infer(const Gru& o, Shapes in) { return detail::infer_recurrent("gru", o.units, in); }
inline std::vector<ParameterSpec> parameters(const Gru& o, Shapes in) { return detail::recurrent_parameters(3, o.units, in); }
inline std::int64_t multiply_adds(const Gru& o, Shapes in, const Shape&) { return detail::recurrent_multiply_adds(3, o.units, in); }
inline Obstacle no_integer_form(const Gru&) { return detail::recurrent_obstacle(); }

}  // namespace stet::graph::op
