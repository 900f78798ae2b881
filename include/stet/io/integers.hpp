#pragma once
// The integers of a model for other programs: safetensors with codes, scales and zero points, or one .npy per tensor.

#include <stet/graph/integer_model.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/packed_codes.hpp>
#include <stet/io/safetensors.hpp>

#include <string>
#include <string_view>
#include <type_traits>
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

/// Writes the same as one .npy file each: "<prefix><node>.weight.npy", "<prefix><value>.scale.npy" and so on. Weight codes
/// are int8 whatever their width; the target is not written, nor which values are inputs and outputs. "<prefix>input_fingerprint.json"
/// holds the fingerprints of the calibration images, or null.
/// Errors:    Errc::io if a file cannot be written; those of check_structure, and Errc::range if the fingerprint cannot be,
///            before any is
inline void save_integers_npy(const std::string& prefix, const IntegerModel& model) {
  detail::require_whole("save_integers_npy", model);
  const std::string fingerprint = detail::fingerprint_text_of("save_integers_npy", model);
  const auto save = [&](const std::string& name, const auto& tensor) { save_npy(prefix + name + ".npy", tensor); };
  for (const IntegerNode& node : model.nodes) detail::visit_constants(node, save);
  detail::visit_values(model, save);
  // Also where there is none: else that of the model before would stay beside the new numbers.
  const std::string text = fingerprint.empty() ? "null" : fingerprint;
  write_file_atomically(prefix + "input_fingerprint.json", std::string_view(text + "\n"));
}

}  // namespace stet
