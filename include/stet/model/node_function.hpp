#pragma once
// Nodes of a graph as functions of reals: while a network is planned, and with its parameters when it is deployed.

#include <stet/graph/model.hpp>
#include <stet/graph/real_function.hpp>
#include <stet/model/forward.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::detail {

// One node of a graph as a graph of its own.
inline Graph node_alone(const Graph& graph, int id) {
  const graph::Node& node = graph.node(id);
  Graph g;
  std::vector<graph::Value> inputs;
  for (const Shape& shape : graph.input_shapes(id)) {
    inputs.push_back(g.input(shape).named(formatted("{}/{}", node.name, inputs.size())));
  }
  g.output(append(node.op, inputs).named(node.name));
  return g;
}

// A node without parameters: it knows its shapes, which is all that planning asks.
class PlannedFunction : public graph::RealFunction {
 public:
  PlannedFunction(const Graph& graph, int id) : PlannedFunction(node_alone(graph, id)) {}
  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] const Model* model() const override { return nullptr; }
  [[nodiscard]] std::string_view kind() const override { return graph::kind(op()); }
  [[nodiscard]] std::string attributes() const override { return graph::attributes(op()); }
  [[nodiscard]] Shape infer(std::span<const Shape> inputs) const override { return graph::infer(op(), inputs); }
  [[nodiscard]] Tensor<float> run(std::span<const Tensor<float>>) const override {
    fail(Errc::state, "{}: is planned, not converted", kind());
  }

 protected:
  explicit PlannedFunction(Graph alone) : graph_(std::move(alone)) {}

 private:
  [[nodiscard]] const graph::Operator& op() const { return graph_.nodes().back().op; }

  Graph graph_;
};

// A node with its parameters, as a float model of its own.
class NodeFunction final : public PlannedFunction {
 public:
  NodeFunction(const Model& model, int id) : PlannedFunction(model.graph(), id), model_(Graph(graph()), Rng(0)) {
    copy_state(model, model_);
  }
  [[nodiscard]] const Model* model() const override { return &model_; }
  [[nodiscard]] Tensor<float> run(std::span<const Tensor<float>> inputs) const override {
    Tape tape;
    return run_model(tape, model_, nullptr, inputs, {})[0].value();
  }

 private:
  Model model_;
};

}  // namespace stet::detail
