#pragma once
// save_onnx: .onnx files of float and integer models.

#include <stet/io/onnx/finish.hpp>
#include <stet/io/onnx/float_writer.hpp>

#include <string>

namespace stet {

/// Writes a float model: opset 17, IR 8, float32. Values and nodes have the names of the graph's nodes, constants those
/// of the model's parameters. Dropout is left out.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the graph
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::io; the old file stays
inline void save_onnx(const std::string& path, const Model& model, const OnnxOptions& options = {}) {
  onnx::check_float(model.graph());
  onnx::write(path, onnx::FloatWriter(model, options).run(), 17);
}

}  // namespace stet
