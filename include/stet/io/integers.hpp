#pragma once
// The integers of a model for other programs: safetensors with codes, scales and zero points, or one .npy per tensor.

#include <stet/graph/integer_model.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/safetensors.hpp>

#include <string>
#include <variant>

namespace stet {

namespace detail {

// Calls f(name, tensor) for every constant of a node that has weights.
template <class F>
void visit_constants(const IntegerNode& node, F&& f) {
  const auto layer = [&](const auto& op) {
    f(node.name + ".weight", op.weights);
    f(node.name + ".weight_scale", Tensor<float>(Shape{static_cast<std::int64_t>(op.weight_scale.size())}, op.weight_scale));
    f(node.name + ".bias", op.bias);
  };
  if (const auto* conv = std::get_if<integer_op::Conv2D>(&node.op)) layer(*conv);
  if (const auto* depthwise = std::get_if<integer_op::DepthwiseConv2D>(&node.op)) layer(*depthwise);
  if (const auto* linear = std::get_if<integer_op::Linear>(&node.op)) layer(*linear);
}

}  // namespace detail

/// Writes weight codes (int8), weight scales (float32; weight zero points are 0), bias codes (int32) and, per value,
/// scale and zero point as "<value>.scale" and "<value>.zero_point". The metadata names the target.
/// Errors:    Errc::io if the file cannot be written; the old file stays
inline void save_integers(const std::string& path, const IntegerModel& model) {
  SafetensorsFile file;
  for (const IntegerNode& node : model.nodes) {
    detail::visit_constants(node, [&](const std::string& name, const auto& tensor) { file.add(name, tensor); });
  }
  for (const IntegerValue& value : model.values) {
    file.add(value.name + ".scale", Tensor<float>(Shape{}, {value.params.scale[0]}));
    file.add(value.name + ".zero_point", Tensor<std::int32_t>(Shape{}, {value.params.zero_point[0]}));
  }
  file.set_metadata("format", "stet integers 1");
  file.set_metadata("target", std::string(model.target.name));
  file.save(path);
}

/// Writes the same constants as one .npy file each: "<prefix><node>.weight.npy" and so on.
/// Errors:    Errc::io if a file cannot be written
inline void save_integers_npy(const std::string& prefix, const IntegerModel& model) {
  for (const IntegerNode& node : model.nodes) {
    detail::visit_constants(node, [&](const std::string& name, const auto& tensor) { save_npy(prefix + name + ".npy", tensor); });
  }
}

}  // namespace stet
