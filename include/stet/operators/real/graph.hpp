#pragma once
// Operators that are kept in float in a network of integers.

#include <stet/graph/operator_spec.hpp>
#include <stet/graph/real_function.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace stet::graph::op {

/// An operator between reals: what it reads as codes is dequantized, what others read as codes is quantized. prepare puts it
/// in the place of a node with RecipeOverride::keep_float.
struct Real {
  static constexpr auto form = IntegerForm::real;
  std::shared_ptr<const RealFunction> function;
};

/// Errors:    Errc::state if there is none
inline const RealFunction& function_of(const Real& o) {
  require(o.function != nullptr, Errc::state, "real: the function is a null pointer");
  return *o.function;
}
inline std::string_view kind(const Real& o) { return function_of(o).kind(); }
inline std::string attributes(const Real& o) { return function_of(o).attributes(); }
inline Shape infer(const Real& o, Shapes in) { return function_of(o).infer(in); }

}  // namespace stet::graph::op
