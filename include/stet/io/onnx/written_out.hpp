#pragma once
// Functions that exporters for old opsets write out as several nodes, hard swish and GELU: read as what they are, because
// integers have a form of the whole and none of some parts.

#include <stet/io/onnx/importer.hpp>

#include <cmath>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet::onnx {

namespace detail {

enum class Part { add, times, clip_0_6, erf, argument };
/// One node of a function of x: it adds or multiplies by a constant, or multiplies by x.
struct Step {
  Part part;
  double number = 0.0;
};

inline std::optional<double> one_number(const Importer& g, const std::string& name) {
  const auto found = g.constants.find(name);
  if (found == g.constants.end() || !found->second.real || found->second.reals.size() != 1) return std::nullopt;
  return static_cast<double>(found->second.reals[0]);
}
inline std::optional<double> bound(const Importer& g, const NodeInfo& n, std::size_t input, const char* attribute) {
  if (input < n.inputs.size() && !n.inputs[input].empty()) return one_number(g, n.inputs[input]);
  for (const AttributeInfo& a : n.attributes) {
    if (a.name == attribute && a.type == AttributeType::real) return static_cast<double>(a.real);
  }
  return std::nullopt;
}
inline bool near(std::optional<double> a, double b) { return a && std::abs(*a - b) <= 1e-5 * std::abs(b); }

// Whether a node that reads v does this step of a function of x.
inline bool does(const Importer& g, const NodeInfo& n, const std::string& v, const std::string& x, const Step& s) {
  if (!is_standard(n) || n.inputs.empty() || n.outputs.empty()) return false;
  const bool two = n.inputs.size() == 2, first = n.inputs[0] == v;
  const std::string& other = two ? n.inputs[first ? 1 : 0] : n.inputs[0];
  switch (s.part) {
    case Part::add:
      return n.op_type == "Add" && two && near(one_number(g, other), s.number);
    case Part::times:
      return two && ((n.op_type == "Mul" && near(one_number(g, other), s.number)) ||
                     (n.op_type == "Div" && first && near(one_number(g, other), 1.0 / s.number)));
    case Part::clip_0_6:
      return n.op_type == "Clip" && first && bound(g, n, 1, "min") == 0.0 && bound(g, n, 2, "max") == 6.0;
    case Part::erf:
      return n.op_type == "Erf" && first;
    case Part::argument:
      return n.op_type == "Mul" && two && other == x;
  }
  return false;
}
// The nodes of a function that begins with `first`, which reads x; empty if it is another.
inline std::vector<const NodeInfo*> follow(const Importer& g, const NodeInfo& first, const std::string& x,
                                           std::span<const Step> steps) {
  std::vector<const NodeInfo*> nodes;
  const NodeInfo* node = &first;
  std::string value = x;
  for (const Step& s : steps) {
    if (node == nullptr || !does(g, *node, value, x, s)) return {};
    nodes.push_back(node);
    value = node->outputs[0];
    node = g.read_once(value) ? g.readers(value)[0] : nullptr;
  }
  return nodes;
}

// A node of this kind that reads a value, with its constant; null if there is none.
inline const NodeInfo* reader_with_number(const Importer& g, const std::string& value, std::string_view op_type, double number) {
  for (const NodeInfo* n : g.readers(value)) {
    if (is_standard(*n) && n->op_type == op_type && n->inputs.size() == 2 && n->outputs.size() == 1 && n->inputs[0] == value && near(one_number(g, n->inputs[1]), number)) return n;
  }
  return nullptr;
}

// PyTorch's softplus is its argument behind a threshold: Where(u > t, x, Softplus(u)/beta) with u = beta x. From 17 on both are the same float32.
inline bool read_softplus_choice(Importer& g, const NodeInfo& greater) {
  if (greater.op_type != "Greater" || greater.inputs.size() != 2 || greater.outputs.size() != 1 || !g.read_once(greater.outputs[0])) return false;
  const std::string& u = greater.inputs[0];
  const std::optional<double> threshold = one_number(g, greater.inputs[1]);
  const NodeInfo& where = *g.readers(greater.outputs[0])[0];
  if (!threshold || *threshold < 17.0 || !is_standard(where) || where.op_type != "Where" || where.inputs.size() != 3 || where.inputs[0] != greater.outputs[0]) return false;
  const std::string &x = where.inputs[1], &y = where.inputs[2];
  bool same = false;
  for (const NodeInfo* softplus : g.readers(u)) {
    if (!is_standard(*softplus) || softplus->op_type != "Softplus" || softplus->outputs.size() != 1) continue;
    const std::string& made = softplus->outputs[0];
    same = same || (made == y && x == u);
    for (const NodeInfo* scaled : g.readers(x)) {  // by beta, and back
      if (!is_standard(*scaled) || scaled->op_type != "Mul" || scaled->inputs.size() != 2 || scaled->inputs[0] != x || scaled->outputs[0] != u) continue;
      const std::optional<double> beta = one_number(g, scaled->inputs[1]);
      const NodeInfo* back = beta && *beta > 0.0 ? reader_with_number(g, made, "Div", *beta) : nullptr;
      same = same || (back != nullptr && back->outputs[0] == y);
    }
  }
  const auto found = g.values.find(y);
  if (!same || found == g.values.end() || g.values.contains(where.outputs[0])) return false;
  g.done.insert(&where);
  g.node = &where;
  g.give(Arrangement(found->second));
  return true;
}

}  // namespace detail

/// Reads a function that begins with this node, if it is one that is known; the other nodes are done then.
inline bool read_written_out(Importer& g, const NodeInfo& first) {
  using detail::Part;
  static constexpr detail::Step hard_swish_1[] = {
      {Part::add, 3.0}, {Part::clip_0_6}, {Part::argument}, {Part::times, 1.0 / 6.0}};
  static constexpr detail::Step hard_swish_2[] = {
      {Part::add, 3.0}, {Part::clip_0_6}, {Part::times, 1.0 / 6.0}, {Part::argument}};
  static constexpr double root = 0.70710678118654752;
  static constexpr detail::Step gelu_1[] = {
      {Part::times, root}, {Part::erf}, {Part::add, 1.0}, {Part::argument}, {Part::times, 0.5}};
  static constexpr detail::Step gelu_2[] = {
      {Part::times, root}, {Part::erf}, {Part::add, 1.0}, {Part::times, 0.5}, {Part::argument}};
  if (detail::read_softplus_choice(g, first)) return true;
  if (first.op_type != "Add" && first.op_type != "Mul" && first.op_type != "Div") return false;
  const struct {
    std::span<const detail::Step> steps;
    graph::Operator op;
  } functions[] = {{hard_swish_1, graph::op::HardSwish{}},
                   {hard_swish_2, graph::op::HardSwish{}},
                   {gelu_1, graph::op::Gelu{}},
                   {gelu_2, graph::op::Gelu{}}};
  for (const std::string& x : first.inputs) {
    const auto value = g.values.find(x);
    if (value == g.values.end() || value->second.node < 0) continue;
    for (const auto& f : functions) {
      const std::vector<const NodeInfo*> nodes = detail::follow(g, first, x, f.steps);
      if (nodes.empty() || g.values.contains(nodes.back()->outputs[0])) continue;
      for (const NodeInfo* n : nodes) g.done.insert(n);
      g.node = nodes.back();
      Arrangement y = value->second;
      y.node = g.add(f.op, {y.node});
      y.name.clear();
      g.give(std::move(y));
      return true;
    }
  }
  return false;
}

}  // namespace stet::onnx
