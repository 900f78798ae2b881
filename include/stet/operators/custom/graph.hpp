#pragma once
// The open alternative: an operator of the user's own.

#include <stet/core/scalar_function.hpp>
#include <stet/core/rounding.hpp>
#include <stet/graph/operator_spec.hpp>
#include <stet/integer/lookup.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace stet::graph {

/// A user's operator. Derive from this and from the capabilities it has (TapeOp for training, ...).
class CustomOp {
 public:
  virtual ~CustomOp() = default;
  /// Name of the kind; nodes are called kind_1, kind_2, ... unless named.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  /// Text of what its options are, for tables, and for checkpoints, which fit only a graph of the same text.
  [[nodiscard]] virtual std::string attributes() const { return ""; }
  /// Output shape from input shapes, all without the batch; throws Error if they do not fit.
  [[nodiscard]] virtual Shape infer(std::span<const Shape> inputs) const = 0;
  /// Parameters and buffers that a node of this kind owns.
  [[nodiscard]] virtual std::vector<ParameterSpec> parameters(std::span<const Shape>) const { return {}; }
};

/// A user's function of one number: name it (kind) and compute it (value); a derivative is found by differences unless it is
/// given. Among integers it is a table of 256 codes, as sigmoid is: trained, run by the engine and written to C bit for bit.
///
///   struct Silu final : graph::ScalarOp {
///     std::string_view kind() const override { return "silu"; }
///     double value(double x) const override { return x / (1.0 + std::exp(-x)); }
///   };
///   y = custom(x, std::make_shared<Silu>());
class ScalarOp : public CustomOp, public ScalarFunction {
 public:
  [[nodiscard]] std::string_view name() const final { return kind(); }
  [[nodiscard]] Shape infer(std::span<const Shape> inputs) const final {
    require(inputs.size() == 1, Errc::shape, "{}: wants 1 input, got {}", kind(), inputs.size());
    return inputs[0];
  }
};

/// A function of one number from two lambdas.
class FunctionOp final : public ScalarOp {
 public:
  using Function = std::function<double(double)>;
  FunctionOp(std::string name, Function value, Function derivative = {})
      : name_(std::move(name)), value_(std::move(value)), derivative_(std::move(derivative)) {
    require(value_ != nullptr, Errc::range, "{}: the function is empty", name_);
  }
  [[nodiscard]] std::string_view kind() const override { return name_; }
  [[nodiscard]] double value(double x) const override { return value_(x); }
  [[nodiscard]] double derivative(double x) const override {
    return derivative_ ? derivative_(x) : ScalarFunction::derivative(x);
  }

 private:
  std::string name_;
  Function value_, derivative_;
};

/// A table of codes as a function of one number, for files that hold the table and not the function: the real values of its codes at the real values of their inputs; between those, that of the nearest. Under the same
/// scales the table of this function is the table itself.
class LookupOp final : public ScalarOp {
 public:
  LookupOp(const integer::Table& table, const Affine& in, const Affine& out) : table_(table), in_(in), out_(out) {}
  [[nodiscard]] std::string_view kind() const override { return "lookup"; }
  [[nodiscard]] double value(double x) const override {
    const double code = round_half_even(x / static_cast<double>(in_.scale)) + in_.zero_point;
    const auto q = static_cast<std::size_t>(std::clamp(code, -128.0, 127.0) + 128.0);
    return static_cast<double>(out_.scale) * (table_[q] - out_.zero_point);
  }

 private:
  integer::Table table_;
  Affine in_, out_;
};

}  // namespace stet::graph

namespace stet::graph::op {

/// A user's operator, shared between copies of the graph because it has no state.
struct Custom {
  static constexpr auto form = IntegerForm::computes;  // of a ScalarOp; integer_form says of which one
  std::shared_ptr<const CustomOp> op;
};

/// The function that an operator of the user's is; null if it is none of one number.
inline std::shared_ptr<const ScalarFunction> scalar_function(const Custom& o) {
  const auto* scalar = dynamic_cast<const ScalarOp*>(o.op.get());
  return scalar == nullptr ? nullptr : std::shared_ptr<const ScalarFunction>(o.op, scalar);
}

/// What this very operator is among integers: the user's type says it.
inline IntegerForm integer_form(const Custom& o) {
  return scalar_function(o) != nullptr ? IntegerForm::computes : IntegerForm::none;
}

inline std::string_view kind(const Custom& o) {
  require(o.op != nullptr, Errc::state, "custom: the operator is a null pointer");
  return o.op->kind();
}
inline std::string attributes(const Custom& o) { return o.op->attributes(); }
inline Shape infer(const Custom& o, Shapes in) { return o.op->infer(in); }
inline std::vector<ParameterSpec> parameters(const Custom& o, Shapes in) { return o.op->parameters(in); }
inline std::int64_t multiply_adds(const Custom&, Shapes, const Shape&) { return 0; }
inline Obstacle no_integer_form(const Custom&) {
  return {.what = "no integer kernel for an operator of your own",
          .remedy = "derive it from graph::ScalarOp if it is a function of one number"};
}

}  // namespace stet::graph::op
