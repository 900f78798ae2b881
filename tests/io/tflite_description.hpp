// Descriptions of .tflite files written by hand, as other producers write them.
#pragma once

#include <stet/io/tflite/schema.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace stet_test {

namespace tfl = stet::tflite;

/// A description in the making. Tensors are named; operators name their tensors by index.
class Description {
 public:
  tfl::ModelInfo info;

  std::int32_t real(std::string name, std::vector<std::int32_t> shape) {
    return tensor({.name = std::move(name), .shape = std::move(shape)});
  }
  std::int32_t codes(std::string name, std::vector<std::int32_t> shape, float scale = 0.1f,
                     std::int64_t zero_point = 0) {
    return tensor({.name = std::move(name),
                   .shape = std::move(shape),
                   .type = tfl::TensorType::int8,
                   .quantization = {{scale}, {zero_point}, 0}});
  }
  template <class T>
  std::int32_t constant(std::string name, std::vector<std::int32_t> shape, tfl::TensorType type,
                        const std::vector<T>& values, tfl::Quantization q = {}) {
    tfl::TensorInfo t{.name = std::move(name), .shape = std::move(shape), .type = type, .quantization = std::move(q)};
    t.data.resize(values.size() * sizeof(T));
    std::memcpy(t.data.data(), values.data(), t.data.size());
    return tensor(std::move(t));
  }
  std::int32_t floats(std::string name, std::vector<std::int32_t> shape, const std::vector<float>& values) {
    return constant(std::move(name), std::move(shape), tfl::TensorType::float32, values);
  }
  std::int32_t integers(std::string name, const std::vector<std::int32_t>& values) {
    return constant(std::move(name), {static_cast<std::int32_t>(values.size())}, tfl::TensorType::int32, values);
  }
  std::int32_t weights(std::string name, std::vector<std::int32_t> shape, const std::vector<std::int8_t>& values,
                       std::vector<float> scale, std::int32_t dimension = 0) {
    const std::vector<std::int64_t> zeros(scale.size(), 0);
    return constant(std::move(name), std::move(shape), tfl::TensorType::int8, values,
                    {std::move(scale), zeros, dimension});
  }
  std::int32_t bias(std::string name, const std::vector<std::int32_t>& values, std::vector<float> scale) {
    const std::vector<std::int64_t> zeros(scale.size(), 0);
    return constant(std::move(name), {static_cast<std::int32_t>(values.size())}, tfl::TensorType::int32, values,
                    {std::move(scale), zeros, 0});
  }
  tfl::OperatorInfo& operation(tfl::Builtin code, std::vector<std::int32_t> inputs, std::int32_t output,
                               tfl::Options options = {}) {
    info.operators.push_back(
        {.code = code, .inputs = std::move(inputs), .outputs = {output}, .options = std::move(options)});
    return info.operators.back();
  }

 private:
  std::int32_t tensor(tfl::TensorInfo t) {
    info.tensors.push_back(std::move(t));
    return static_cast<std::int32_t>(info.tensors.size()) - 1;
  }
};

}  // namespace stet_test
