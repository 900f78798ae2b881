#pragma once
// The last steps of every ONNX exporter: versions, and bytes that were read back before anybody sees them.

#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Bytes of a model that a GraphWriter made. Opset 17 with IR 8, or opset 21 with IR 10.
/// Errors:    Errc::state if they do not read back as what was meant
inline std::vector<std::uint8_t> finish(ModelInfo model) {
  model.ir_version = model.opsets[0].version >= 21 ? 10 : 8;
  model.producer_name = "stet";
  model.graph_name = "stet";
  std::vector<std::uint8_t> bytes = encode(model);
  require(decode(bytes, "save_onnx") == model, Errc::state,
          "save_onnx: the file does not read back as it was written; nothing was saved");
  return bytes;
}

}  // namespace stet::onnx
