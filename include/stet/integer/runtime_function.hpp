#pragma once
// RuntimeFunction: a function of one number that a runtime has an operator of, so that its table is theirs to the bit.

#include <stet/core/scalar_function.hpp>
#include <stet/integer/target.hpp>

namespace stet::integer {

/// A function of one number as runtimes compute it: in float, each in its own order of operations. A table of it rounds as
/// Target::function says.
class RuntimeFunction : public ScalarFunction {
 public:
  [[nodiscard]] virtual float value_on(const Target& target, float x) const = 0;
  /// Whether the target has an operator of it, which rounds so; files for others hold the table itself.
  [[nodiscard]] virtual bool has_operator(const Target&) const { return true; }
};

/// The same function if runtimes have it, else null: one of the user's own.
inline const RuntimeFunction* of_runtimes(const ScalarFunction* f) { return dynamic_cast<const RuntimeFunction*>(f); }

}  // namespace stet::integer
