#pragma once
// What of a planned network stays in float, and how much of its work that is.

#include <stet/core/join_some.hpp>
#include <stet/graph/graph.hpp>
#include <stet/model/unit.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet::detail {

/// Units that are kept in float: how many of how many operators, their names, and their share of the multiply-adds.
struct FloatShare {
  std::size_t operators = 0;         ///< of the network, without what acts in training only
  std::vector<std::string> names{};  ///< of those in float
  bool unasked = false;              ///< whether one is because the target cannot run it
  std::int64_t products = 0, of_products = 0;

  /// "2 of 9 operators stay in float (soft, gate), 12.5 % of the multiply-adds"; empty if none does.
  [[nodiscard]] std::string str() const {
    if (names.empty()) return {};
    const double share =
        of_products > 0 ? 100.0 * static_cast<double>(products) / static_cast<double>(of_products) : 0.0;
    return formatted("{} of {} operators stay{} in float ({}), {:.1f} % of the multiply-adds", names.size(), operators,
                     names.size() == 1 ? "s" : "", join_some(names, 6), share);
  }
};

inline FloatShare float_share(const Graph& graph, const std::vector<Unit>& units) {
  FloatShare share;
  for (const Unit& unit : units) {
    if (unit.training_only() || graph::form(unit.op()) == graph::IntegerForm::input) continue;
    const graph::Node& node = graph.node(unit.node);
    const std::int64_t products = graph::multiply_adds(node.op, graph.input_shapes(unit.node), node.shape);
    ++share.operators;
    share.of_products += products;
    if (!unit.kept_float()) continue;
    share.products += products;
    share.names.push_back(node.name);
    share.unasked = share.unasked || !unit.no_integer_form.empty();
  }
  return share;
}

}  // namespace stet::detail
