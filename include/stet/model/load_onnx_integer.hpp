#pragma once
// load_onnx_integer: .onnx files of integers as integer models.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/io/import_options.hpp>
#include <stet/io/load_onnx.hpp>

#include <string>
#include <utility>

#if STET_DEFINE_ENTRIES
#include <stet/model/units_of_codes.hpp>
#endif

namespace stet {

/// Makes an IntegerModel of what a .onnx file says; `name` is what errors call it. See load_onnx_integer.
STET_ENTRY IntegerModel import_onnx_integer(onnx::ModelInfo model, const Target& target, const std::string& name, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerModel import_onnx_integer(onnx::ModelInfo model, const Target& target, const std::string& name, const ImportOptions& options) {
  return detail::UnitsOfCodes(onnx::read_codes(std::move(model), name, options), target, "load_onnx: " + name).run();
}
#endif

/// Reads a .onnx file of integers for a target: operators between DequantizeLinear and QuantizeLinear (of ONNX or com.microsoft),
/// as save_onnx and onnxruntime.quantization write them. Activations are uint8 or int8 with one scale; weights are int8 (uint8 or int4 where they lie within
/// int8 about their zero point), with one scale or one per output; biases int32 at input scale times weight scale. An
/// operator that integers do not know, or that reads or makes reals, is kept in float. A fingerprint of the calibration images
/// that stet wrote into the file is the model's; weights that layers share become a copy for each.
/// Rounding:  weights are the file's codes, checked against their real values; values between two scales go through a table
///            in float, half to even
/// Errors:    as load_onnx, and Errc::unsupported or Errc::range listing every node whose codes, scales or constants no integer
///            model of the target has
/// Source:    ONNX Operators.md; ONNX Runtime core/optimizer/qdq_transformer
inline IntegerModel load_onnx_integer(const std::string& path, const Target& target = targets::onnxruntime, const ImportOptions& options = {}) {
  onnx::ModelInfo model = onnx::decode(read_file(path), path);
  onnx::read_external_data(model, path);
  return import_onnx_integer(std::move(model), target, path, options);
}

}  // namespace stet
