#pragma once
// InferencePlan: a float model that is asked many times.

#include <stet/model/forward.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/operators/float.hpp>
#endif

namespace stet {

namespace detail {

STET_ENTRY std::vector<PlannedNode> plan_inference(const Model& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<PlannedNode> plan_inference(const Model& model) {
  const Graph& graph = model.graph();
  std::vector<PlannedNode> plan(static_cast<std::size_t>(graph.size()));
  std::vector<bool> made(plan.size(), false);  // by a node in front
  for (int id = 0; id < graph.size(); ++id) {
    PlannedNode& planned = plan[static_cast<std::size_t>(id)];
    if (made[static_cast<std::size_t>(id)]) continue;
    planned.makes = id;
    const graph::Operator& op = graph.node(id).op;
    const auto take = [&](int node) {
      planned.makes = node;
      made[static_cast<std::size_t>(node)] = true;
    };
    if (graph::is<graph::op::BatchNorm>(op)) {
      const int activation = clamp_behind(graph, id, planned.clamp);
      if (activation >= 0) take(activation);
      continue;
    }
    const Parameter* weight = model.find_parameter(id, graph::Role::weight);
    if (weight == nullptr) continue;
    planned.layer.weights = graph::match(
        op, [](const auto& o, const Tensor<float>& w) -> Tensor<float> { return train_op::prepared_weights(o, w); },
        weight->value);
    if (planned.layer.empty()) continue;
    const int norm = sole_reader(graph, id);
    const auto* batch_norm = norm < 0 ? nullptr : graph::as<graph::op::BatchNorm>(graph.node(norm).op);
    Clamp clamp = Clamp::none;
    const int activation = clamp_behind(graph, batch_norm == nullptr ? id : norm, clamp);
    if (batch_norm != nullptr) {
      Tape tape;
      NodeContext context(tape, model, nullptr, norm, nullptr);
      planned.layer.tail = train_op::prepared_tail(*batch_norm, context, clamp);
      take(norm);
    } else {
      planned.layer.tail = ScaleShift<float>(clamp);
    }
    if (activation >= 0) take(activation);
  }
  return plan;
}
#endif

}  // namespace detail

/// A float model made ready once for many calls in evaluation mode: weights lie in the order in which products read them, and
/// the batch norm and ReLU or ReLU6 behind a layer are applied to its results while they are in the cache. The answers are those
/// of infer(model, x), bit for bit. It holds the model as it was when the plan was made (tensors are shared until one of the
/// two is written) and, beside it, the weights of convolutions and linear layers a second time. Safe to share between threads.
///
///   const InferencePlan plan(model);
///   const Tensor<float> logits = infer(plan, images);
class InferencePlan {
 public:
  /// Errors:    none but those of memory: a Model is valid
  explicit InferencePlan(Model model) : model_(std::move(model)), nodes_(detail::plan_inference(model_)) {}

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Graph& graph() const { return model_.graph(); }
  [[nodiscard]] std::span<const detail::PlannedNode> nodes() const { return nodes_; }

 private:
  Model model_;
  std::vector<detail::PlannedNode> nodes_;
};

/// Computes the outputs of a planned model.
/// Shapes:    each input [N] + its shape -> each output [N] + its shape
/// Errors:    Errc::shape if an input does not fit, naming it
inline std::vector<Tensor<float>> infer(const InferencePlan& plan, std::span<const Tensor<float>> inputs) {
  Tape tape;
  std::vector<Tensor<float>> outputs;
  for (const Var<Tensor<float>>& y : detail::run_model(tape, plan.model(), nullptr, inputs, {}, plan.nodes()))
    outputs.push_back(y.value());
  return outputs;
}
/// The same for a model with one input and one output.
inline Tensor<float> infer(const InferencePlan& plan, const Tensor<float>& x) {
  detail::require_single("infer", plan.graph());
  return infer(plan, std::span<const Tensor<float>>(&x, 1))[0];
}

}  // namespace stet
