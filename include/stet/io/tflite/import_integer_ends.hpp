#pragma once
// The ends of an integer model from a file: int8, uint8 or real input, and the same for outputs.

#include <stet/io/tflite/import_integer_graph.hpp>

#include <cstdint>
#include <string>

namespace stet::tflite {

/// The part of IntegerImporter that knows where codes come from and where they go.
class IntegerEnds {
 public:
  IntegerEnds(const ModelInfo& model, const Target& target, const std::string& where)
      : model_(model), where_(where), graph_(model, target, check_structure(model, where), where) {}

 protected:
  void add_input() {
    try {
      const std::int32_t t = model_.inputs[0];
      const TensorInfo& info = model_.tensors[static_cast<std::size_t>(t)];
      require(model_.inputs.size() == 1, Errc::unsupported, "there are {} inputs; an integer model has one",
              model_.inputs.size());
      const Shape shape = shape_of(info);
      require(shape.rank() > 0 && shape[0] > 0 && shape.elements() > 0, Errc::shape,
              "input {} has shape {}; wants a batch in front and elements", info.name, shape);
      batch_ = shape[0];
      if (info.type != TensorType::int8) return;  // its codes are made by a QUANTIZE
      const OperatorInfo entry{.inputs = {}, .outputs = {t}};
      add_entry(Site(model_, entry, known_, batch_), t, info.name);
    } catch (const Error& e) {
      problems_.add(e.code(), e.what());
    }
  }
  void add_entry(const Site& s, std::int32_t codes, const std::string& input_name) {
    const int v = graph_.add_value(s, codes, "input");
    const std::string name = Names::clean(input_name);
    graph_.add_node(name.empty() ? graph_.value(v).name : name, op::Input{graph_.value(v).shape}, {}, v);
  }

  // Real input, or uint8 codes, to int8 codes. Between int8 values it would be a rounding that no operator of stet makes.
  void quantize(const Site& s) {
    s.expect_inputs(1, 1);
    const TensorInfo& from = s.input(0);
    const bool entry = s.index(0) == model_.inputs[0];
    if (s.output().type == TensorType::uint8 || from.type == TensorType::uint8) return relabel(s, entry);
    s.require(from.type != TensorType::int8, Errc::unsupported,
              "requantizes int8 codes from scale {} to {}; convert the model so that these values share a scale",
              from.quantization.scale.empty() ? 0.0f : from.quantization.scale[0],
              s.output().quantization.scale.empty() ? 0.0f : s.output().quantization.scale[0]);
    s.require(from.type == TensorType::float32 && entry, Errc::unsupported,
              "makes codes of {} in the middle of the model; only the input is quantized", type_name(from.type));
    s.require(graph_.read_once(s.index(0)), Errc::unsupported, "the real input has other readers too");
    s.require(s.sample(from) == s.output_sample(), Errc::shape, "changes the shape from {} to {}", s.sample(from),
              s.output_sample());
    add_entry(s, s.output_index(), from.name);
  }

  // uint8 at an end of the model: the same codes with 128 added.
  void relabel(const Site& s, bool entry) {
    const bool from_uint8 = s.input(0).type == TensorType::uint8;
    const TensorInfo& wide = from_uint8 ? s.input(0) : s.output();
    const TensorInfo& codes = from_uint8 ? s.output() : s.input(0);
    const Affine p = IntegerGraph::codes(s, codes);
    s.require(wide.quantization.scale.size() == 1 && wide.quantization.scale[0] == p.scale &&
                  wide.quantization.zero_point[0] == p.zero_point + 128,
              Errc::unsupported,
              "is more than a change of int8 to uint8: scales and zero points differ by more than 128 steps");
    s.require(s.sample(wide) == s.sample(codes), Errc::shape, "changes the shape from {} to {}", s.sample(s.input(0)),
              s.output_sample());
    if (from_uint8) {
      s.require(entry && graph_.read_once(s.index(0)), Errc::unsupported,
                "reads uint8 codes that are not the model's input");
      return add_entry(s, s.output_index(), wide.name);
    }
    end_of_model(s);
  }
  void dequantize(const Site& s) {
    s.expect_inputs(1, 1);
    s.require(s.input(0).type == TensorType::int8 && s.output().type == TensorType::float32, Errc::unsupported,
              "makes {} of {}; only int8 codes at the output become real", type_name(s.output().type),
              type_name(s.input(0).type));
    s.require(s.sample(s.input(0)) == s.output_sample(), Errc::shape, "changes the shape from {} to {}",
              s.sample(s.input(0)), s.output_sample());
    end_of_model(s);
  }
  void end_of_model(const Site& s) {
    const std::int32_t out = s.output_index();
    s.require(graph_.read_once(out) && graph_.reader(out) == nullptr, Errc::unsupported,
              "makes {} that operators read; only outputs are real or uint8", type_name(s.output().type));
    graph_.set_value(out, graph_.operand(s, 0));
  }

  const ModelInfo& model_;
  std::string where_;
  IntegerGraph graph_;
  KnownIntegers known_{};
  Problems problems_{};
  std::int64_t batch_ = 1;
};

}  // namespace stet::tflite
