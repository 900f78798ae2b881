#pragma once
// FloatConstants: parameters of a float model in the number format of a .tflite file.

#include <stet/io/int4.hpp>
#include <stet/io/tflite/float16.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/quantize.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet::tflite::detail {

class FloatConstants {
 public:
  FloatConstants(ModelWriter& writer, const TfliteOptions& options) : writer_(writer), options_(options) {}

  /// A parameter that is no layer's weight: float32, or float16 with its DEQUANTIZE.
  std::int32_t real(const std::string& name, const Tensor<float>& value) {
    if (options_.format != TfliteFormat::float16) return float32(name, value);
    std::vector<std::uint16_t> bits;
    for (std::int64_t i = 0; i < value.size(); ++i) {
      bits.push_back(float16_bits(value[i]));
      require((bits.back() & 0x7c00u) != 0x7c00u, Errc::range, "save_tflite: {}: {} at index {} does not fit float16",
              name, value[i], i);
    }
    const auto shape = ModelWriter::dimensions(value.shape());
    const std::int32_t half = writer_.constant<std::uint16_t>(name + ":float16", TensorType::float16, shape, bits);
    const std::int32_t full = writer_.derived(name, shape);
    writer_.operation(Builtin::dequantize, {half}, full, {.type = OptionsType::dequantize});
    return full;
  }
  std::int32_t float32(const std::string& name, const Tensor<float>& value) {
    return writer_.constant<float>(name, TensorType::float32, ModelWriter::dimensions(value.shape()), value.span());
  }

  /// Weights and bias of a layer. `input` is the scale of a 16-bit input.
  std::vector<std::int32_t> layer(const std::string& node, const Tensor<float>& weight, const Tensor<float>* bias,
                                  int axis, bool per_channel, std::int64_t outputs, float input) {
    const Tensor<float> b = bias != nullptr ? *bias : Tensor<float>::zeros(Shape{outputs});
    if (options_.format == TfliteFormat::float32 || options_.format == TfliteFormat::float16) {
      return {real(node + ".weight", weight), real(node + ".bias", b)};
    }
    const bool four = options_.weight_bits == 4 && axis == 0;  // no kernel multiplies depthwise weights of 4 bits
    const QParams p = weight_qparams(weight, per_channel ? Granularity::per_channel(axis) : Granularity::per_tensor(),
                                     Grid::narrow(four ? 4 : 8));
    const QTensor q = quantize(weight, p);
    const std::vector<std::int64_t> zeros(p.scale.size(), 0);
    const Quantization quantization{p.scale, zeros, p.scale.size() > 1 ? axis : 0};
    const auto shape = ModelWriter::dimensions(weight.shape());
    std::int32_t weights = -1;
    if (four) {
      weights = writer_.constant<std::uint8_t>(node + ".weight", TensorType::int4, shape, packed_int4(q.codes.span()),
                                               quantization);
    } else {
      weights = writer_.constant<std::int8_t>(node + ".weight", TensorType::int8, shape, q.codes.span(), quantization);
    }
    if (options_.format == TfliteFormat::dynamic_range) return {weights, float32(node + ".bias", b)};
    std::vector<std::int64_t> codes;
    Quantization at{{}, zeros, 0};
    for (const float s : p.scale) at.scale.push_back(input * s);
    for (std::int64_t i = 0; i < b.size(); ++i) {
      const float s = p.scale[p.scale.size() > 1 ? static_cast<std::size_t>(i) : 0];
      const double code =
          std::nearbyint(static_cast<double>(b[i]) / (static_cast<double>(input) * static_cast<double>(s)));
      // The 64-bit multiplication of LiteRT wants accumulators below 2^47.
      require(std::fabs(code) < 0x1p46, Errc::range, "save_tflite: {}.bias: {} at index {} is too large for int16x8",
              node, b[i], i);
      codes.push_back(static_cast<std::int64_t>(code));
    }
    return {weights, writer_.constant<std::int64_t>(node + ".bias", TensorType::int64,
                                                    ModelWriter::dimensions(b.shape()), codes, at)};
  }

 private:
  ModelWriter& writer_;
  const TfliteOptions& options_;
};

}  // namespace stet::tflite::detail
