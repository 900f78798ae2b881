#pragma once
// Validation: whether a graph is a model at all. Shapes and order were checked when each node was added.

#include <stet/graph/graph.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace stet::graph {

/// Whether an output depends on a node, per node.
inline std::vector<bool> leads_to_output(const Graph& graph) {
  std::vector<bool> used(graph.nodes().size(), false);
  for (const int id : graph.outputs()) used[static_cast<std::size_t>(id)] = true;
  for (int id = graph.size() - 1; id >= 0; --id) {
    if (!used[static_cast<std::size_t>(id)]) continue;
    for (const int from : graph.node(id).inputs) used[static_cast<std::size_t>(from)] = true;
  }
  return used;
}

/// Checks that a graph has inputs and outputs and that every node leads to an output.
/// Errors:    Errc::state listing every problem, nodes by name
STET_ENTRY void validate(const Graph& graph);
#if STET_DEFINE_ENTRIES
STET_ENTRY void validate(const Graph& graph) {
  std::string problems;
  const auto problem = [&](const std::string& text) { problems += "\n  " + text; };
  if (graph.inputs().empty()) problem("the graph has no input; begin with g.input({...})");
  if (graph.outputs().empty()) problem("the graph has no output; end with g.output(value)");
  const std::vector<bool> used = leads_to_output(graph);
  for (int id = 0; !graph.outputs().empty() && id < graph.size(); ++id) {
    if (used[static_cast<std::size_t>(id)]) continue;
    problem(formatted("{}: no output depends on this {}; use its value or leave it out", graph.node(id).name,
                        kind(graph.node(id).op)));
  }
  require(problems.empty(), Errc::state, "graph: not a valid model:{}", problems);
}
#endif

}  // namespace stet::graph

namespace stet {
using graph::validate;
}  // namespace stet
