#pragma once
// Importer: what is known of an ONNX graph while it becomes a stet graph, for the functions that read one operator each.

#include <stet/graph/graph.hpp>
#include <stet/io/budget.hpp>
#include <stet/io/channel_line.hpp>
#include <stet/io/onnx/arrangement.hpp>
#include <stet/io/onnx/attributes.hpp>
#include <stet/io/onnx/batch_view.hpp>
#include <stet/io/onnx/codes_of_file.hpp>
#include <stet/io/onnx/constant.hpp>
#include <stet/io/onnx/schema.hpp>
#include <stet/io/shared_constants.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// A parameter or buffer that gets its value once the model exists.
struct Assignment {
  int node;
  graph::Role role;
  std::vector<float> values;
};

/// A layer whose affine result a value is, and the value's dimension that is the layer's channels (without the batch), -1
/// where there is none: then only one number for all can be taken in.
struct OpenLayer {
  int node = -1;
  int channel = -1;
};

/// Bias of a layer and the initializer that it comes from; no values: none.
struct Bias {
  std::vector<float> values{};
  std::string source{};
};

/// Whether a node is one of ONNX itself: operators of others may have the same names.
inline bool is_standard(const NodeInfo& n) { return n.domain.empty() || n.domain == "ai.onnx"; }

/// The graph under construction and the values that exist.
class Importer {
 public:
  /// `outputs` are the values that the model ends at; `of_codes` is whether the file is one of integers. Initializers of
  /// others lose their data on the way to constants: a large model is in memory once.
  Importer(ModelInfo& model, const std::string& name, const std::vector<std::string>& outputs, bool of_codes = false)
      : budget(name, content(model), of_codes ? 12 : 4, std::size_t{4} << 20), outputs_(outputs.begin(), outputs.end()) {
    if (of_codes) codes.emplace().note(model);
    for (const OpsetInfo& o : model.opsets) {
      if (o.domain.empty() || o.domain == "ai.onnx") opset = o.version;
    }
    for (const NodeInfo& n : model.nodes) {
      for (const std::string& in : n.inputs) readers_[in].push_back(&n);
    }
    for (TensorInfo& t : model.initializers) {
      constants[t.name] = make_constant(t);
      note_type(t.type);
      if (!of_codes) std::vector<std::uint8_t>().swap(t.data);  // an assignment would keep the memory
    }
  }

  /// Bytes of a file's constants.
  static std::size_t content(const ModelInfo& model) {
    std::size_t bytes = 0;
    for (const TensorInfo& t : model.initializers) bytes += t.data.size();
    for (const NodeInfo& n : model.nodes) {
      for (const AttributeInfo& a : n.attributes) bytes += a.tensor ? a.tensor->data.size() : 0;
    }
    return bytes;
  }
  /// What constants and parameters may take that are made of the file's.
  Budget budget;
  Graph graph{};
  std::map<std::string, Constant> constants{};
  std::map<std::string, Arrangement> values{};
  std::map<std::string, BatchView> views{};  ///< values whose samples do not lie apart in front
  std::vector<Assignment> assignments{};
  ConstantUses uses{};
  std::map<std::string, OpenLayer> open{};  ///< values that a constant factor or summand may still be put into
  std::map<int, ChannelLine> lines{};       ///< what is put into layers, and batch norms, behind their own constants
  std::vector<std::pair<int, graph::Role>> fixed{};  ///< parameters that training leaves as they are
  std::vector<std::string> training{};      ///< nodes that the file runs as in training
  std::set<DataType> converted{};           ///< floating-point types of the file that became float32
  std::set<const NodeInfo*> done{};         ///< nodes that another one has taken in
  std::optional<CodesOfFile> codes{};       ///< of a file of integers
  const NodeInfo* node = nullptr;           ///< the one that is read
  std::vector<std::string> given{};         ///< the values that were made last
  std::int64_t opset = 0;
  std::int64_t batch = -1;  ///< number of samples that the file insists on; -1 if it is open
  Arranger arranger{graph};

  /// Gives back the numbers of large constants that no node behind this one reads. Layers have theirs.
  void forget_read(const NodeInfo& last) {
    if (codes) return;
    for (const std::string& in : last.inputs) {
      const auto found = constants.find(in);
      if (found == constants.end() || found->second.size() < 1024 || readers_[in].back() != &last || is_output(in)) continue;
      found->second = {.name = found->second.name, .dims = found->second.dims, .real = found->second.real, .known = false};
    }
  }
  /// Takes note of a type that numbers have in the file.
  void note_type(DataType type) {
    if (is_real(type) && type != DataType::float32) converted.insert(type);
  }
  /// Name of the node that is read, or of its output.
  [[nodiscard]] const std::string& label() const { return node->name.empty() ? node->outputs[0] : node->name; }
  [[nodiscard]] bool has_input(std::size_t i) const { return i < node->inputs.size() && !node->inputs[i].empty(); }
  [[nodiscard]] const std::string& input_name(std::size_t i) const {
    require(has_input(i), Errc::unsupported, "input {} is missing", i);
    return node->inputs[i];
  }
  [[nodiscard]] bool is_constant(std::size_t i = 0) const {
    return has_input(i) && constants.contains(node->inputs[i]);
  }
  /// An input that depends on the model's input.
  [[nodiscard]] const Arrangement& value(std::size_t i = 0) const {
    const auto found = values.find(input_name(i));
    require(found != values.end(), Errc::unsupported,
            "input {} ('{}') is a constant; only values that are computed are understood here", i, input_name(i));
    return found->second;
  }
  /// An input that is known.
  [[nodiscard]] const Constant& constant(std::size_t i, const char* what) const {
    const auto found = constants.find(input_name(i));
    require(found != constants.end(), Errc::unsupported, "{} ('{}') is computed; only a constant is understood", what,
            input_name(i));
    return found->second;
  }
  [[nodiscard]] const Constant& reals(std::size_t i, const char* what) const {
    const Constant& c = constant(i, what);
    require(c.known && c.real, Errc::unsupported,
            "{} ('{}') is not of a floating-point type; only float models are loaded", what, input_name(i));
    return c;
  }
  [[nodiscard]] const Constant& integers(std::size_t i, const char* what) const {
    const Constant& c = constant(i, what);
    require(c.known && !c.real, Errc::unsupported, "{} ('{}') holds no whole numbers", what, input_name(i));
    return c;
  }
  /// The same, one number; `otherwise` if there is none.
  [[nodiscard]] float one_real(std::size_t i, const char* what, float otherwise) const {
    return has_input(i) ? one(reals(i, what).reals, what) : otherwise;
  }
  [[nodiscard]] std::int64_t one_integer(std::size_t i, const char* what, std::int64_t otherwise) const {
    return has_input(i) ? one(integers(i, what).integers, what) : otherwise;
  }
  /// The same, a list such as a shape or axes, of which there are few.
  [[nodiscard]] Ints few_integers(std::size_t i, const char* what) const {
    const Ints& list = integers(i, what).integers;
    require(list.size() <= most_dimensions, Errc::unsupported, "{} ('{}') has {} numbers", what, input_name(i),
            list.size());
    return list;
  }
  /// Axes from an attribute, or from the second input since opset 13.
  [[nodiscard]] Ints axes(Attributes& a) const {
    const Ints list = has_input(1) ? few_integers(1, "axes") : a.integers("axes");
    require(list.size() <= most_dimensions, Errc::unsupported, "attribute axes has {} numbers", list.size());
    return list;
  }

  /// Name for a stet node: of its weight if that is called <name>.weight, else of the ONNX node, else of its output.
  [[nodiscard]] std::string name_for(const std::string& weight = {}) const {
    constexpr std::string_view suffix = ".weight";
    if (weight.size() > suffix.size() && weight.ends_with(suffix)) {
      return arranger.free_name(weight.substr(0, weight.size() - suffix.size()));
    }
    return arranger.free_name(label());
  }
  /// Adds a stet node for the ONNX node that is read.
  int add(graph::Operator op, std::vector<int> inputs, const std::string& weight = {}) {
    return graph.add(std::move(op), std::move(inputs), name_for(weight)).id();
  }
  /// Errors:    Errc::unsupported if a value has very many dimensions
  void give(const std::string& output, Arrangement a) {
    require(a.dims.size() <= most_dimensions, Errc::unsupported, "makes {} dimensions", a.dims.size());
    values[output] = std::move(a);
    given.push_back(output);
  }
  void give(Arrangement a) { give(node->outputs[0], std::move(a)); }
  /// A value whose dimensions are those of a new stet node, in this order.
  void give(int id, Ints dims, const std::vector<int>& order) { give(Arranger::make(id, std::move(dims), order)); }
  /// An image, or a line that is one of height 1.
  void give_image(const std::string& output, int id, bool line = false) {
    const Shape& y = graph.node(id).shape;
    if (line) return give(output, {id, {y[2], y[1]}, {2, 1}, {}});
    give(output, Arranger::make(id, {y[2], y[0], y[1]}, usual_order(3)));
  }
  void give_image(int id, bool line = false) { give_image(node->outputs[0], id, line); }
  /// The output of an operator that keeps the shape and does not care about the order of elements.
  void give_same(graph::Operator op) {
    Arrangement y = value();
    y.node = add(std::move(op), {y.node});
    y.name.clear();
    give(std::move(y));
  }
  /// Errors:    Errc::unsupported if a constant has very many dimensions; the budget's
  void give(Constant c) {
    require(c.dims.size() <= most_dimensions, Errc::unsupported, "makes {} dimensions", c.dims.size());
    take(c);
    constants[node->outputs[0]] = std::move(c);
  }
  /// Counts a constant as large as this one, before it is made.
  void take(const Constant& c) { budget.take(c.size() * (c.real ? sizeof(float) : sizeof(std::int64_t))); }
  /// Number of samples that the file counts with; where it leaves it open, one that no dimension has.
  [[nodiscard]] std::int64_t samples() const { return batch > 0 && batch < 1'000'000 ? batch : 1'000'003; }
  /// An input that depends on the model's input, wherever its samples lie.
  [[nodiscard]] BatchView view(std::size_t i = 0) {
    if (const auto found = views.find(input_name(i)); found != views.end()) return found->second;
    const Arrangement x = arranger.ordered(value(i));
    return batch_view(x, graph.node(x.node).shape, samples());
  }
  /// The same as an output; a value of the usual kind where its samples lie apart in front.
  void give_view(const std::string& output, BatchView v) {
    if (!v.regular()) {
      views[output] = std::move(v);
      return;
    }
    const Ints dims = v.sample_dims();
    give(output, Arranger::make(sample_of(arranger, v, dims), dims, natural_order(dims.size())));
  }
  /// Gives a parameter or buffer of a node the values of an initializer, or what was made of them.
  void assign(int id, graph::Role role, std::vector<float> v, const std::string& source) {
    uses.add(source, id, role, v);
    if (codes) codes->source[{id, role}] = source;
    assign_made(id, role, std::move(v));
  }
  /// The same with values that are no constant of the file.
  void assign_made(int id, graph::Role role, std::vector<float> v) {
    budget.take(v.size() * sizeof(float));
    assigned_[{id, role}] = assignments.size();
    assignments.push_back({id, role, std::move(v)});
  }
  /// The same of so many equal values, which training leaves as they are.
  std::vector<float>& assign_fixed(int id, graph::Role role, std::int64_t count, float value) {
    budget.take(at(count) * sizeof(float));
    fixed.push_back({id, role});
    assigned_[{id, role}] = assignments.size();
    assignments.push_back({id, role, std::vector<float>(at(count), value)});
    return assignments.back().values;
  }
  /// What a parameter or buffer of a node gets; null if nothing does.
  [[nodiscard]] std::vector<float>* assigned(int id, graph::Role role) {
    const auto found = assigned_.find({id, role});
    return found == assigned_.end() ? nullptr : &assignments[found->second].values;
  }

  /// The nodes that read a value, once for each time that they name it.
  [[nodiscard]] std::vector<const NodeInfo*> readers(const std::string& name) const {
    const auto found = readers_.find(name);
    return found == readers_.end() ? std::vector<const NodeInfo*>() : found->second;
  }
  [[nodiscard]] bool is_output(const std::string& name) const { return outputs_.contains(name); }
  /// Whether one node reads a value, once, and it is no output.
  [[nodiscard]] bool read_once(const std::string& name) const {
    const auto found = readers_.find(name);
    return found != readers_.end() && found->second.size() == 1 && !is_output(name);
  }

  /// An image as stet wants it: a node of shape [H,W,C]. A line [C,L] is one of height 1.
  int image(const Arrangement& a) {
    require(a.dims.size() == 3 || a.dims.size() == 2, Errc::unsupported,
            "input has {} dimensions besides the batch; only images [N,C,H,W] and lines [N,C,L] are understood",
            a.dims.size());
    if (a.dims.size() == 3) return arranger.arrange(a, usual_order(3));
    return arranger.arrange({a.node, {a.dims[0], 1, a.dims[1]}, {a.axis[0], -1, a.axis[1]}, a.name}, usual_order(3));
  }
  /// The bias that an Add behind this node adds, one per channel, as a Linear or convolution without bias can take in.
  /// `channel` counts from the back among the dimensions of the constant. Empty if there is none.
  Bias bias_behind(std::int64_t channels, std::size_t channel_from_back, std::string& output) {
    const std::vector<const NodeInfo*> list = readers(node->outputs[0]);
    if (list.size() != 1 || is_output(node->outputs[0])) return {};
    const NodeInfo* add = list[0];
    if (add->op_type != "Add" || !add->domain.empty() || add->inputs.size() != 2) return {};
    const auto found = constants.find(add->inputs[add->inputs[0] == node->outputs[0] ? 1 : 0]);
    if (found == constants.end() || !found->second.real) return {};
    const Constant& c = found->second;
    for (std::size_t i = 0; i < c.dims.size(); ++i) {
      const bool is_channel = c.dims.size() - 1 - i == channel_from_back;
      if (c.dims[i] != (is_channel ? channels : 1)) return {};
    }
    if (c.dims.size() <= channel_from_back || add->outputs.empty()) return {};
    done.insert(add);
    output = add->outputs[0];
    return {c.reals, c.name};
  }

 private:
  static constexpr std::size_t most_dimensions = 64;

  template <class T>
  static T one(const std::vector<T>& list, const char* what) {
    require(list.size() == 1, Errc::unsupported, "{} must be one number", what);
    return list[0];
  }
  std::map<std::string, std::vector<const NodeInfo*>> readers_;
  std::set<std::string> outputs_;
  std::map<std::pair<int, graph::Role>, std::size_t> assigned_;
};

/// An axis that may count from the back, as one of 0 .. rank-1.
/// Errors:    Errc::unsupported if it does not exist
inline std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto n = static_cast<std::int64_t>(rank);
  require(axis >= -n && axis < n, Errc::unsupported, "axis {} does not exist among {} dimensions", axis, rank);
  return at(axis < 0 ? axis + n : axis);
}
/// The same, without the batch, of a value with `rank` dimensions besides the batch.
/// Errors:    Errc::unsupported if it is the batch
inline int sample_axis(std::int64_t axis, std::size_t rank) {
  const std::size_t a = axis_of(axis, rank + 1);
  require(a > 0, Errc::unsupported, "axis {} is the batch, over which stet does not compute", axis);
  return static_cast<int>(a) - 1;
}

/// Elements of these dimensions.
/// Errors:    Errc::unsupported if one is not positive, or they are very many
inline std::int64_t product(const Ints& dims) {
  std::int64_t total = 1;
  for (const std::int64_t d : dims) {
    require(d > 0 && total <= (std::int64_t{1} << 48) / d, Errc::unsupported, "a dimension is {}", d);
    total *= d;
  }
  return total;
}

/// How one operator of ONNX is read. Each family of operators has a table of them.
struct OperatorReader {
  std::string_view op_type;
  void (*read)(Importer&, Attributes&);
  bool takes_views = false;  ///< whether it reads values whose samples do not lie apart in front (Importer::view)
};

}  // namespace stet::onnx
