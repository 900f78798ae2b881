#pragma once
// Constants of a file that several layers train: said, never untied in silence.

#include <stet/core/error.hpp>
#include <stet/core/warning.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/import_options.hpp>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Which constant each parameter of a model comes from, while it is loaded. Exporters store equal constants once, so that
/// those of one repeated number (the zero biases and unit gammas of fresh layers) are shared by chance: apart from
/// weights they count as copies.
class ConstantUses {
 public:
  /// Takes note that a node's parameter or buffer has the values of a constant.
  void add(const std::string& constant, int node, graph::Role role, std::span<const float> values) {
    const bool uniform = std::all_of(values.begin(), values.end(), [&](float v) { return v == values[0]; });
    if (role != graph::Role::weight && uniform) return;
    std::vector<int>& nodes = uses_[constant];
    if (nodes.empty() || nodes.back() != node) nodes.push_back(node);
  }

  /// One line per constant that several nodes train, the nodes by name; empty if there is none.
  [[nodiscard]] std::string shared(const Graph& graph) const {
    std::string text;
    for (const auto& [constant, nodes] : uses_) {
      if (nodes.size() < 2) continue;
      std::string names;
      for (const int n : nodes) names += (names.empty() ? "" : ", ") + graph.node(n).name;
      text += formatted("\n  constant '{}' is shared by {}", constant, names);
    }
    return text;
  }

  /// Does what the options say.
  /// Errors:    Errc::unsupported listing all shared constants if they are to be refused
  void settle(const Graph& graph, const ImportOptions& options, const std::string& where) const {
    const std::string text = shared(graph);
    if (text.empty()) return;
    require(options.shared == SharedConstants::untie, Errc::unsupported,
            "{}: layers share trained constants, which would part in training:{}\n  load with {{.shared = "
            "SharedConstants::untie}} if each may have a copy of its own, or give each layer its own constant in the file",
            where, text);
    warn("{}: every layer gets its own copy of shared constants; they will part in training:{}", where, text);
  }

 private:
  std::map<std::string, std::vector<int>> uses_{};
};

}  // namespace stet
