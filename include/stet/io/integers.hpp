#pragma once
// The integers of a model for other programs: safetensors with codes, scales and zero points, or one .npy per tensor.

#include <stet/graph/integer_model.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/json.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/packed_codes.hpp>
#include <stet/io/safetensors.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// Calls f(name, tensor) for every constant of a node that has weights.
template <class F>
void visit_constants(const IntegerNode& node, F&& f) {
  const LayerConstants& c = node.constants;
  if (graph::is<graph::op::Constant>(node.op)) return f(node.name + ".codes", c.weights);
  if (!graph::has_weights(node.op)) return;
  f(node.name + ".weight", c.weights);
  f(node.name + ".weight_scale", Tensor<float>(Shape{static_cast<std::int64_t>(c.weight_scale.size())}, c.weight_scale));
  f(node.name + ".bias", c.bias);
}

// Calls f(name, tensor) for scale and zero point of every value.
template <class F>
void visit_values(const IntegerModel& model, F&& f) {
  for (const IntegerValue& value : model.values) {
    f(value.name + ".scale", Tensor<float>(Shape{}, {value.codes.scale}));
    f(value.name + ".zero_point", Tensor<std::int32_t>(Shape{}, {value.codes.zero_point}));
  }
}

// Names of values, separated by commas, which none of them has.
inline std::string names_of(const IntegerModel& model, const std::vector<int>& values) {
  std::string names;
  for (const int v : values) names += (names.empty() ? "" : ",") + model.values[static_cast<std::size_t>(v)].name;
  return names;
}

inline void require_whole(const char* op, const IntegerModel& model) {
  const IntegerStructure structure = check_structure(model);
  if (!structure.faults.empty()) fail(structure.faults[0].code, "{}: this model cannot be written:{}", op, structure.text());
  for (const IntegerNode& node : model.nodes) {
    require(graph::form(node.op) != graph::IntegerForm::real, Errc::unsupported,
            "{}: {} is kept in float, which the integers alone do not say; the engine runs it", op, node.name);
  }
}

}  // namespace detail

/// Writes weight codes (int8), weight scales (float32; weight zero points are 0), bias codes (int32) and, per value,
/// scale and zero point as "<value>.scale" and "<value>.zero_point". The metadata name the target, the values of the inputs
/// and outputs in their order ("inputs" and "outputs", separated by commas) and hold the model's input_fingerprints. Weight codes that
/// fit 4, 2 or 1 bits are packed (see PackedCodes): "<node>.weight" holds the bytes, "<node>.weight_shape",
/// "<node>.weight_bits" and "<node>.weight_shift" say how; scale and bias belong to the codes after unpacking.
/// Errors:    Errc::io if the file cannot be written; the old file stays. Those of check_structure; Errc::range if the
///            fingerprint cannot be
inline void save_integers(const std::string& path, const IntegerModel& model) {
  detail::require_whole("save_integers", model);
  const std::string fingerprint = detail::fingerprint_text_of("save_integers", model);
  SafetensorsFile file;
  for (const IntegerNode& node : model.nodes) {
    detail::visit_constants(node, [&]<class T>(const std::string& name, const Tensor<T>& tensor) {
      if constexpr (std::is_same_v<T, std::int8_t>) {
        const PackedCodes packed = pack_codes(tensor);
        if (packed.bits < 8) {
          Tensor<std::int64_t> shape(Shape{tensor.shape().rank()});
          for (int i = 0; i < tensor.shape().rank(); ++i) shape.edit()[static_cast<std::size_t>(i)] = tensor.shape()[i];
          file.add(name, packed.bytes);
          file.add(name + "_shape", shape);
          file.add(name + "_bits", Tensor<std::int32_t>(Shape{}, {packed.bits}));
          file.add(name + "_shift", Tensor<std::int32_t>(Shape{}, {packed.shift}));
          return;
        }
      }
      file.add(name, tensor);
    });
  }
  detail::visit_values(model, [&](const std::string& name, const auto& tensor) { file.add(name, tensor); });
  file.set_metadata("format", "stet integers 1");
  file.set_metadata("target", std::string(model.target.name));
  file.set_metadata("inputs", detail::names_of(model, model.inputs()));
  file.set_metadata("outputs", detail::names_of(model, model.outputs));
  if (!fingerprint.empty()) file.set_metadata(std::string(input_fingerprint_key), fingerprint);
  file.save(path);
}

namespace detail {

// What arrays alone do not say: how nodes and values hang together, in which order they run, and by whose arithmetic.
inline Json description_of(const IntegerModel& model, const std::vector<std::string>& arrays) {
  const auto name_of = [&](int v) { return Json(model.values[static_cast<std::size_t>(v)].name); };
  const auto names = [&](const std::vector<int>& values) {
    Json list = Json::array();
    for (const int v : values) list.push(name_of(v));
    return list;
  };
  const auto bound = [](float v) { return std::isfinite(v) ? Json(static_cast<double>(v)) : Json(); };
  Json nodes = Json::array(), values = Json::array(), files = Json::array();
  for (const IntegerNode& node : model.nodes) {
    Json entry = Json::object({{"name", node.name}, {"operator", graph::kind(node.op)}, {"attributes", graph::attributes(node.op)},
                               {"inputs", names(node.inputs)}, {"output", name_of(node.output)}});
    if (node.activation != Activation::none) {
      Json ends = Json::array();
      ends.push(bound(node.activation.lo));
      ends.push(bound(node.activation.hi));
      entry.set("activation", std::move(ends));
    }
    nodes.push(std::move(entry));
  }
  for (const IntegerValue& value : model.values) {
    Json shape = Json::array();
    for (const std::int64_t d : value.shape.dims()) shape.push(d);
    values.push(Json::object({{"name", value.name}, {"shape", std::move(shape)}, {"lowest", value.codes.grid.lo}, {"highest", value.codes.grid.hi}}));
  }
  for (const std::string& name : arrays) files.push(name);
  return Json::object({{"format", "stet integers 1"}, {"target", std::string(model.target.name)}, {"inputs", names(model.inputs())},
                       {"outputs", names(model.outputs)}, {"values", std::move(values)}, {"nodes", std::move(nodes)},
                       {"arrays", std::move(files)}});
}

}  // namespace detail

/// Writes the same as one .npy file each: "<prefix><node>.weight.npy", "<prefix><value>.scale.npy" and so on. Weight codes
/// are int8 whatever their width. "<prefix>model.json", which is written last, says what arrays do not: the target, the names of inputs
/// and outputs, of each value its shape (without the batch), lowest and highest code, the nodes in execution order with operator,
/// attributes, inputs, output and the bounds of their activation (null is none), and the names of all arrays, so that files of another
/// model beside them are known. "<prefix>input_fingerprint.json" holds the fingerprints of the calibration images, or null.
/// Errors:    Errc::io if a file cannot be written; those of check_structure, and Errc::range if the fingerprint cannot be,
///            before any is
inline void save_integers_npy(const std::string& prefix, const IntegerModel& model) {
  detail::require_whole("save_integers_npy", model);
  const std::string fingerprint = detail::fingerprint_text_of("save_integers_npy", model);
  std::vector<std::string> arrays;
  const auto name = [&](const std::string& array, const auto&) { arrays.push_back(array); };
  const auto save = [&](const std::string& array, const auto& tensor) { save_npy(prefix + array + ".npy", tensor); };
  for (const IntegerNode& node : model.nodes) detail::visit_constants(node, name);
  detail::visit_values(model, name);
  const std::string description = detail::description_of(model, arrays).str(2);
  for (const IntegerNode& node : model.nodes) detail::visit_constants(node, save);
  detail::visit_values(model, save);
  // Also where there is none: else that of the model before would stay beside the new numbers.
  const std::string text = fingerprint.empty() ? "null" : fingerprint;
  write_file_atomically(prefix + "input_fingerprint.json", std::string_view(text + "\n"));
  write_file_atomically(prefix + "model.json", std::string_view(description));
}

}  // namespace stet
