#pragma once
// Whether tensors are what a graph takes in: asked at the door of every pass over it.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/graph.hpp>

#include <span>
#include <vector>

namespace stet::detail {

// Tensors for all inputs, in their order.
// Errors:    Errc::shape if there are fewer or more, or one does not fit, naming the input
STET_ENTRY void require_inputs(const char* op, const Graph& graph, std::span<const Tensor<float>> inputs);
// The only output, for what compares its classes with labels.
// Errors:    Errc::unsupported if there are more
STET_ENTRY void require_one_output(const char* op, const Graph& graph);
// The only input and output, for what takes and gives one tensor.
// Errors:    Errc::shape if there are others
STET_ENTRY void require_single(const char* op, const Graph& graph);
#if STET_DEFINE_ENTRIES
STET_ENTRY void require_inputs(const char* op, const Graph& graph, std::span<const Tensor<float>> inputs) {
  const std::vector<int> entries = graph.inputs();
  require(inputs.size() == entries.size(), Errc::shape, "{}: the model has {} inputs, got {}", op, entries.size(), inputs.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const graph::Node& node = graph.node(entries[i]);
    const Shape& x = inputs[i].shape();
    require(x.rank() >= 1 && x.unbatched() == node.shape && x[0] >= 1 && x[0] == inputs[0].shape()[0], Errc::shape,
            "{}: input '{}' wants [N] + {}, the same N everywhere, got {}", op, node.name, node.shape, x);
  }
}

STET_ENTRY void require_one_output(const char* op, const Graph& graph) {
  require(graph.outputs().size() == 1, Errc::unsupported,
          "{}: the model has {} outputs, and the classes of one are compared with labels; give it a model that ends at that output (load it with "
          "ImportOptions::outputs)",
          op, graph.outputs().size());
}

STET_ENTRY void require_single(const char* op, const Graph& graph) {
  require(graph.inputs().size() == 1 && graph.outputs().size() == 1, Errc::shape,
          "{}: the model has {} inputs and {} outputs; pass the inputs as a list to get a list of outputs", op,
          graph.inputs().size(), graph.outputs().size());
}
#endif

}  // namespace stet::detail
