#pragma once
// Graph: a model as data. Nodes with attributes and one value each, in an order in which they can run.

#include <stet/graph/match.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::graph {

/// One operator and the value it makes. Inputs are ids of earlier nodes; the value of node i is value i.
struct Node {
  std::string name;
  Operator op;
  std::vector<int> inputs;
  Shape shape;  ///< of the value, without the batch
};

class Value;

namespace detail {

// What a Graph owns on the heap, so that Values survive when the Graph moves.
struct State {
  std::vector<Node> nodes;
  std::vector<int> outputs;
  std::vector<std::pair<std::string, int>> counters;  // default names given so far, per kind
  std::map<std::string, int, std::less<>> ids;        // of nodes by name
  std::vector<std::vector<int>> readers;              // per node, who reads its value, ascending
  std::vector<bool> is_output;                        // per node

  [[nodiscard]] int position(std::string_view name) const {
    const auto found = ids.find(name);
    return found == ids.end() ? -1 : found->second;
  }
  void check_name(const std::string& name) const {
    bool good = !name.empty();
    for (const char c : name) {
      good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '.' || c == '/' || c == '-');
    }
    require(good, Errc::range, "graph: '{}' is no node name; use letters, digits and _ . / -", name);
    require(position(name) < 0, Errc::state, "graph: two nodes named '{}'; names must be unique", name);
  }
  // kind_1, kind_2, ...: the number counts the unnamed nodes of a kind and passes over names that a user has taken.
  std::string default_name(std::string_view kind) {
    std::pair<std::string, int>* counter = nullptr;
    for (auto& c : counters) {
      if (c.first == kind) counter = &c;
    }
    if (counter == nullptr) counter = &counters.emplace_back(std::string(kind), 0);
    std::string name;
    do {
      name = formatted("{}_{}", counter->first, ++counter->second);
    } while (position(name) >= 0);
    return name;
  }
};

}  // namespace detail

/// Handle of a node's value while a graph is built. Stays valid when the Graph is moved, not when it is destroyed.
class Value {
 public:
  /// Renames the node that makes this value.
  /// Errors:    Errc::state if another node has the name; Errc::range if it has characters other than letters,
  ///            digits and _ . / -
  Value named(std::string name) const {
    if (name != node().name) {
      state_->check_name(name);
      state_->ids.erase(node().name);
      state_->ids.emplace(name, id_);
      state_->nodes[static_cast<std::size_t>(id_)].name = std::move(name);
    }
    return *this;
  }
  [[nodiscard]] int id() const { return id_; }
  [[nodiscard]] const Node& node() const { return state_->nodes[static_cast<std::size_t>(id_)]; }
  [[nodiscard]] std::string name() const { return node().name; }
  /// Shape without the batch.
  [[nodiscard]] Shape shape() const { return node().shape; }  // a copy: nodes move when the graph grows

 private:
  friend class Graph;
  friend Value append(Operator op, std::span<const Value> inputs);
  Value(detail::State* state, int id) : state_(state), id_(id) {}

  detail::State* state_;
  int id_;
};

/// Nodes in the order in which they were added. A node's inputs exist before it, so there are no cycles.
class Graph {
 public:
  Graph() : state_(std::make_unique<detail::State>()) {}
  Graph(const Graph& other) : state_(std::make_unique<detail::State>(other.state())) {}
  Graph(Graph&&) noexcept = default;
  Graph& operator=(Graph other) noexcept {
    state_ = std::move(other.state_);
    return *this;
  }
  ~Graph() = default;

  /// Adds an input; its shape is without the batch.
  Value input(const Shape& shape) { return add(op::Input{shape}, {}); }

  /// Adds a node; without a name it is called kind_1, kind_2, ... by its kind.
  /// Errors:    Errc::shape if an input does not exist; the errors of infer, naming the node; Errc::state for a name
  ///            that is taken
  Value add(Operator op, std::vector<int> inputs, std::string name = {}) {
    return insert(state(), std::move(op), std::move(inputs), std::move(name));
  }

  /// Marks a value as an output; outputs keep the order of these calls.
  /// Errors:    Errc::state if the value belongs to another graph or is an output already
  void output(const Value& value) {
    require(value.state_ == &state(), Errc::state, "graph: output '{}' belongs to another graph", value.name());
    output(value.id());
  }
  void output(int id) {
    require(!is_output(id), Errc::state, "graph: '{}' is an output already", node(id).name);
    state().outputs.push_back(id);
    state().is_output[static_cast<std::size_t>(id)] = true;
  }

  /// Exchanges the operator of a node for one with the same output shape.
  /// Errors:    those of infer; Errc::shape if the output shape would change
  void replace(int id, Operator op) {
    check_id(id);
    Node& old = state().nodes[static_cast<std::size_t>(id)];
    const Shape shape = checked_infer(op, input_shapes(id), old.name);
    require(shape == old.shape, Errc::shape, "{}: the replacement changes the shape from {} to {}", old.name, old.shape,
            shape);
    old.op = std::move(op);
  }

  [[nodiscard]] const std::vector<Node>& nodes() const { return state().nodes; }
  [[nodiscard]] int size() const { return static_cast<int>(nodes().size()); }
  [[nodiscard]] const Node& node(int id) const {
    check_id(id);
    return nodes()[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] Value value(int id) {
    check_id(id);
    return Value(state_.get(), id);
  }
  /// Ids of the input nodes.
  [[nodiscard]] std::vector<int> inputs() const {
    std::vector<int> ids;
    for (int i = 0; i < size(); ++i) {
      if (is<op::Input>(node(i).op)) ids.push_back(i);
    }
    return ids;
  }
  [[nodiscard]] const std::vector<int>& outputs() const { return state().outputs; }
  [[nodiscard]] bool is_output(int id) const {
    check_id(id);
    return state().is_output[static_cast<std::size_t>(id)];
  }
  /// Ids of the nodes that read a value, ascending; a node that reads it twice is named once.
  [[nodiscard]] const std::vector<int>& consumers(int id) const {
    check_id(id);
    return state().readers[static_cast<std::size_t>(id)];
  }
  /// Id of the node of this name, -1 if there is none.
  [[nodiscard]] int find(std::string_view name) const { return state().position(name); }
  /// Shapes of a node's inputs, without the batch.
  [[nodiscard]] std::vector<Shape> input_shapes(int id) const {
    std::vector<Shape> shapes;
    for (const int from : node(id).inputs) shapes.push_back(nodes()[static_cast<std::size_t>(from)].shape);
    return shapes;
  }
  /// Parameters and buffers that a node owns.
  [[nodiscard]] std::vector<ParameterSpec> parameter_specs(int id) const {
    return parameters(node(id).op, input_shapes(id));
  }

 private:
  friend Value append(Operator op, std::span<const Value> inputs);

  static Value insert(detail::State& state, Operator op, std::vector<int> inputs, std::string name);
  // infer, with the node's name in front of its error instead of the kind.
  static Shape checked_infer(const Operator& op, const std::vector<Shape>& inputs, const std::string& name) {
    try {
      return infer(op, inputs);
    } catch (const Error& e) {
      std::string_view text = e.what();
      const std::string prefix = std::string(kind(op)) + ": ";
      if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
      throw Error(e.code(), name + ": " + std::string(text));
    }
  }
  void check_id(int id) const {
    require(id >= 0 && id < size(), Errc::range, "graph: node {} does not exist; the graph has {}", id, size());
  }
  [[nodiscard]] detail::State& state() const {
    require(state_ != nullptr, Errc::state, "graph: used after it was moved from");
    return *state_;
  }

  std::unique_ptr<detail::State> state_;
};

#if STET_DEFINE_ENTRIES
STET_ENTRY Value Graph::insert(detail::State& state, Operator op, std::vector<int> inputs, std::string name) {
  if (name.empty()) {
    name = state.default_name(kind(op));
  } else {
    state.check_name(name);
  }
  std::vector<Shape> shapes;
  for (const int from : inputs) {
    require(from >= 0 && from < static_cast<int>(state.nodes.size()), Errc::shape,
            "{}: input {} does not exist; the graph has {} nodes", name, from, state.nodes.size());
    shapes.push_back(state.nodes[static_cast<std::size_t>(from)].shape);
  }
  const Shape shape = checked_infer(op, shapes, name);
  const auto id = static_cast<int>(state.nodes.size());
  for (const int from : inputs) {
    std::vector<int>& readers = state.readers[static_cast<std::size_t>(from)];
    if (readers.empty() || readers.back() != id) readers.push_back(id);
  }
  state.readers.emplace_back();
  state.is_output.push_back(false);
  state.ids.emplace(name, id);
  state.nodes.push_back({std::move(name), std::move(op), std::move(inputs), shape});
  return Value(&state, id);
}
#endif

/// Adds a node behind values of one graph: what the builder functions call, and the door for Custom operators.
/// Errors:    Errc::state if the values belong to different graphs; those of Graph::add
STET_ENTRY Value append(Operator op, std::span<const Value> inputs);
#if STET_DEFINE_ENTRIES
STET_ENTRY Value append(Operator op, std::span<const Value> inputs) {
  require(!inputs.empty(), Errc::shape, "{}: wants at least one input", kind(op));
  std::vector<int> ids;
  for (const Value& v : inputs) {
    require(v.state_ == inputs[0].state_, Errc::state, "{}: inputs '{}' and '{}' belong to different graphs", kind(op),
            inputs[0].name(), v.name());
    ids.push_back(v.id());
  }
  return Graph::insert(*inputs[0].state_, std::move(op), std::move(ids), {});
}
#endif

inline Value append(Operator op, std::initializer_list<Value> inputs) {
  return append(std::move(op), std::span<const Value>(inputs.begin(), inputs.size()));
}

/// Axes that count without the batch, from the back if negative, counted from the front.
inline int axis_from_front(int axis, const Value& x) { return axis < 0 ? axis + x.shape().rank() : axis; }
inline std::vector<int> axes_from_front(std::vector<int> axes, const Value& x) {
  for (int& axis : axes) axis = axis_from_front(axis, x);
  return axes;
}

}  // namespace stet::graph

namespace stet {
using graph::Graph;
}  // namespace stet
