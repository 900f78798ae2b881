#pragma once
// How save_tflite writes models.

#include <stet/graph/activation_ranges.hpp>

#include <cstdint>
#include <string>

namespace stet {

/// Formats in which save_tflite writes a float model.
enum class TfliteFormat {
  float32,        ///< everything as it is
  float16,        ///< parameters in half precision, arithmetic in float32
  dynamic_range,  ///< weights int8 or int4, activations float32, quantized by the runtime while it multiplies
  int16x8         ///< activations int16 with zero point 0, weights int8, bias int64
};

/// How save_tflite writes a float model.
struct TfliteOptions {
  TfliteFormat format = TfliteFormat::float32;
  int weight_bits = 8;              ///< 8 or 4; 4 is for dynamic_range, where depthwise weights keep 8
  bool per_channel_linear = false;  ///< one weight scale per output of linear layers, which older runtimes misread
  ActivationRanges ranges{};        ///< of the model's nodes; int16x8 needs them
  bool integer_ends = false;        ///< int16x8: int16 goes in and comes out; else QUANTIZE and DEQUANTIZE do that
  std::int64_t batch = 1;           ///< first dimension of all shapes; runtimes can resize it
  std::string description = "stet";
};

/// How save_tflite writes an IntegerModel.
struct TfliteIntegerOptions {
  bool float_input = false;   ///< real input, which a QUANTIZE operator turns into codes; else codes go in
  bool float_output = false;  ///< DEQUANTIZE at the end; else codes come out
  bool int4_weights = false;  ///< two weights per byte in convolutions and linear layers whose codes all lie in -7..7
  std::int64_t batch = 1;     ///< first dimension of all shapes; runtimes can resize it
  std::string description = "stet";
};

}  // namespace stet
