#pragma once
// replace_head: a trained network for other classes, as transfer learning begins.

#include <stet/core/entry.hpp>
#include <stet/core/random.hpp>
#include <stet/graph/model.hpp>

#include <cstdint>
#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/graph/match.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>
#endif

namespace stet {

/// A model whose last layer makes `classes` scores, with fresh weights; all other layers keep theirs. The last layer is the linear layer
/// or ungrouped convolution from which only operators without weights lead to the output, such as pools and flatten.
/// @param head  if given, gets the name of that layer, which stays the same
/// Errors:    Errc::range if classes is not positive; Errc::unsupported, saying what stands there, if there is no such layer, several
///            outputs, or a reshape behind it that does not keep the scores apart
STET_ENTRY Model replace_head(const Model& model, std::int64_t classes, const Rng& rng = Rng(1), std::string* head = nullptr);

#if STET_DEFINE_ENTRIES
namespace detail {

// From the output back to the last layer.
inline std::vector<int> way_to_head(const Graph& graph) {
  require(graph.outputs().size() == 1, Errc::unsupported, "replace_head: the graph has {} outputs; name one when it is loaded (ImportOptions::outputs)",
          graph.outputs().size());
  std::vector<int> way{graph.outputs()[0]};
  while (!graph::has_weights(graph.node(way.back()).op)) {
    const graph::Node& n = graph.node(way.back());
    require(n.inputs.size() == 1 && graph.parameter_specs(way.back()).empty(), Errc::unsupported,
            "replace_head: {} ({}) stands between the output and the last layer; end the network at the scores of a layer", n.name, graph::kind(n.op));
    way.push_back(n.inputs[0]);
  }
  for (const int id : way) {
    require(static_cast<int>(graph.consumers(id).size()) == (id == way.front() ? 0 : 1), Errc::unsupported,
            "replace_head: {} has other readers than the output; end the network at its scores", graph.node(id).name);
  }
  return way;
}

// A layer for so many classes; nothing if it is of another kind.
inline std::optional<graph::Operator> with_outputs(const graph::Operator& op, std::int64_t classes) {
  const int count = static_cast<int>(classes);
  if (const auto* linear = graph::as<graph::op::Linear>(op)) {
    graph::op::Linear other = *linear;
    other.units = count;
    return graph::Operator(other);
  }
  const auto* conv = graph::as<graph::op::Conv2D>(op);
  if (conv == nullptr || conv->groups != 1) return std::nullopt;
  graph::op::Conv2D other = *conv;
  other.filters = count;
  return graph::Operator(other);
}

// A reshape behind the head, for other scores; they must have a dimension of their own.
inline graph::Operator reshaped_scores(const graph::Node& n, std::int64_t before, std::int64_t after) {
  const auto* reshape = graph::as<graph::op::Reshape>(n.op);
  if (reshape == nullptr) return n.op;
  const Shape& to = reshape->shape;
  require(to.rank() > 0 && to.back() == before, Errc::unsupported, "replace_head: {} makes {} of the scores; {} of them want a last dimension of their own",
          n.name, to, before);
  return graph::op::Reshape{to.with(to.rank() - 1, after)};
}

}  // namespace detail

STET_ENTRY Model replace_head(const Model& model, std::int64_t classes, const Rng& rng, std::string* head) {
  require(classes >= 1 && classes <= (std::int64_t{1} << 24), Errc::range, "replace_head: {} classes, must be positive", classes);
  const Graph& graph = model.graph();
  const std::vector<int> way = detail::way_to_head(graph);
  const int last = way.back();
  const graph::Node& layer = graph.node(last);
  const std::optional<graph::Operator> op = detail::with_outputs(layer.op, classes);
  if (!op) {
    fail(Errc::unsupported, "replace_head: the last layer {} is a {}; only linear layers and convolutions without groups have scores to replace", layer.name,
         graph::kind(layer.op));
  }
  const std::int64_t before = layer.shape.back();
  Graph other;
  for (int id = 0; id < graph.size(); ++id) {
    const graph::Node& n = graph.node(id);
    const bool behind = id != last && std::find(way.begin(), way.end(), id) != way.end();
    other.add(id == last ? *op : behind ? detail::reshaped_scores(n, before, classes) : n.op, n.inputs, n.name);
  }
  other.output(graph.outputs()[0]);
  Model result(std::move(other), rng);
  copy_state(model, result, last);
  if (head != nullptr) *head = layer.name;
  return result;
}
#endif

}  // namespace stet
