#pragma once
// add_unit_layers: a layer for batch norms that have none. Among integers a batch norm is a part of the layer before it, so
// one behind a concat or an addition (DenseNet, pre-activation ResNet) gets a depthwise 1x1 convolution of ones.

#include <stet/graph/model.hpp>
#include <stet/graph/validate.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// A graph in which every batch norm stands behind a layer, and where the old nodes are.
struct UnitLayers {
  Graph graph{};
  std::vector<int> node_of{};  ///< per old node the new one with its parameters; -1 where no output depends on it
  std::vector<int> layers{};   ///< the new layers, whose weights are to be ones
};

/// Puts a depthwise 1x1 convolution before every batch norm that reads no layer, or one that somebody else reads too. Where
/// the value is no image, it becomes one for the two. The weights are trained; while batch statistics normalize, they
/// change nothing. Nodes on which no output depends are left out, inputs aside.
inline UnitLayers add_unit_layers(const Graph& graph) {
  UnitLayers made;
  std::vector<int> value_of;  // per old node the new one with its value
  const auto free_name = [&](const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; graph.find(name) >= 0 || made.graph.find(name) >= 0; ++i) name = formatted("{}_{}", wanted, i);
    return name;
  };
  const std::vector<bool> used = graph::leads_to_output(graph);
  for (int id = 0; id < graph.size(); ++id) {
    const graph::Node& node = graph.node(id);
    if (!used[static_cast<std::size_t>(id)] && !node.inputs.empty()) {
      value_of.push_back(-1);
      made.node_of.push_back(-1);
      continue;
    }
    std::vector<int> inputs;
    for (const int from : node.inputs) inputs.push_back(value_of[static_cast<std::size_t>(from)]);
    const int from = node.inputs.empty() ? -1 : node.inputs[0];
    const auto readers = [&] {
      return std::ranges::count_if(graph.consumers(from), [&](int reader) { return used[static_cast<std::size_t>(reader)]; });
    };
    const bool lone = graph::is<graph::op::BatchNorm>(node.op) &&
                      (!graph::has_weights(graph.node(from).op) || graph.is_output(from) || readers() != 1);
    if (!lone) {
      value_of.push_back(made.graph.add(node.op, std::move(inputs), node.name).id());
      made.node_of.push_back(value_of.back());
      continue;
    }
    const Shape& in = node.shape;
    const bool image = in.rank() == 3;
    int value = inputs[0];
    if (!image) {
      value = made.graph
                  .add(graph::op::Reshape{Shape{1, in.elements() / in.back(), in.back()}}, {value},
                       free_name(node.name + "_image"))
                  .id();
    }
    value = made.graph
                .add(graph::op::DepthwiseConv2D{.kernel = 1, .padding = Padding::valid(), .bias = false}, {value},
                     free_name(node.name + "_unit"))
                .id();
    made.layers.push_back(value);
    value = made.graph.add(node.op, {value}, node.name).id();
    made.node_of.push_back(value);
    if (!image) value = made.graph.add(graph::op::Reshape{in}, {value}, free_name(node.name + "_shape")).id();
    value_of.push_back(value);
  }
  for (const int id : graph.outputs()) made.graph.output(value_of[static_cast<std::size_t>(id)]);
  return made;
}

/// The same of a model: it computes what the given one does, and `prepare` takes it.
inline Model add_unit_layers(const Model& model) {
  UnitLayers made = add_unit_layers(model.graph());
  Model result(std::move(made.graph), Rng(0));
  copy_state(model, result);  // nodes keep their names
  for (const int id : made.layers) {
    Tensor<float>& weight = result.find_parameter(id, graph::Role::weight)->value;
    weight = Tensor<float>::filled(weight.shape(), 1.0f);
  }
  return result;
}

}  // namespace stet
