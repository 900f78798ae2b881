#pragma once
// save_onnx: .onnx files of float and integer models.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/file.hpp>
#include <stet/io/integer_formats.hpp>
#include <stet/io/onnx/options.hpp>
#include <stet/io/onnx/schema.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/finite.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/onnx/encode.hpp>
#include <stet/operators/onnx.hpp>

#include <algorithm>
#include <utility>
#endif

namespace stet {

namespace onnx {

/// Nodes, inputs and outputs that save_onnx would write, without its producer's name and metadata.
/// Errors:    as save_onnx
STET_ENTRY ModelInfo describe(const Model& model, const OnnxOptions& options = {});
STET_ENTRY ModelInfo describe(const IntegerModel& model, const OnnxIntegerOptions& options = {});
#if STET_DEFINE_ENTRIES
namespace detail {

inline void write_float(const graph::Operator& op, FloatWriter& w) {
  graph::match(op, [](const auto& o, FloatWriter& to) -> decltype(write(o, to)) { write(o, to); }, w);
}

}  // namespace detail

STET_ENTRY ModelInfo describe(const Model& model, const OnnxOptions& options) {
  FloatWriter w(model, options);
  w.for_each([&](const graph::Operator& op) { detail::write_float(op, w); }, [&](int id) { w.finish(id); });
  return std::move(w.model);
}
STET_ENTRY ModelInfo describe(const IntegerModel& model, const OnnxIntegerOptions& options) {
  IntegerWriter w(model, options, detail::write_float);
  w.for_each(
      [&](const graph::Operator& op) { graph::match_integer(op, [&](const auto& o) { write(o, w); }); },
      [&](int v) { w.finish(v); });
  return std::move(w.model);
}

namespace detail {

// Opset 17 with IR 8, or opset 21 with IR 10; read back before anybody sees it.
inline std::vector<std::uint8_t> finish(ModelInfo model, std::string fingerprint, OnnxLayout layout) {
  model.metadata.emplace_back(layout_key, layout == OnnxLayout::nhwc ? layout_nhwc : layout_nchw);
  if (!fingerprint.empty()) model.metadata.emplace_back(input_fingerprint_key, std::move(fingerprint));
  model.ir_version = model.opsets[0].version >= 21 ? 10 : 8;
  model.producer_name = "stet";
  model.graph_name = "stet";
  std::vector<std::uint8_t> bytes = encode(model);
  require(decode(bytes, "save_onnx") == model, Errc::state,
          "save_onnx: the file does not read back as it was written; nothing was saved");
  return bytes;
}

}  // namespace detail
#endif

}  // namespace onnx

/// Bytes that save_onnx would write.
/// Errors:    as save_onnx, without Errc::io
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const Model& model, const OnnxOptions& options = {});
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const IntegerModel& model, const OnnxIntegerOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const Model& model, const OnnxOptions& options) {
  onnx::check_float(model.graph());
  check_finite("save_onnx", model);
  std::string fingerprint = fingerprint_text(options.ranges.inputs);
  if (!options.fold_batch_norm) return onnx::detail::finish(onnx::describe(model, options), std::move(fingerprint), options.layout);
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
  return onnx::detail::finish(onnx::describe(folded.model, of_folded), std::move(fingerprint), options.layout);
}
STET_ENTRY std::vector<std::uint8_t> onnx_bytes(const IntegerModel& model, const OnnxIntegerOptions& options) {
  std::string problems = check_structure(model).text() + fault_lines(format_faults(IntegerFormat::onnx, model));
  const bool packs = std::any_of(model.nodes.begin(), model.nodes.end(), [](const IntegerNode& node) {
    return graph::has_weights(node.op) && fits_int4(node.constants.weights.span());
  });
  if (options.int4_weights && !packs) {
    problems +=
        "\n  int4_weights: no layer has weight codes within -7..7; train with weights of 4 bits and apply int4_weights() "
        "to the integer model";
  }
  require(problems.empty(), Errc::unsupported, "save_onnx: this model cannot be written:{}", problems);
  return onnx::detail::finish(onnx::describe(model, options), detail::fingerprint_text_of("save_onnx", model), options.layout);
}
#endif

/// Writes a float model: opset 17, IR 8 (opset 21, IR 10 where an operator came later), float32; or, as int16x8, opset 21, IR 10, QuantizeLinear and DequantizeLinear
/// around every operator. Values and nodes have the names of the graph's nodes, constants those of the model's
/// parameters; an output that is an input is called "<input>_output". Dropout is left out. The fingerprints of
/// OnnxOptions::ranges go along as metadata. The bytes are read back and compared before the file takes its name.
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
/// int4 weights it multiplies in float. Neither is then exact. The model's input_fingerprints go along as metadata.
/// Shapes:    images [N,C,H,W] or, with OnnxLayout::nhwc, [N,H,W,C]; other values as in the model
/// Units:     uint8 activations are the model's codes + 128, zero points too; biases are int32 at input scale * weight
///            scale
/// Errors:    Errc::unsupported listing all nodes that cannot be written; Errc::range if the fingerprint cannot be; Errc::io;
///            the old file stays
/// Source:    ONNX Operators.md; ONNX Runtime core/optimizer/qdq_transformer
inline void save_onnx(const std::string& path, const IntegerModel& model, const OnnxIntegerOptions& options = {}) {
  write_file_atomically(path, onnx_bytes(model, options));
}

}  // namespace stet
