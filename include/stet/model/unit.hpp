#pragma once
// Units: the nodes of the deployed network while it is trained, bound to the float graph and to quantizers.

#include <stet/graph/integer_model.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/qat/fold.hpp>

#include <string>
#include <vector>

namespace stet {

/// A node of the network that will be deployed, still without its constants, and what it is bound to: the nodes of the
/// float graph that it stands for, its quantizer and the scheme of its weights. Its inputs and its output count units: unit
/// i makes value i. Operators that act in training only stand here too; what is deployed leaves them out.
struct Unit {
  IntegerNode deployed{};
  int node = -1;        ///< the operator's node in the graph
  int batch_norm = -1;  ///< node of the fused batch norm, -1 for none
  int output = -1;      ///< node whose value the unit makes: the last of those fused
  int quantizer = -1;   ///< index of the output's quantizer; members of a scale group share one
  AnyScheme weights{};
  bool learns_weight_scale = false;
  std::string no_integer_form{};  ///< of a unit that is kept in float because the target cannot run it: why
  bool real_output = false;  ///< of a unit that is kept in float: so are all that read it

  [[nodiscard]] const graph::Operator& op() const { return deployed.op; }
  [[nodiscard]] bool has_weights() const { return graph::has_weights(deployed.op); }
  /// Whether the output has its input's scale (pool, pad, reshape, concat, ...).
  [[nodiscard]] bool shares_scale() const { return graph::moves_codes(deployed.op) || training_only(); }
  [[nodiscard]] bool kept_float() const { return graph::form(deployed.op) == graph::IntegerForm::real; }
  [[nodiscard]] bool training_only() const { return graph::form(deployed.op) == graph::IntegerForm::training; }
  /// The clamp of its output: its own, or that of an activation fused behind it.
  [[nodiscard]] Activation activation() const {
    const Activation own = graph::clamp_of(deployed.op);
    return own != Activation::none ? own : deployed.activation;
  }
  /// Whether it would rather choose among values finer than its input's codes (max_pool).
  [[nodiscard]] bool orders_inputs() const { return graph::orders_inputs(deployed.op); }
  [[nodiscard]] int channel_axis() const { return graph::channel_axis(deployed.op); }
};

/// All units in execution order, and what their quantizers are.
struct UnitPlan {
  std::vector<Unit> units{};
  std::vector<AnyScheme> quantizer_schemes{};
  std::vector<bool> quantizer_learns{};  ///< whether the scale is a trained parameter
  std::vector<const integer::FixedOutput*> fixed_output{};  ///< per quantizer; null where the range follows the data
};

/// Why prepare refuses a node, or the whole graph where node is -1, and the change that mends it.
struct UnitProblem {
  int node = -1;
  std::string name{}, kind{};  ///< of the node; kind is empty if there is no such node
  std::string what{}, remedy{};

  [[nodiscard]] std::string text() const {
    const std::string subject = name.empty() ? "" : kind.empty() ? name + ": " : formatted("{} ({}): ", name, kind);
    return subject + what + "; " + remedy;
  }
};

}  // namespace stet
