#pragma once
// GraphWriter: the description of an ONNX model while it grows, with unique names, every value in the layouts in which it is
// needed, and the node that is being written.

#include <stet/core/shape.hpp>
#include <stet/graph/graph.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/io/onnx/options.hpp>
#include <stet/io/onnx/schema.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

using Names = std::vector<std::string>;
using AttributeList = std::vector<AttributeInfo>;

/// Where the channels of a value are: last as in stet, or first as ONNX wants them. A value of one dimension has one
/// layout only.
enum class Layout { last, first };

/// Dimensions of a sample in the order of a layout: position i holds dimension order[i].
inline std::vector<int> order_of(Layout layout, int rank) {
  std::vector<int> order;
  if (layout == Layout::first && rank > 0) order.push_back(rank - 1);
  for (int i = 0; i < rank; ++i) {
    if (layout == Layout::last || i < rank - 1) order.push_back(i);
  }
  return order;
}
/// Position, with the batch in front, of a sample's dimension in a layout.
inline std::int64_t position(Layout layout, int rank, int dimension) {
  if (layout == Layout::last) return dimension + 1;
  return dimension == rank - 1 ? 1 : dimension + 2;
}

/// Whether an operator makes each element of the one in its place, wherever that lies: a function of one number.
inline bool keeps_places(const graph::Operator& o) {
  return graph::clamp_of(o) != Activation::none || graph::form(o) == graph::IntegerForm::training || table_of(o);
}

/// Stands beside an operator where its file asks which opset has it: argument-dependent lookup then finds least_opset.
struct OperatorSets {};

/// A node of a float or integer model, with indices of values.
struct Site {
  const std::string& name;
  const graph::Operator& op;
  const std::vector<int>& inputs;
  int output;
};

/// Collects nodes and constants of a graph or an integer model, which must outlive it. Values are the model's, by index;
/// each has a name per layout. What a writer of floats or integers and the functions of operators share.
class GraphWriter {
 public:
  static constexpr Layout first = Layout::first;
  static constexpr Layout last = Layout::last;

  /// `later` says that the codes of the file came behind opset 17.
  GraphWriter(const Graph& graph, OnnxLayout images, std::int64_t batch, bool later)
      : outputs_(graph.outputs()), images_(images), batch_(batch), later_(later) {
    for (int id = 0; id < graph.size(); ++id) {
      const graph::Node& n = graph.node(id);
      values_.push_back({n.name, n.shape});
      add_site({n.name, n.op, n.inputs, id});
    }
  }
  GraphWriter(const IntegerModel& from, OnnxLayout images, std::int64_t batch, bool later)
      : outputs_(from.outputs), images_(images), batch_(batch), later_(later) {
    for (const IntegerValue& v : from.values) values_.push_back({v.name, v.shape});
    for (const IntegerNode& n : from.nodes) add_site({n.name, n.op, n.inputs, n.output});
  }

  ModelInfo model{};

  /// Calls write(operator) for the nodes in their order, then finish(value) for the outputs. The opset is 17, or 21 if an
  /// operator or the file's codes came later.
  void for_each(auto write, auto finish) {
    for (const Site& s : sites_) {
      later_ = later_ || graph::match(s.op, [](const auto& o) {
                 if constexpr (requires { least_opset(o, OperatorSets{}); }) return least_opset(o, OperatorSets{}) > 17;
                 return false;
               });
      if (graph::form(s.op) == graph::IntegerForm::input) unique(value_name(s.output));
    }
    model.opsets = {{"", later_ ? 21 : 17}};
    for (site_ = 0; site_ < sites_.size(); ++site_) {
      if (keeps_places(site().op)) values_[at(output())].flat = flat(input());
      write(site().op);
    }
    for (const int v : outputs_) finish(v);
  }

  // The node that is written, and the model around it.
  [[nodiscard]] std::size_t index() const { return site_; }
  [[nodiscard]] const Site& site() const { return sites_[site_]; }
  [[nodiscard]] const std::vector<Site>& sites() const { return sites_; }
  [[nodiscard]] const std::string& name() const { return site().name; }
  [[nodiscard]] int input(std::size_t i = 0) const { return site().inputs[i]; }
  [[nodiscard]] int output() const { return site().output; }
  [[nodiscard]] const Shape& shape_in() const { return shape(input()); }
  [[nodiscard]] const Shape& shape_out() const { return shape(output()); }
  [[nodiscard]] const Shape& shape(int value) const { return values_[at(value)].shape; }
  [[nodiscard]] const std::string& value_name(int value) const { return values_[at(value)].name; }
  /// Indices of the nodes that read a value.
  [[nodiscard]] const std::vector<std::size_t>& readers(int value) const { return values_[at(value)].readers; }
  [[nodiscard]] bool is_output(int value) const {
    return std::find(outputs_.begin(), outputs_.end(), value) != outputs_.end();
  }
  /// Whether a value of the model has this name.
  [[nodiscard]] bool is_value(const std::string& name) const {
    return std::any_of(values_.begin(), values_.end(), [&](const Value& v) { return v.name == name; });
  }
  /// Of a flattened image whose elements lie channels first: its shape; of all others one of rank 0.
  [[nodiscard]] const Shape& flat(int value) const { return values_[at(value)].flat; }
  void set_flat(const Shape& image) { values_[at(output())].flat = image; }

  /// A name that is used nowhere yet: the wanted one, if it is free.
  std::string unique(const std::string& wanted) { return unique_in(names_, wanted); }

  /// Adds an operator with one output and returns the output's name, which is that of the operator if none is given.
  std::string add(const std::string& op_type, const std::string& name, Names inputs, const std::string& output,
                  AttributeList attributes = {}) {
    std::string made = unique(output);
    model.nodes.push_back(
        {unique_in(node_names_, name), op_type, {}, std::move(inputs), {made}, std::move(attributes)});
    return made;
  }
  std::string add(const std::string& op_type, const std::string& name, Names inputs, AttributeList attributes = {}) {
    return add(op_type, name, std::move(inputs), name, std::move(attributes));
  }

  /// Adds a constant and returns its name: of any dimensions, of one, of none.
  std::string constant(TensorInfo t) {
    t.name = unique(t.name);
    model.initializers.push_back(std::move(t));
    return model.initializers.back().name;
  }
  template <class T>
  std::string constant(const std::string& name, Ints dims, const std::vector<T>& values) {
    return constant(make_tensor(name, std::move(dims), std::span<const T>(values)));
  }
  template <class T>
  std::string list(const std::string& name, std::span<const T> values) {
    return constant(make_tensor(name, {static_cast<std::int64_t>(values.size())}, values));
  }
  template <class T>
  std::string list(const std::string& name, const std::vector<T>& values) {
    return list(name, std::span<const T>(values));
  }
  template <class T>
  std::string scalar(const std::string& name, T value) {
    return constant(make_tensor(name, {}, std::span<const T>(&value, 1)));
  }

  /// The names of a value by layout are exchanged: for those of its codes and of its real numbers, in files that have both.
  using LayoutNames = std::array<std::string, 2>;
  void exchange_names(int value, LayoutNames& names) { std::swap(values_[at(value)].name_in, names); }
  /// Says under which name the output of the node exists in a layout.
  void place(const std::string& name, Layout layout) { place(output(), name, layout); }
  void place(int value, const std::string& name, Layout layout) { name_in(value, layout) = name; }
  [[nodiscard]] bool has(int value, Layout layout) const {
    return !values_[at(value)].name_in[slot(layout, shape(value))].empty();
  }
  /// Layout in which a value exists already; first if in both.
  [[nodiscard]] Layout layout(int value) const { return has(value, first) ? first : last; }
  /// Layout in which a value enters or leaves the file.
  [[nodiscard]] Layout outer_layout(int value) const {
    return images_ == OnnxLayout::nchw && shape(value).rank() == 3 ? first : last;
  }
  /// Name of a value in a layout; a Transpose is added where it does not exist so yet.
  std::string get(int value, Layout layout) {
    if (!has(value, layout)) {
      const Layout other = layout == first ? last : first;
      const std::string from = name_in(value, other);
      const int rank = shape(value).rank();
      Ints perm{0};
      for (const int d : order_of(layout, rank)) perm.push_back(position(other, rank, d));
      name_in(value, layout) =
          add("Transpose", from + (layout == first ? "_nchw" : "_nhwc"), {from}, {attribute("perm", perm)});
    }
    return name_in(value, layout);
  }
  /// The same of all inputs of the node.
  Names get_inputs(Layout layout) {
    Names list;
    for (const int v : site().inputs) list.push_back(get(v, layout));
    return list;
  }

  /// A value as it enters or leaves the file under a name.
  [[nodiscard]] ValueInfo outer(int value, const std::string& name, DataType type = DataType::float32) const {
    ValueInfo v{name, type, true, {batch_ > 0 ? DimensionInfo{batch_, {}} : DimensionInfo{-1, "N"}}};
    const Shape& s = shape(value);
    for (const int d : order_of(outer_layout(value), s.rank())) v.dims.push_back({s[d], {}});
    return v;
  }
  /// Gives a value that an operator makes another name, and whoever had that name a new one.
  void rename(const std::string& from, const std::string& to) {
    if (from == to) return;
    if (!names_.insert(to).second) exchange(to, unique(to + "_inner"));
    exchange(from, to);
  }

 private:
  struct Value {
    std::string name;
    Shape shape;
    Shape flat{};
    std::vector<std::size_t> readers{};
    LayoutNames name_in{};
  };
  void add_site(const Site& s) {
    for (const int v : s.inputs) values_[at(v)].readers.push_back(sites_.size());
    sites_.push_back(s);
  }
  static std::size_t slot(Layout layout, const Shape& shape) { return shape.rank() < 2 || layout == last ? 0 : 1; }
  std::string& name_in(int value, Layout layout) { return values_[at(value)].name_in[slot(layout, shape(value))]; }
  static std::string unique_in(std::set<std::string>& names, const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !names.insert(name).second; ++i) name = formatted("{}_{}", wanted, i);
    return name;
  }
  void exchange(const std::string& from, const std::string& to) {
    const auto in = [&](auto& list) {
      for (std::string& name : list) {
        if (name == from) name = to;
      }
    };
    for (NodeInfo& n : model.nodes) {
      in(n.inputs);
      in(n.outputs);
    }
    for (TensorInfo& t : model.initializers) {
      if (t.name == from) t.name = to;
    }
    for (Value& v : values_) in(v.name_in);
  }

  std::vector<Value> values_{};
  std::vector<Site> sites_{};
  std::vector<int> outputs_;
  OnnxLayout images_;
  std::int64_t batch_;
  bool later_;
  std::size_t site_ = 0;
  std::set<std::string> names_{}, node_names_{};
};

}  // namespace stet::onnx
