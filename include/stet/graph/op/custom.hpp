#pragma once
// The open alternative: an operator of the user's own.

#include <stet/graph/op/spec.hpp>

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

}  // namespace stet::graph

namespace stet::graph::op {

/// A user's operator, shared between copies of the graph because it has no state.
struct Custom {
  static constexpr auto form = IntegerForm::none;
  std::shared_ptr<const CustomOp> op;
};

inline std::string_view kind(const Custom& o) {
  require(o.op != nullptr, Errc::state, "custom: the operator is a null pointer");
  return o.op->kind();
}
inline std::string attributes(const Custom& o) { return o.op->attributes(); }
inline Shape infer(const Custom& o, Shapes in) { return o.op->infer(in); }
inline std::vector<ParameterSpec> parameters(const Custom& o, Shapes in) { return o.op->parameters(in); }
inline std::int64_t multiply_adds(const Custom&, Shapes, const Shape&) { return 0; }

}  // namespace stet::graph::op
