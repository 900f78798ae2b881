#pragma once
// Printing: a graph as a text table, as lines that are compared, and as a drawing in Graphviz's language.

#include <stet/graph/graph.hpp>

#include <string>

namespace stet::graph {

namespace detail {

// Numbers with a comma at every thousand.
inline std::string thousands(std::int64_t n) {
  std::string text = std::to_string(n);
  for (auto i = static_cast<std::int64_t>(text.size()) - 3; i > 0; i -= 3) {
    text.insert(static_cast<std::size_t>(i), 1, ',');
  }
  return text;
}

// Rows as columns of equal width, two spaces apart; columns from `right` on are aligned to the right.
inline std::string columns(const std::vector<std::vector<std::string>>& rows, std::size_t right) {
  std::vector<std::size_t> width(rows[0].size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = row[c].size() > width[c] ? row[c].size() : width[c];
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c > 0) line += "  ";
      const std::string space(width[c] - row[c].size(), ' ');
      line += c < right ? row[c] + space : space + row[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

inline std::int64_t parameter_count(const Graph& graph, int id) {
  std::int64_t count = 0;
  const auto specs = graph.parameter_specs(id);
  for (const ParameterSpec& spec : specs) count += is_buffer(spec.role) ? 0 : spec.shape.elements();
  return count;
}

}  // namespace detail

/// Table of a graph: name, kind, attributes, inputs, output shape (without the batch), trained parameters and
/// multiply-adds of one sample; outputs are marked with *.
STET_ENTRY std::string table(const Graph& graph);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string table(const Graph& graph) {
  std::vector<std::vector<std::string>> rows{
      {"name", "kind", "attributes", "inputs", "output", "parameters", "multiply-adds"}};
  std::int64_t all_parameters = 0, all_products = 0;
  for (int id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    std::string from;
    for (const int in : node.inputs) from += (from.empty() ? "" : " ") + graph.node(in).name;
    const std::int64_t count = detail::parameter_count(graph, id);
    const std::int64_t products = multiply_adds(node.op, graph.input_shapes(id), node.shape);
    all_parameters += count;
    all_products += products;
    rows.push_back({node.name + (graph.is_output(id) ? "*" : ""), std::string(kind(node.op)), attributes(node.op), from,
                    node.shape.str(), detail::thousands(count), detail::thousands(products)});
  }
  rows.push_back({"total", "", "", "", "", detail::thousands(all_parameters), detail::thousands(all_products)});
  return detail::columns(rows, 5);
}
#endif

/// All that makes a graph what it is, one line per node and one for the outputs: graphs of the same text compute the same
/// with the same parameters, as far as Custom operators say their attributes.
STET_ENTRY std::string describe(const Graph& graph);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string describe(const Graph& graph) {
  std::string text, outputs;
  for (const Node& node : graph.nodes()) {
    std::string from;
    for (const int in : node.inputs) from += (from.empty() ? "" : " ") + graph.node(in).name;
    const std::string more = attributes(node.op);
    text += formatted("{}: {}{}{} ({}) -> {}\n", node.name, kind(node.op), more.empty() ? "" : " ", more, from,
                        node.shape);
  }
  for (const int out : graph.outputs()) outputs += " " + graph.node(out).name;
  return text + "outputs:" + outputs + "\n";
}
#endif

namespace detail {

// A drawing in Graphviz's language: a box per text, an arrow for every use.
struct Box {
  std::string text{};
  bool output = false;
  std::vector<int> from{};
};
inline std::string drawing(const std::vector<Box>& boxes) {
  std::string text = "digraph stet {\n  node [shape=box, fontname=\"Helvetica\"];\n", arrows;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    text += formatted("  n{} [label=\"{}\"{}];\n", i, boxes[i].text, boxes[i].output ? ", peripheries=2" : "");
    for (const int from : boxes[i].from) arrows += formatted("  n{} -> n{};\n", from, i);
  }
  return text + arrows + "}\n";
}
inline std::string title(std::string_view name, const Operator& o) {
  const std::string more = attributes(o);
  return formatted("{}\\n{}{}{}", name, kind(o), more.empty() ? "" : " ", more);
}

}  // namespace detail

/// The graph in Graphviz's language: `dot -Tsvg`.
STET_ENTRY std::string dot(const Graph& graph);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string dot(const Graph& graph) {
  std::vector<detail::Box> boxes;
  for (int id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    boxes.push_back({formatted("{}\\n{}", detail::title(node.name, node.op), node.shape), graph.is_output(id), node.inputs});
  }
  return detail::drawing(boxes);
}
#endif

}  // namespace stet::graph

namespace stet {
using graph::dot;
using graph::table;
}  // namespace stet
