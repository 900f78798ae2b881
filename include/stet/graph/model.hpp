#pragma once
// Model: a graph with the values of its parameters and buffers.

#include <stet/core/parameter.hpp>
#include <stet/graph/graph.hpp>
#include <stet/graph/initialize.hpp>
#include <stet/graph/validate.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// A trained tensor of a model and where it belongs.
struct NamedParameter {
  std::string name;  ///< "<node>.<suffix>"
  graph::Role role;
  int node;
  Parameter parameter;
  bool frozen = false;  ///< training leaves it as it is (freeze)
};

/// State of a model that no gradient moves.
struct NamedBuffer {
  std::string name;
  graph::Role role;
  int node;
  Tensor<float> value;
  bool frozen = false;  ///< training leaves it as it is (freeze)
};

/// Graph + named parameters and buffers, in node order. A value: a copy can be trained without changing the original
/// (tensors are shared until one of the two is written).
class Model {
 public:
  /// Initialises as graph::initial_value says; every tensor draws from its own stream of the generator.
  /// Errors:    those of validate
  Model(Graph graph, const Rng& rng) : graph_(std::move(graph)) {
    initialize([&](int, const graph::ParameterSpec& spec, std::uint64_t stream) { return graph::initial_value(spec, rng.split(stream)); });
  }
  /// What a parameter or buffer of a node begins with.
  using ValueOf = std::function<Tensor<float>(int node, const graph::ParameterSpec& spec)>;
  /// The same with values that exist already, and are not made first to be replaced.
  /// Errors:    those of validate; Errc::shape if one has another shape than its parameter
  Model(Graph graph, const ValueOf& value_of) : graph_(std::move(graph)) {
    initialize([&](int node, const graph::ParameterSpec& spec, std::uint64_t) { return value_of(node, spec); });
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] std::vector<NamedParameter>& parameters() { return parameters_; }
  [[nodiscard]] const std::vector<NamedParameter>& parameters() const { return parameters_; }
  [[nodiscard]] std::vector<NamedBuffer>& buffers() { return buffers_; }
  [[nodiscard]] const std::vector<NamedBuffer>& buffers() const { return buffers_; }

  /// Parameter by name, such as "conv2d_1.weight".
  /// Errors:    Errc::range if there is none
  [[nodiscard]] Parameter& parameter(std::string_view name) { return at<Parameter>(*this, name); }
  [[nodiscard]] const Parameter& parameter(std::string_view name) const { return at<const Parameter>(*this, name); }
  /// The same, null if there is none.
  [[nodiscard]] Parameter* find_parameter(std::string_view name) { return lookup<Parameter>(*this, name); }
  [[nodiscard]] const Parameter* find_parameter(std::string_view name) const {
    return lookup<const Parameter>(*this, name);
  }
  /// Parameter of a node by its role, null if there is none.
  [[nodiscard]] Parameter* find_parameter(int node, graph::Role role) { return of_node<Parameter>(parameters_, node, role); }
  [[nodiscard]] const Parameter* find_parameter(int node, graph::Role role) const {
    return of_node<const Parameter>(parameters_, node, role);
  }

  /// Buffer by name, such as "batch_norm_1.mean".
  /// Errors:    Errc::range if there is none
  [[nodiscard]] Tensor<float>& buffer(std::string_view name) { return buffer_at<Tensor<float>>(*this, name); }
  [[nodiscard]] const Tensor<float>& buffer(std::string_view name) const {
    return buffer_at<const Tensor<float>>(*this, name);
  }
  /// The same, null if there is none.
  [[nodiscard]] const Tensor<float>* find_buffer(std::string_view name) const {
    const auto entry = find_entry(graph_, buffers_, name);
    return entry == nullptr ? nullptr : &entry->value;
  }
  /// Buffer of a node by its role, null if there is none.
  [[nodiscard]] Tensor<float>* find_buffer(int node, graph::Role role) {
    for (auto b = first_of(buffers_, node); b != buffers_.end() && b->node == node; ++b) {
      if (b->role == role) return &b->value;
    }
    return nullptr;
  }

  /// Whether freeze() holds what a node has.
  [[nodiscard]] bool frozen(int node) const {
    const auto held = [&](const auto& entries) {
      const auto first = first_of(entries, node);
      return first != entries.end() && first->node == node && first->frozen;
    };
    return held(parameters_) || held(buffers_);
  }

  /// Elements of all parameters.
  [[nodiscard]] std::int64_t parameter_count() const {
    std::int64_t count = 0;
    for (const NamedParameter& p : parameters_) count += p.parameter.value.size();
    return count;
  }

  /// Visits the whole state by name, parameters before buffers: f(name, Tensor<float>&).
  template <class F>
  void fields(F&& f) {
    for (NamedParameter& p : parameters_) f(p.name, p.parameter.value);
    for (NamedBuffer& b : buffers_) f(b.name, b.value);
  }

 private:
  void initialize(const std::function<Tensor<float>(int, const graph::ParameterSpec&, std::uint64_t stream)>& value_of);
  // Entries are in node order.
  template <class Entries>
  static auto first_of(Entries& entries, int node) -> decltype(entries.begin()) {
    return std::lower_bound(entries.begin(), entries.end(), node, [](const auto& e, int n) { return e.node < n; });
  }
  template <class P, class Entries>
  static P* of_node(Entries& entries, int node, graph::Role role) {
    for (auto p = first_of(entries, node); p != entries.end() && p->node == node; ++p) {
      if (p->role == role) return &p->parameter;
    }
    return nullptr;
  }
  // The entry of a name (the graph of a model that was moved from says so), which is "<node>.<suffix>" (both may have dots); null if there is none.
  template <class Entries>
  static auto find_entry(const Graph& graph, Entries& entries, std::string_view name) -> decltype(&entries[0]) {
    for (auto dot = name.rfind('.'); dot != std::string_view::npos && dot > 0; dot = name.rfind('.', dot - 1)) {
      const int node = graph.find(name.substr(0, dot));
      for (auto e = first_of(entries, node); node >= 0 && e != entries.end() && e->node == node; ++e) {
        if (e->name == name) return &*e;
      }
    }
    return nullptr;
  }
  template <class P, class Self>
  static P* lookup(Self& self, std::string_view name) {
    const auto entry = find_entry(self.graph_, self.parameters_, name);
    return entry == nullptr ? nullptr : &entry->parameter;
  }
  template <class P, class Self>
  static P& at(Self& self, std::string_view name) {
    P* parameter = lookup<P>(self, name);
    require(parameter != nullptr, Errc::range, "model: no parameter named '{}'", name);
    return *parameter;
  }
  template <class B, class Self>
  static B& buffer_at(Self& self, std::string_view name) {
    const auto entry = find_entry(self.graph_, self.buffers_, name);
    require(entry != nullptr, Errc::range, "model: no buffer named '{}'", name);
    return entry->value;
  }

  Graph graph_;
  std::vector<NamedParameter> parameters_;
  std::vector<NamedBuffer> buffers_;
};

/// Gives a model the values that another one has under the same names, but for those of one of its own nodes.
/// Errors:    Errc::shape if a value has another shape; what comes before it is copied then
inline void copy_state(const Model& from, Model& to, int skip = -1) {
  const auto copy = [](const std::string& name, const Tensor<float>& value, Tensor<float>& out) {
    require(value.shape() == out.shape(), Errc::shape, "copy_state: {} has shape {} and {}", name, value.shape(), out.shape());
    out = value;
  };
  for (NamedParameter& p : to.parameters()) {
    const Parameter* same = p.node == skip ? nullptr : from.find_parameter(p.name);
    if (same != nullptr) copy(p.name, same->value, p.parameter.value);
  }
  for (NamedBuffer& b : to.buffers()) {
    const Tensor<float>* same = b.node == skip ? nullptr : from.find_buffer(b.name);
    if (same != nullptr) copy(b.name, *same, b.value);
  }
}

#if STET_DEFINE_ENTRIES
STET_ENTRY void Model::initialize(const std::function<Tensor<float>(int, const graph::ParameterSpec&, std::uint64_t)>& value_of) {
  graph::validate(graph_);
  std::uint64_t stream = 0;
  for (int id = 0; id < graph_.size(); ++id) {
    const auto specs = graph_.parameter_specs(id);
    for (const graph::ParameterSpec& spec : specs) {
      std::string name = graph_.node(id).name + "." + spec.suffix;
      Tensor<float> value = value_of(id, spec, stream++);
      require(value.shape() == spec.shape, Errc::shape, "model: {} has shape {}, wants {}", name, value.shape(), spec.shape);
      if (graph::is_buffer(spec.role)) {
        buffers_.push_back({std::move(name), spec.role, id, std::move(value), false});
      } else {
        parameters_.push_back({std::move(name), spec.role, id, {std::move(value)}, false});
      }
    }
  }
}
#endif

}  // namespace stet
