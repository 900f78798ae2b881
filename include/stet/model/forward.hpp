#pragma once
// forward: runs a Model in float on the tape.

#include <stet/model/model_inputs.hpp>
#include <stet/model/node_context.hpp>

#include <functional>
#include <optional>
#include <span>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/operators/float.hpp>
#endif

namespace stet {

/// What a forward pass may need besides the model and its input.
struct ForwardOptions {
  Rng* rng = nullptr;  ///< random numbers of dropout in training
  /// Called with every node's value, inputs included, in node order. Activations are then not fused into what is
  /// before them, so that every value exists; the values are the same.
  std::function<void(int node, const Tensor<float>& value)> observe{};
  /// Replaces every node's value before others read it, and parameters before operators do: simulation of quantization.
  /// Activations are then not fused either.
  std::function<Var<Tensor<float>>(int node, const Var<Tensor<float>>& value)> value{};
  NodeContext::Replace parameter{};
};

namespace detail {

// A node of an InferencePlan: what was prepared of it, and the node whose value it makes, itself or one behind it; -1 if a node
// in front of it makes its value.
struct PlannedNode {
  PreparedLayer layer{};
  int makes = -1;
  Clamp clamp = Clamp::none;  // of a batch norm that is not part of a layer
};

// Runs all nodes. `trained` is the same model in training, null in evaluation. `plan` is empty or has an entry for every node;
// then there are no options.
STET_ENTRY std::vector<Var<Tensor<float>>> run_model(Tape& tape, const Model& model, Model* trained,
                                                     std::span<const Tensor<float>> inputs, const ForwardOptions& options,
                                                     std::span<const PlannedNode> plan = {});
// Whether an operator can run.
STET_ENTRY bool runs_on_tape(const graph::Operator& op);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool runs_on_tape(const graph::Operator& op) {
  return graph::match(op, [](const auto& o) { return train_op::on_tape(o); });
}
#endif
// Runs one operator.
STET_ENTRY Var<Tensor<float>> run_node(const graph::Operator& op, NodeContext& context);
#if STET_DEFINE_ENTRIES
STET_ENTRY Var<Tensor<float>> run_node(const graph::Operator& op, NodeContext& context) {
  return graph::match(
      op, [](const auto& o, NodeContext& c) -> decltype(train_op::forward(o, c)) { return train_op::forward(o, c); },
      context);
}

// The only node that reads a value, -1 if there are none or several or the value is an output.
inline int sole_reader(const Graph& graph, int id) {
  const std::vector<int>& readers = graph.consumers(id);
  return readers.size() != 1 || graph.is_output(id) ? -1 : readers[0];
}
// The activation that alone reads a node's value and can run as its clamp; -1 if there is none.
inline int clamp_behind(const Graph& graph, int id, Clamp& clamp) {
  const int reader = sole_reader(graph, id);
  const integer::Activation next = reader < 0 ? integer::Activation::none : graph::clamp_of(graph.node(reader).op);
  clamp = next == integer::Activation::relu    ? Clamp::relu
          : next == integer::Activation::relu6 ? Clamp::relu6
                                               : Clamp::none;
  return clamp == Clamp::none ? -1 : reader;
}

STET_ENTRY std::vector<Var<Tensor<float>>> run_model(Tape& tape, const Model& model, Model* trained,
                                                     std::span<const Tensor<float>> inputs, const ForwardOptions& options,
                                                     std::span<const PlannedNode> plan) {
  const Graph& graph = model.graph();
  const auto count = static_cast<std::size_t>(graph.size());
  require_inputs("forward", graph, inputs);

  std::vector<int> readers(count, 0);  // uses that are still to come; a value is released after the last
  for (const graph::Node& node : graph.nodes()) {
    for (const int from : node.inputs) ++readers[static_cast<std::size_t>(from)];
  }
  for (const int id : graph.outputs()) ++readers[static_cast<std::size_t>(id)];

  std::vector<std::optional<Var<Tensor<float>>>> values(count);
  std::size_t next_input = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int id = static_cast<int>(i);
    const graph::Node& node = graph.nodes()[i];
    if (values[i] || (!plan.empty() && plan[i].makes < 0)) continue;  // made by the node it is fused into
    NodeContext context(tape, model, trained, id, options.rng, &options.parameter);
    if (node.inputs.empty()) context.add_input(tape.constant(inputs[next_input++]));
    for (const int from : node.inputs) {
      auto& value = values[static_cast<std::size_t>(from)];
      if (--readers[static_cast<std::size_t>(from)] == 0) {
        context.add_input(std::move(*value));
        value.reset();
      } else {
        context.add_input(*value);
      }
    }
    if (!plan.empty()) {
      context.prepare(plan[i].layer);
      context.fuse(plan[i].clamp);
      values[static_cast<std::size_t>(plan[i].makes)].emplace(run_node(node.op, context));
      continue;
    }
    Clamp clamp = Clamp::none;
    const bool fuses = graph::is<graph::op::BatchNorm>(node.op) && !options.observe && !options.value;
    const int fused = fuses ? clamp_behind(graph, id, clamp) : -1;
    if (fused >= 0) context.fuse(clamp);
    values[fused >= 0 ? static_cast<std::size_t>(fused) : i].emplace(run_node(node.op, context));
    if (options.value) {
      Var<Tensor<float>> replaced = options.value(id, *values[i]);
      values[i].emplace(std::move(replaced));
    }
    if (options.observe) options.observe(id, values[i]->value());
  }

  std::vector<Var<Tensor<float>>> outputs;
  for (const int id : graph.outputs()) outputs.push_back(*values[static_cast<std::size_t>(id)]);
  return outputs;
}
#endif

}  // namespace detail

/// Runs a model on the tape. In training batch norm uses and moves batch statistics, dropout drops, and backward adds
/// to the parameters' gradients; in evaluation nothing is recorded and nothing changes.
/// Shapes:    x [N] + the input's shape -> [N] + the output's shape
/// Errors:    Errc::shape if x does not fit, naming the input; Errc::state if dropout has no random numbers
inline std::vector<Var<Tensor<float>>> forward(Tape& tape, Model& model, std::span<const Tensor<float>> inputs,
                                               Mode mode = Mode::training, const ForwardOptions& options = {}) {
  return detail::run_model(tape, model, mode == Mode::training ? &model : nullptr, inputs, options);
}
/// The same for a model with one input and one output.
inline Var<Tensor<float>> forward(Tape& tape, Model& model, const Tensor<float>& x, Mode mode = Mode::training,
                                  const ForwardOptions& options = {}) {
  detail::require_single("forward", model.graph());
  return forward(tape, model, std::span<const Tensor<float>>(&x, 1), mode, options)[0];
}

/// Computes a model's outputs in evaluation mode.
inline std::vector<Tensor<float>> infer(const Model& model, std::span<const Tensor<float>> inputs,
                                        const ForwardOptions& options = {}) {
  Tape tape;
  std::vector<Tensor<float>> outputs;
  for (const Var<Tensor<float>>& y : detail::run_model(tape, model, nullptr, inputs, options)) {
    outputs.push_back(y.value());
  }
  return outputs;
}
/// The same for a model with one input and one output.
inline Tensor<float> infer(const Model& model, const Tensor<float>& x, const ForwardOptions& options = {}) {
  detail::require_single("infer", model.graph());
  return infer(model, std::span<const Tensor<float>>(&x, 1), options)[0];
}

}  // namespace stet
