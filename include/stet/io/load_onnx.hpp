#pragma once
// load_onnx: float .onnx models as models of stet, to be trained on.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/file.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/external_data.hpp>
#include <stet/io/shared_constants.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/graph/unit_layers.hpp>
#include <stet/operators/onnx.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>
#endif

namespace stet {

#if STET_DEFINE_ENTRIES

namespace onnx::detail {

// Reads a whole graph; problems are collected and thrown together.
class GraphReader {
 public:
  GraphReader(const ModelInfo& model, const std::string& name, const ImportOptions& options)
      : model_(model), name_(name), options_(options), importer_(model, "load_onnx: " + name) {}

  Model run() {
    require(model_.nodes.size() <= most_operators && model_.inputs.size() <= most_operators &&
                model_.outputs.size() <= most_operators,
            Errc::unsupported, "load_onnx: {}: {} nodes, {} inputs and {} outputs; at most {} of each are read", name_,
            model_.nodes.size(), model_.inputs.size(), model_.outputs.size(), most_operators);
    require_tensors();
    const std::vector<bool> needed = needed_nodes();
    for (const ValueInfo& v : model_.inputs) {
      if (!importer_.constants.contains(v.name)) attempt("input '" + v.name + "'", [&] { read_input(v); });
    }
    // Constants first: a layer looks for the bias that an Add behind it adds.
    for (const bool constants : {true, false}) {
      for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
        const bool wanted = needed[i] && (model_.nodes[i].op_type == "Constant") == constants;
        if (wanted && problem_count_ < most_problems && !importer_.done.contains(&model_.nodes[i])) read_node(model_.nodes[i]);
      }
    }
    for (const ValueInfo& v : model_.outputs) {
      if (!unknown_.contains(v.name)) attempt("output '" + v.name + "'", [&] { write_output(v.name); });
    }
    require(problems_.empty(), Errc::unsupported, "load_onnx: {}: not understood:{}", name_, problems_);
    importer_.uses.settle(importer_.graph, options_, "load_onnx: " + name_);
    warn_of_training();
    warn_of_types();
    settle_lines(importer_);
    give_layers();
    Model model(std::move(importer_.graph), Rng(0));
    for (const Assignment& a : importer_.assignments) assign(model, a);
    return model;
  }

 private:
  void require_tensors() const {
    detail::each_tensor(model_, [&](const TensorInfo& t) {
      if (t.where != DataLocation::external) return;
      const std::string file = external_entry(t, "location").substr(0, 200);
      fail(Errc::unsupported,
           "load_onnx: {}: tensor '{}' lies in another file, '{}': load_onnx(path) reads it from the folder of the model; a "
           "description needs read_external_data(model, path) before",
           name_, t.name, file);
    });
  }

  // Batch norms that stand alone get a layer, without which they have no integer form.
  void give_layers() {
    UnitLayers made = add_unit_layers(importer_.graph);
    if (made.layers.empty()) return;
    for (Assignment& a : importer_.assignments) a.node = made.node_of[static_cast<std::size_t>(a.node)];
    for (const int id : made.layers) {
      const auto channels = static_cast<std::size_t>(made.graph.node(id).shape.back());
      importer_.budget.take(2 * channels * sizeof(float));
      importer_.assignments.push_back({id, graph::Role::weight, std::vector<float>(channels, 1.0f)});
    }
    importer_.graph = std::move(made.graph);
  }

  // The model does as the file while it is trained; while it is evaluated it does as every model of stet.
  void warn_of_training() const {
    if (importer_.training.empty()) return;
    std::string names;
    for (const std::string& n : importer_.training) names += (names.empty() ? "" : ", ") + n;
    warn(
        "load_onnx: {}: the file was exported in training mode: {} normalize by each batch's statistics or drop values. The "
        "model does so in training only; evaluated, it uses running statistics and drops nothing (model.eval() before the "
        "export gives a file that computes the same)",
        name_, names);
  }

  // float16 and bfloat16 constants keep their values; what is computed with them does not round as the file does.
  void warn_of_types() const {
    if (importer_.converted.empty()) return;
    std::string types;
    for (const DataType t : importer_.converted) {
      const char* name = t == DataType::float64 ? "double" : t == DataType::float16 ? "float16" : "bfloat16";
      types += (types.empty() ? "" : ", ") + std::string(name);
    }
    warn(
        "load_onnx: {}: numbers of type {} became float32, and the model computes in float32; it differs from the file where "
        "that rounds otherwise",
        name_, types);
  }

  template <class F>
  bool attempt(const std::string& what, F&& f) {
    try {
      f();
      return true;
    } catch (const Error& e) {
      if (importer_.budget.spent()) throw;
      problem(what + ": " + e.what());
      return false;
    }
  }
  void problem(const std::string& text) {
    if (++problem_count_ <= most_problems) problems_ += "\n  " + text;
  }

  // Nodes that an output depends on.
  std::vector<bool> needed_nodes() const {
    std::set<std::string> wanted;
    for (const ValueInfo& v : model_.outputs) wanted.insert(v.name);
    std::vector<bool> needed(model_.nodes.size(), false);
    for (std::size_t i = model_.nodes.size(); i-- > 0;) {
      for (const std::string& out : model_.nodes[i].outputs) {
        if (!out.empty() && wanted.contains(out)) needed[i] = true;
      }
      if (needed[i]) wanted.insert(model_.nodes[i].inputs.begin(), model_.nodes[i].inputs.end());
    }
    return needed;
  }

  void read_input(const ValueInfo& v) {
    require(!importer_.values.contains(v.name), Errc::unsupported, "there is another input of this name");
    unknown_.insert(v.name);
    require(is_real(v.type), Errc::unsupported, "data type {}; only float32 is understood, float16, bfloat16 and double as float32",
            static_cast<int>(v.type));
    importer_.note_type(v.type);
    require(v.has_shape && !v.dims.empty() && v.dims.size() < static_cast<std::size_t>(Shape::max_rank),
            Errc::unsupported, "{} dimensions; wants a batch and up to {} more", v.dims.size(), Shape::max_rank - 1);
    importer_.batch = v.dims[0].value;
    Ints dims;
    for (std::size_t i = 1; i < v.dims.size(); ++i) {
      require(v.dims[i].value > 0, Errc::unsupported, "dimension {} has no size; only the batch may be open", i);
      dims.push_back(v.dims[i].value);
    }
    // An image whose only use is to be turned into [N,C,H,W] comes as stet has it already.
    bool last = dims.size() == 3 && !importer_.readers(v.name).empty() && !importer_.is_output(v.name);
    for (const NodeInfo* reader : importer_.readers(v.name)) {
      last = last && reader->op_type == "Transpose" && reader->attributes.size() == 1 &&
             reader->attributes[0].integers == Ints{0, 3, 1, 2};
    }
    const std::vector<int> order = last ? natural_order(3) : usual_order(dims.size());
    const graph::op::Input input{Shape(permuted(dims, order))};
    const int id = importer_.graph.add(input, {}, importer_.arranger.free_name(v.name)).id();
    importer_.give(v.name, Arranger::make(id, dims, order));
    unknown_.erase(v.name);
  }

  void read_node(const NodeInfo& node) {
    const std::string what =
        formatted("{} ({})", node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name, node.op_type);
    const bool standard = node.domain.empty() || node.domain == "ai.onnx";
    const OperatorReader* reader = standard ? reader_of(node.op_type) : nullptr;
    bool readable = reader != nullptr;
    if (!readable) {
      problem(formatted("{}: the operator {}{}{} is not understood", what, node.domain, node.domain.empty() ? "" : ".",
                        node.op_type));
    }
    for (const std::string& in : node.inputs) {
      if (in.empty() || importer_.values.contains(in) || importer_.constants.contains(in)) continue;
      readable = false;
      if (!unknown_.contains(in)) problem(what + ": no node before it makes its input '" + in + "'");
    }
    if (readable) {
      readable = attempt(what, [&] {
        require(!node.outputs.empty() && !node.outputs[0].empty(), Errc::unsupported, "it has no output");
        for (const std::string& out : node.outputs) {
          require(!importer_.values.contains(out) && !importer_.constants.contains(out), Errc::unsupported,
                  "its output '{}' exists already", out);
        }
        importer_.node = &node;
        Attributes attributes(node);
        reader->read(importer_, attributes);
        attributes.finish();
      });
    }
    if (!readable) unknown_.insert(node.outputs.begin(), node.outputs.end());
  }

  // Images come out as stet has them; anything else in the order of ONNX.
  void write_output(const std::string& name) {
    const auto found = importer_.values.find(name);
    require(found != importer_.values.end(), Errc::unsupported, "it does not depend on the input");
    const Arrangement& a = found->second;
    const std::size_t rank = a.dims.size();
    const Shape& shape = importer_.graph.node(a.node).shape;
    const bool own = rank == 3 && shape.rank() == 3 && a.axis == natural_order(3);
    const int id = importer_.arranger.arrange(a, own ? natural_order(3) : usual_order(rank));
    importer_.graph.output(id);
  }

  static void assign(Model& model, const Assignment& a) {
    const auto fill = [&](Tensor<float>& t) {
      require(t.size() == static_cast<std::int64_t>(a.values.size()), Errc::shape,
              "load_onnx: {} has {} values, wants {}", model.graph().node(a.node).name, a.values.size(), t.size());
      std::copy(a.values.begin(), a.values.end(), t.edit().begin());
    };
    Tensor<float>* buffer = model.find_buffer(a.node, a.role);
    Parameter* parameter = model.find_parameter(a.node, a.role);
    if (buffer != nullptr || parameter != nullptr) fill(buffer != nullptr ? *buffer : parameter->value);
  }

  const ModelInfo& model_;
  const std::string& name_;
  const ImportOptions options_;
  Importer importer_;
  std::set<std::string> unknown_;  // values that could not be read; who needs them is not a problem of its own
  static constexpr int most_problems = 100;
  std::string problems_;  // the first of them
  int problem_count_ = 0;
};

}  // namespace onnx::detail

#endif

/// Makes a model of what a .onnx file says; `name` is what errors call it. See load_onnx.
STET_ENTRY Model import_onnx(const onnx::ModelInfo& model, const std::string& name, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Model import_onnx(const onnx::ModelInfo& model, const std::string& name, const ImportOptions& options) {
  return onnx::detail::GraphReader(model, name, options).run();
}
#endif

/// Loads a float .onnx model, in order to train it on, quantize it or write it in another format. Tensors that lie in other
/// files are read from the folder of the model; float16, bfloat16 and double become float32, which a warning says.
/// Images [N,C,H,W] become [N,H,W,C]; weights follow, and so do the columns of a linear layer behind a flattened image.
/// Batch norm stays a node; a convolution with one group per channel becomes a depthwise one. Nodes have the name of
/// their weight (conv1 for conv1.weight), else that of the ONNX node; characters that a name may not have become _.
/// Shapes:    the first dimension of every input is the batch; outputs of rank 4 are [N,H,W,C]
/// Errors:    Errc::io, Errc::format as decode and read_external_data; Errc::unsupported listing every input, node and output that is not
///            understood (the first 100 of them), with operator and attribute, or every constant that several layers train (ImportOptions)
inline Model load_onnx(const std::string& path, const ImportOptions& options = {}) {
  onnx::ModelInfo model = onnx::decode(read_file(path), path);
  onnx::read_external_data(model, path);
  return import_onnx(model, path, options);
}

}  // namespace stet
