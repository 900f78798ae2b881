#pragma once
// Batch norm in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::BatchNorm& o, FloatWriter& w) {
  w.emit("BatchNormalization",
         {w.get(w.input(), Layout::first), w.vector(graph::Role::gamma, ".gamma"), w.vector(graph::Role::beta, ".beta"),
          w.vector(graph::Role::mean, ".mean"), w.vector(graph::Role::variance, ".variance")},
         Layout::first, {attribute("epsilon", o.eps), attribute("momentum", 1.0f - o.momentum)});
}

}  // namespace stet::onnx
