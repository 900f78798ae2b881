#pragma once
// The last steps of every ONNX exporter: versions, and a file that was read back before it took its place.

#include <stet/io/file.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>

#include <string>

namespace stet::onnx {

/// Writes a model that a GraphWriter made. Opset 17 with IR 8, or opset 21 with IR 10.
/// Errors:    Errc::io if the file cannot be written; Errc::format if it does not read back as what was meant, then
///            nothing is written
inline void write(const std::string& path, ModelInfo model, std::int64_t opset) {
  model.ir_version = opset >= 21 ? 10 : 8;
  model.producer_name = "stet";
  model.graph_name = "stet";
  model.opsets = {{"", opset}};
  const std::vector<std::uint8_t> bytes = encode(model);
  require(decode(bytes, path) == model, Errc::format, "save_onnx: {} does not read back as it was written; nothing was",
          path);
  write_file_atomically(path, bytes);
}

}  // namespace stet::onnx
