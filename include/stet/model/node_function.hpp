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

// A node without parameters: it knows its shapes, which is all that planning asks.
class PlannedFunction : public graph::RealFunction {
 public:
  explicit PlannedFunction(graph::Operator op) : op_(std::move(op)) {}
  [[nodiscard]] std::string_view kind() const override { return graph::kind(op_); }
  [[nodiscard]] std::string attributes() const override { return graph::attributes(op_); }
  [[nodiscard]] Shape infer(std::span<const Shape> inputs) const override { return graph::infer(op_, inputs); }
  [[nodiscard]] Tensor<float> run(std::span<const Tensor<float>>) const override {
    fail(Errc::state, "{}: is planned, not converted", kind());
  }

 private:
  graph::Operator op_;
};

// A node with its parameters, as a float model of its own.
class NodeFunction final : public PlannedFunction {
 public:
  NodeFunction(const Model& model, int id) : PlannedFunction(model.graph().node(id).op), model_(alone(model, id)) {}
  [[nodiscard]] Tensor<float> run(std::span<const Tensor<float>> inputs) const override {
    Tape tape;
    return run_model(tape, model_, nullptr, inputs, {})[0].value();
  }

 private:
  static Model alone(const Model& model, int id) {
    const graph::Node& node = model.graph().node(id);
    Graph g;
    std::vector<graph::Value> inputs;
    for (const Shape& shape : model.graph().input_shapes(id)) {
      inputs.push_back(g.input(shape).named(formatted("{}/{}", node.name, inputs.size())));
    }
    g.output(append(node.op, inputs).named(node.name));
    Model result(std::move(g), Rng(0));
    copy_state(model, result);
    return result;
  }

  Model model_;
};

}  // namespace stet::detail
