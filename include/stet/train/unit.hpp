#pragma once
// Units: the float graph as the integer target sees it. A unit is one integer operator with what is fused into it.

#include <stet/graph/integer_model.hpp>
#include <stet/qat/fold.hpp>

#include <fmt/core.h>

#include <string>
#include <vector>

namespace stet {

/// Integer operator of a unit.
enum class UnitKind {
  quantize,
  conv2d,
  depthwise_conv2d,
  linear,
  add,
  sub,
  mul,
  max_pool,
  average_pool,
  mean,
  concat,
  pad,
  reshape,
  transpose,
  clamp,
  lookup,
  dropout
};

/// Whether a unit multiplies by weights.
inline bool has_weights(UnitKind kind) {
  return kind == UnitKind::conv2d || kind == UnitKind::depthwise_conv2d || kind == UnitKind::linear;
}

/// One integer operator: a node, the batch norm and activation fused behind it, and where its codes come from and go.
struct Unit {
  UnitKind kind{};
  int node = -1;        ///< the operator's node in the graph
  int batch_norm = -1;  ///< node of the fused batch norm, -1 for none
  Activation activation = Activation::none;
  int output = -1;            ///< node whose value the unit makes: the last of those fused
  std::vector<int> inputs{};  ///< nodes whose values it reads
  int quantizer = -1;         ///< index of the output's quantizer; members of a scale group share one
  bool shares_scale = false;  ///< output has its input's scale (pool, pad, reshape, concat, ...)
  WeightScheme weights{};
  bool learns_weight_scale = false;
};

/// All units in execution order; quantizer_of[node] is -1 for values inside a unit.
struct UnitPlan {
  std::vector<Unit> units{};
  std::vector<int> quantizer_of{};
  std::vector<int> quantizer_bits{};
  std::vector<bool> quantizer_learns{};  ///< whether the scale is a trained parameter
  std::vector<const integer::FixedOutput*> fixed_output{};  ///< per quantizer; null where the range follows the data
};

/// Why prepare refuses a node, or the whole graph where node is -1, and the change that mends it.
struct UnitProblem {
  int node = -1;
  std::string name{}, kind{};  ///< of the node; kind is empty if there is no such node
  std::string what{}, remedy{};

  [[nodiscard]] std::string text() const {
    const std::string subject = name.empty() ? "" : kind.empty() ? name + ": " : fmt::format("{} ({}): ", name, kind);
    return subject + what + "; " + remedy;
  }
};

}  // namespace stet
