#pragma once
// What of an IntegerModel cannot be written as .tflite: all of it, found before anything is written.

#include <stet/graph/int4_weights.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/integer_formats.hpp>
#include <stet/io/tflite/model_writer.hpp>

#include <cstdint>
#include <string>

namespace stet {

/// How save_tflite writes an IntegerModel.
struct TfliteIntegerOptions {
  bool float_input = false;   ///< real input, which a QUANTIZE operator turns into codes; else codes go in
  bool float_output = false;  ///< DEQUANTIZE at the end; else codes come out
  bool int4_weights = false;  ///< two weights per byte in convolutions and linear layers whose codes all lie in -7..7
  std::int64_t batch = 1;     ///< first dimension of all shapes; runtimes can resize it
  std::string description = "stet";
};

}  // namespace stet

namespace stet::tflite::detail {

/// Whether a layer's weights go into the file with 4 bits.
inline bool writes_int4(const IntegerNode& node, const TfliteIntegerOptions& options) {
  return options.int4_weights && has_int4_kernel(node.op) && fits_int4(node.constants.weights.span());
}

/// Errors:    Errc::unsupported listing every node that cannot be written
inline void require_writable(const IntegerModel& model, const TfliteIntegerOptions& options) {
  const std::string problems = check_structure(model).text() + fault_lines(format_faults(IntegerFormat::tflite, model));
  require(problems.empty(), Errc::unsupported, "save_tflite: cannot be written as int8:{}", problems);
  if (!options.int4_weights) return;
  bool packed = false;
  for (const IntegerNode& node : model.nodes) packed = packed || writes_int4(node, options);
  require(packed, Errc::unsupported,
          "save_tflite: int4_weights: no convolution or linear layer has weight codes within -7..7; train with 4-bit "
          "weights and apply int4_weights() to the integer model");
  require(model.target.convolution == integer::Requantization::double_rounding, Errc::unsupported,
          "save_tflite: int4_weights: LiteRT runs such layers in builtin kernels, which round in another way than "
          "target {}; set the model's target to tflite_reference, whose kernels are exact",
          model.target.name);
}

}  // namespace stet::tflite::detail
