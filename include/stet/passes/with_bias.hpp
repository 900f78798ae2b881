#pragma once
// with_bias: a bias of zeros for layers that have none, so that passes have something to correct.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/random.hpp>
#include <stet/graph/match.hpp>

#include <optional>
#include <utility>
#endif

namespace stet {

/// A model that computes the same, with a bias of zeros in every layer that has neither a bias nor a batch norm behind it, whose
/// beta is one.
/// @param added  names of those layers, if given
STET_ENTRY Model with_bias(const Model& model, std::vector<std::string>* added = nullptr);

#if STET_DEFINE_ENTRIES
namespace detail {

// The layer with a bias; nothing if it has one, or is no layer.
inline std::optional<graph::Operator> biased(const graph::Operator& op) {
  return graph::match(op, [](const auto& o) -> std::optional<graph::Operator> {
    if constexpr (requires { o.bias; }) {
      if (o.bias) return std::nullopt;
      auto with = o;
      with.bias = true;
      return graph::Operator(with);
    } else {
      return std::nullopt;
    }
  });
}

}  // namespace detail

STET_ENTRY Model with_bias(const Model& model, std::vector<std::string>* added) {
  Graph graph = model.graph();
  std::vector<int> changed;
  for (int id = 0; id < graph.size(); ++id) {
    const std::vector<int> readers = graph.consumers(id);
    const bool normed = readers.size() == 1 && !graph.is_output(id) && graph::is<graph::op::BatchNorm>(graph.node(readers[0]).op);
    std::optional<graph::Operator> op = normed ? std::nullopt : detail::biased(graph.node(id).op);
    if (!op) continue;
    graph.replace(id, std::move(*op));
    changed.push_back(id);
  }
  if (changed.empty()) return model;
  Model other(std::move(graph), Rng(1));
  copy_state(model, other);
  for (const int id : changed) {
    const std::string& name = other.graph().node(id).name;
    Parameter& bias = other.parameter(name + ".bias");
    bias = {Tensor<float>::zeros(bias.value.shape())};
    if (added != nullptr) added->push_back(name);
  }
  return other;
}
#endif

}  // namespace stet
