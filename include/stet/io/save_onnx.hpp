#pragma once
// save_onnx: .onnx files of float and integer models.

#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/onnx/check_integer.hpp>
#include <stet/io/onnx/finish.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <string>

namespace stet {

/// Writes a float model: opset 17, IR 8, float32. Values and nodes have the names of the graph's nodes, constants those
/// of the model's parameters. Dropout is left out.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the graph
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::io; the old file stays
inline void save_onnx(const std::string& path, const Model& model, const OnnxOptions& options = {}) {
  onnx::check_float(model.graph());
  if (options.fold_batch_norm) {
    onnx::write(path, onnx::FloatWriter(fold_batch_norm(model), options).run(), 17);
  } else {
    onnx::write(path, onnx::FloatWriter(model, options).run(), 17);
  }
}

/// Writes an integer model: QuantizeLinear and DequantizeLinear around float operators, which ONNX Runtime fuses into
/// integer ones that end in the codes of `targets::onnxruntime`. Opset 17, IR 8; with int4 weights opset 21, IR 10.
/// The real input has the name of the first value, a real output that of its value; codes are "<value>_quantized".
/// With int8 activations ONNX Runtime on x86-64 fuses a convolution only where its input codes have one reader; with
/// int4 weights it runs convolutions in float. Neither is then exact.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the model
/// Units:     uint8 activations are the model's codes + 128, zero points too; biases are int32 at input scale * weight
///            scale
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::io; the old file stays
/// Source:    ONNX Operators.md; ONNX Runtime core/optimizer/qdq_transformer
inline void save_onnx(const std::string& path, const IntegerModel& model, const OnnxIntegerOptions& options = {}) {
  onnx::check_integer(model, options);
  onnx::write(path, onnx::IntegerWriter(model, options).run(), options.int4_weights ? 21 : 17);
}

}  // namespace stet
