#pragma once
// save_onnx: .onnx files of float and integer models.

#include <stet/core/entry.hpp>
#include <stet/graph/finite.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/file.hpp>
#include <stet/io/onnx/check_integer.hpp>
#include <stet/io/onnx/finish.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// Bytes that save_onnx would write.
/// Errors:    as save_onnx, without Errc::io
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const Model& model, const OnnxOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const Model& model, const OnnxOptions& options) {
  onnx::check_float(model.graph());
  check_finite("save_onnx", model);
  if (!options.fold_batch_norm) return onnx::finish(onnx::FloatWriter(model, options).run());
  const FoldedBatchNorm folded = fold_batch_norm_with_map(model);
  OnnxOptions of_folded = options;
  if (options.format == OnnxFormat::int16x8) {
    check("save_onnx: int16x8", options.ranges, model.graph());
    of_folded.ranges.of_node.assign(folded.model.graph().nodes().size(), Range{});
    for (std::size_t id = 0; id < folded.node_of.size(); ++id) {  // a batch norm's range replaces that of its layer
      const int made = folded.node_of[id];
      if (made >= 0) of_folded.ranges.of_node[static_cast<std::size_t>(made)] = options.ranges.of_node[id];
    }
  }
  return onnx::finish(onnx::FloatWriter(folded.model, of_folded).run());
}
#endif
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const IntegerModel& model, const OnnxIntegerOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const IntegerModel& model, const OnnxIntegerOptions& options) {
  onnx::check_integer(model, options);
  return onnx::finish(onnx::IntegerWriter(model, options).run());
}
#endif

/// Writes a float model: opset 17, IR 8 (opset 21, IR 10 where an operator came later), float32; or, as int16x8, opset 21, IR 10, QuantizeLinear and DequantizeLinear
/// around every operator. Values and nodes have the names of the graph's nodes, constants those of the model's
/// parameters; an output that is an input is called "<input>_output". Dropout is left out. The bytes are read back and compared before the file takes its name.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the graph
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::range listing tensors that are not finite;
///            Errc::state and Errc::range if ranges are missing or not finite; Errc::io; the old file stays
inline void save_onnx(const std::string& path, const Model& model, const OnnxOptions& options = {}) {
  write_file_atomically(path, onnx_bytes(model, options));
}

/// Writes an integer model: QuantizeLinear and DequantizeLinear around float operators, which ONNX Runtime fuses into
/// integer ones that end in the codes of `targets::onnxruntime`. Opset 17, IR 8; with int4 weights, or an operator that came later, opset 21, IR 10.
/// The real input has the name of the first value, a real output that of its value; codes are "<value>_quantized".
/// With int8 activations ONNX Runtime on x86-64 fuses a convolution only where its input codes have one reader; with
/// int4 weights it multiplies in float. Neither is then exact.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the model
/// Units:     uint8 activations are the model's codes + 128, zero points too; biases are int32 at input scale * weight
///            scale
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::io; the old file stays
/// Source:    ONNX Operators.md; ONNX Runtime core/optimizer/qdq_transformer
inline void save_onnx(const std::string& path, const IntegerModel& model, const OnnxIntegerOptions& options = {}) {
  write_file_atomically(path, onnx_bytes(model, options));
}

}  // namespace stet
