#pragma once
// GraphReader: from the description of a .onnx file to a model.

#include <stet/core/warning.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/unit_layers.hpp>
#include <stet/io/onnx/adaptive_pool.hpp>
#include <stet/io/onnx/among_codes.hpp>
#include <stet/io/onnx/constant_operand.hpp>
#include <stet/io/onnx/external_data.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/outputs.hpp>
#include <stet/io/onnx/read_batch_views.hpp>
#include <stet/io/onnx/shapes_of_file.hpp>
#include <stet/io/onnx/model_of_codes.hpp>
#include <stet/io/onnx/written_out.hpp>
#include <stet/io/problems.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Reads a whole graph; problems are collected and thrown together. A node that is not understood has a stand-in where its
/// shape is known, so that what is behind it is judged too.
class GraphReader {
 public:
  /// Errors:    Errc::unsupported if there are too many nodes or ends, or no output of a name that is asked for
  GraphReader(ModelInfo& model, const std::string& name, const ImportOptions& options,
              const OperatorReader* (*reader_of)(std::string_view),
              const OperatorReader* (*folder_of)(std::string_view), void (*read_numbers)(Importer&) = nullptr)
      : model_(model),
        name_(name),
        options_(options),
        reader_of_(reader_of),
        folder_of_(folder_of),
        read_numbers_(read_numbers),
        outputs_(chosen_outputs(checked(model, name), options, name)),
        importer_(model, "load_onnx: " + name, outputs_, read_numbers != nullptr) {}

  /// Errors:    as load_onnx
  Model run() {
    read_all();
    importer_.uses.settle(importer_.graph, options_, "load_onnx: " + name_);
    return made();
  }
  /// The same of a file of integers, with what its codes mean. Layers may share constants.
  ModelOfCodes run_codes() {
    read_all();
    CodesOfFile& codes = *importer_.codes;
    codes.pass_on(importer_.graph, 0);
    Model model = made();
    ModelOfCodes result = model_of_codes(std::move(model), codes, node_of_);
    result.entries = entries_;
    result.inputs = inputs_;
    result.content = Importer::content(model_);
    for (const Metadata& m : model_.metadata) {
      if (m.first == input_fingerprint_key) result.input_fingerprint = m.second;
    }
    return result;
  }

 private:
  // Reads all of the file into the importer.
  void read_all() {
    require_tensors();
    const std::vector<bool> needed = needed_nodes();
    std::vector<const ValueInfo*> inputs;  // a file may list its constants among them
    for (const ValueInfo& v : model_.inputs) {
      if (!importer_.constants.contains(v.name)) inputs.push_back(&v);
    }
    inputs_ = inputs.size();
    std::set<std::string> read(outputs_.begin(), outputs_.end());  // values that lead to outputs
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (needed[i]) read.insert(model_.nodes[i].inputs.begin(), model_.nodes[i].inputs.end());
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::string& name = inputs[i]->name;
      if (!options_.outputs.empty() && !read.contains(name)) continue;
      entries_.push_back(i);
      attempt({}, "input '" + name + "'", [&] { read_input(*inputs[i], i, inputs.size()); });
    }
    // Constants first: a layer looks for the bias that an Add behind it adds.
    for (const bool constants : {true, false}) {
      for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
        const bool wanted = needed[i] && (model_.nodes[i].op_type == "Constant") == constants;
        if (wanted && !importer_.done.contains(&model_.nodes[i])) read_node(model_.nodes[i]);
        if (!constants) importer_.forget_read(model_.nodes[i]);
      }
    }
    for (const std::string& v : outputs_) {
      if (!unknown_.contains(v)) attempt({}, "output '" + v + "'", [&] { write_output(v); });
    }
    problems_.require_none("load_onnx: " + name_ + ": not understood");
    warn_of_training();
    warn_of_types();
    settle_lines(importer_);
  }

  // The model of what was read.
  Model made() {
    give_layers();
    importer_.constants.clear();
    std::map<std::pair<int, graph::Role>, std::vector<float>*> values;  // the last one counts
    for (Assignment& a : importer_.assignments) values[{a.node, a.role}] = &a.values;
    const auto value_of = [&](int node, const graph::ParameterSpec& spec) {
      const auto found = values.find({node, spec.role});
      if (found == values.end()) return graph::initial_value(spec, Rng(0));
      std::vector<float> own = std::move(*found->second);
      require(own.size() == at(spec.shape.elements()), Errc::shape, "load_onnx: {} of a node has {} values, wants {}", spec.suffix, own.size(),
              spec.shape.elements());
      return Tensor<float>(spec.shape, std::span<const float>(own));
    };
    Model model(std::move(importer_.graph), value_of);
    const std::set<std::pair<int, graph::Role>> fixed(importer_.fixed.begin(), importer_.fixed.end());
    for (NamedParameter& p : model.parameters()) p.frozen = p.frozen || fixed.contains({p.node, p.role});
    return model;
  }

  static const ModelInfo& checked(const ModelInfo& model, const std::string& name) {
    require(model.nodes.size() <= most_operators && model.inputs.size() <= most_operators &&
                model.outputs.size() <= most_operators,
            Errc::unsupported, "load_onnx: {}: {} nodes, {} inputs and {} outputs; at most {} of each are read", name,
            model.nodes.size(), model.inputs.size(), model.outputs.size(), most_operators);
    return model;
  }
  void require_tensors() const {
    detail::each_tensor(model_, [&](const TensorInfo& t) {
      if (t.where != DataLocation::external) return;
      const std::string file = detail::external_entry(t, "location").substr(0, 200);
      fail(Errc::unsupported,
           "load_onnx: {}: tensor '{}' lies in another file, '{}': load_onnx(path) reads it from the folder of the "
           "model; a "
           "description needs read_external_data(model, path) before",
           name_, t.name, file);
    });
  }

  // Batch norms that stand alone get a layer, without which they have no integer form. What was made of a value that turned
  // out to be read otherwise is left out.
  void give_layers() {
    UnitLayers made = add_unit_layers(importer_.graph);
    if (made.graph.size() == importer_.graph.size() && made.layers.empty()) return;
    for (Assignment& a : importer_.assignments) a.node = made.node_of[static_cast<std::size_t>(a.node)];
    std::erase_if(importer_.assignments, [](const Assignment& a) { return a.node < 0; });
    for (auto& [node, role] : importer_.fixed) node = made.node_of[static_cast<std::size_t>(node)];
    for (const int id : made.layers) {
      const auto channels = static_cast<std::size_t>(made.graph.node(id).shape.back());
      importer_.budget.take(2 * channels * sizeof(float));
      importer_.assignments.push_back({id, graph::Role::weight, std::vector<float>(channels, 1.0f)});
    }
    importer_.graph = std::move(made.graph);
    node_of_ = std::move(made.node_of);
  }

  // The model does as the file while it is trained; while it is evaluated it does as every model of stet.
  void warn_of_training() const {
    if (importer_.training.empty()) return;
    std::string names;
    for (const std::string& n : importer_.training) names += (names.empty() ? "" : ", ") + n;
    warn(
        "load_onnx: {}: the file was exported in training mode: {} normalize by each batch's statistics or drop "
        "values. The "
        "model does so in training only; evaluated, it uses running statistics and drops nothing (model.eval() before "
        "the "
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
        "load_onnx: {}: numbers of type {} became float32, and the model computes in float32; it differs from the file "
        "where "
        "that rounds otherwise",
        name_, types);
  }

  template <class F>
  bool attempt(const std::string& op_type, const std::string& name, F&& f) {
    try {
      f();
      return true;
    } catch (const Error& e) {
      if (importer_.budget.spent()) throw;
      problems_.add(Errc::unsupported, op_type, name, e.what());
      return false;
    }
  }

  // Nodes that an output depends on.
  std::vector<bool> needed_nodes() const {
    std::set<std::string> wanted;
    wanted.insert(outputs_.begin(), outputs_.end());
    std::vector<bool> needed(model_.nodes.size(), false);
    for (std::size_t i = model_.nodes.size(); i-- > 0;) {
      for (const std::string& out : model_.nodes[i].outputs) {
        if (!out.empty() && wanted.contains(out)) needed[i] = true;
      }
      if (needed[i]) wanted.insert(model_.nodes[i].inputs.begin(), model_.nodes[i].inputs.end());
    }
    return needed;
  }

  void read_input(const ValueInfo& v, std::size_t which, std::size_t count) {
    require(!importer_.values.contains(v.name), Errc::unsupported, "there is another input of this name");
    unknown_.insert(v.name);
    require(is_real(v.type), Errc::unsupported,
            "data type {}; only float32 is understood, float16, bfloat16 and double as float32",
            static_cast<int>(v.type));
    importer_.note_type(v.type);
    const Shape asked = options_.asked(which, count);
    const bool given = asked.rank() > 0;
    const std::size_t rank = v.has_shape && !v.dims.empty() ? v.dims.size() - 1 : given ? at(asked.rank()) : 0;
    require((v.has_shape ? !v.dims.empty() : given) && rank < at(Shape::max_rank), Errc::unsupported,
            "{} dimensions; wants a batch and up to {} more", v.dims.size(), Shape::max_rank - 1);
    // An image whose only use is to be turned into [N,C,H,W] comes as stet has it already.
    const std::vector<const NodeInfo*> readers = real_readers(v.name);
    bool last = rank == 3 && !readers.empty() && !importer_.is_output(v.name);
    for (const NodeInfo* reader : readers) {
      last = last && reader->op_type == "Transpose" && reader->attributes.size() == 1 &&
             reader->attributes[0].integers == Ints{0, 3, 1, 2};
    }
    if (const std::optional<bool> said = images_last(); said && rank == 3) last = *said;
    const std::vector<int> order = last ? natural_order(3) : usual_order(rank);
    const std::int64_t batch = v.has_shape ? v.dims[0].value : -1;
    require(batch <= 0 || importer_.batch <= 0 || batch == importer_.batch, Errc::unsupported,
            "its first dimension is {}, that of the inputs before it {}; the first dimension of every input is the batch", batch, importer_.batch);
    if (importer_.batch <= 0) importer_.batch = batch;
    const Ints dims = input_dims(v, asked, count == 1 || !options_.inputs.empty(), order);
    const graph::op::Input input{Shape(permuted(dims, order))};
    const int id = importer_.graph.add(input, {}, importer_.arranger.free_name(v.name)).id();
    importer_.give(v.name, Arranger::make(id, dims, order));
    unknown_.erase(v.name);
  }

  // Who reads a value, behind the nodes that make codes of it.
  std::vector<const NodeInfo*> real_readers(const std::string& name) const {
    std::vector<const NodeInfo*> list = importer_.readers(name);
    for (std::size_t i = 0; importer_.codes && i < list.size() && list.size() < 64;) {
      if (codes_reader_of(*list[i]) == nullptr) {
        ++i;
        continue;
      }
      const NodeInfo* const makes = list[i];
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
      for (const std::string& out : makes->outputs) {
        const std::vector<const NodeInfo*> behind = importer_.readers(out);
        list.insert(list.end(), behind.begin(), behind.end());
      }
    }
    return list;
  }

  void read_node(const NodeInfo& node) {
    const int before = importer_.graph.size();
    read_one(node);
    if (importer_.codes) settle_codes(importer_, node, before);
  }
  void read_one(const NodeInfo& node) {
    const std::string& label = node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name;
    const bool standard = node.domain.empty() || node.domain == "ai.onnx";
    if (standard && (read_written_out(importer_, node) || read_adaptive_pool(importer_, node))) return;
    bool fixed = !node.inputs.empty(), failed = false;
    for (const std::string& in : node.inputs) {
      fixed = fixed && (in.empty() || importer_.constants.contains(in));
      failed = failed || unknown_.contains(in);
    }
    const OperatorReader *reader = standard ? reader_of_(node.op_type) : nullptr,
                         *folder = standard ? folder_of_(node.op_type) : nullptr;
    if (fixed && folder != nullptr) reader = folder;
    if (importer_.codes && codes_reader_of(node) != nullptr) reader = codes_reader_of(node);
    bool readable = reader != nullptr || (standard && reads_views_alone(importer_, node));
    if (!readable && folder != nullptr) {
      if (!failed)
        problems_.add(Errc::unsupported, node.op_type, label,
                      formatted("the operator {} is understood of constants alone", node.op_type));
    } else if (!readable) {
      problems_.add(Errc::unsupported, node.op_type, label,
                    formatted("the operator {}{}{} is not understood{}", node.domain, node.domain.empty() ? "" : ".", node.op_type,
                              codes_reader_of(node) == nullptr ? "" : "; load_onnx_integer reads files of integers"));
    }
    for (const std::string& in : node.inputs) {
      if (in.empty() || importer_.values.contains(in) || importer_.views.contains(in) || importer_.constants.contains(in)) continue;
      readable = false;
      if (!unknown_.contains(in))
        problems_.add(Errc::unsupported, node.op_type, label, "no node before it makes its input '" + in + "'");
    }
    if (readable) {
      readable = attempt(node.op_type, label, [&] {
        require(!node.outputs.empty() && !node.outputs[0].empty(), Errc::unsupported, "it has no output");
        for (const std::string& out : node.outputs) {
          require(!importer_.values.contains(out) && !importer_.views.contains(out) && !importer_.constants.contains(out), Errc::unsupported,
                  "its output '{}' exists already", out);
        }
        importer_.node = &node;
        const auto read = [&] {
          Attributes attributes(node);
          reader->read(importer_, attributes);
          attributes.finish();
        };
        const bool itself = reader != nullptr && (reader->takes_views || codes_reader_of(node) != nullptr);
        const auto read_any = [&] {
          if (itself || !read_batch_views(importer_, read, reader == nullptr)) read();
        };
        if (importer_.codes) return read_among_codes(importer_, read_any, read_numbers_);
        read_any();
      });
    }
    if (readable) return;
    for (const std::string& out : node.outputs) {
      if (!importer_.values.contains(out) && !stand_ins_.make(node, out, unknown_)) unknown_.insert(out);
    }
  }

  // Whether the images at the ends of the file are [N,H,W,C], if it says so or otherwise.
  [[nodiscard]] std::optional<bool> images_last() const {
    const auto said = std::ranges::find(model_.metadata, layout_key, &Metadata::first);
    if (said == model_.metadata.end() || (said->second != layout_nhwc && said->second != layout_nchw)) return std::nullopt;
    return said->second == layout_nhwc;
  }

  // Images come out as stet has them; anything else in the order of ONNX.
  void write_output(const std::string& name) {
    if (const auto moved = importer_.views.find(name); moved != importer_.views.end()) return write_moved(name, moved->second);
    const auto found = importer_.values.find(name);
    require(found != importer_.values.end(), Errc::unsupported, "it does not depend on the input");
    const Arrangement& a = found->second;
    const std::size_t rank = a.dims.size();
    const Shape& shape = importer_.graph.node(a.node).shape;
    const bool own = rank == 3 && images_last().value_or(shape.rank() == 3 && a.axis == natural_order(3));
    const int id = importer_.arranger.arrange(a, own ? natural_order(3) : usual_order(rank));
    importer_.graph.output(id);
  }

  // Samples in another dimension than the first: here they stand in front of all others.
  void write_moved(const std::string& name, const BatchView& v) {
    const Ints dims = v.sample_dims();
    const auto own = std::find(v.dims.begin(), v.dims.end(), std::vector<int>{BatchView::samples});
    require(own != v.dims.end() && !dims.empty(), Errc::unsupported, "its samples are joined with other numbers in one dimension");
    warn("{}: output '{}' has its samples in dimension {}; here they are in front", name_, name, own - v.dims.begin());
    importer_.graph.output(sample_of(importer_.arranger, v, dims));
  }

  const ModelInfo& model_;
  const std::string& name_;
  const ImportOptions& options_;
  const OperatorReader* (*reader_of_)(std::string_view);
  const OperatorReader* (*folder_of_)(std::string_view);
  void (*read_numbers_)(Importer&);
  std::vector<std::string> outputs_;
  Importer importer_;
  std::vector<std::size_t> entries_;  // places of the inputs that are read
  std::size_t inputs_ = 0;
  std::vector<int> node_of_;  // per node that was read that of the model; empty: the same
  std::set<std::string> unknown_;  // values that could not be read; who needs them is not a problem of its own
  StandIns stand_ins_{model_, importer_};
  Problems problems_;
};

}  // namespace stet::onnx
