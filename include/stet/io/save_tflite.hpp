#pragma once
// save_tflite: models as .tflite files, which LiteRT and TensorFlow Lite Micro execute.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/file.hpp>
#include <stet/io/integer_formats.hpp>
#include <stet/io/tflite/decode.hpp>
#include <stet/io/tflite/encode.hpp>
#include <stet/io/tflite/save_options.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/finite.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/tflite/float_writer.hpp>
#include <stet/io/tflite/integer_writer.hpp>
#include <stet/io/tflite/versions.hpp>
#include <stet/operators/tflite.hpp>

#include <utility>
#endif

namespace stet::tflite {

/// Describes a float Model as a .tflite file.
/// Errors:    as save_tflite
STET_ENTRY ModelInfo describe(const Model& model, const TfliteOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo describe(const Model& model, const TfliteOptions& options) {
  check_finite("save_tflite", model);
  FloatWriter w(model, options, float_traits);
  for (int id = 0; id < w.graph().size(); ++id) {
    if (!w.begin(id)) continue;
    graph::match(
        w.graph().node(id).op, [](const auto& o, FloatWriter& to) -> decltype(write(o, to)) { write(o, to); }, w);
  }
  ModelInfo info = std::move(w).finish();
  set_versions(info, row_of);
  info.input_fingerprint = fingerprint_text(options.ranges.inputs);
  return info;
}
#endif

/// Describes an IntegerModel as a .tflite file.
/// Errors:    as save_tflite
STET_ENTRY ModelInfo describe(const IntegerModel& model, const TfliteIntegerOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo describe(const IntegerModel& model, const TfliteIntegerOptions& options) {
  const std::string problems = check_structure(model).text() + fault_lines(format_faults(IntegerFormat::tflite, model));
  require(problems.empty(), Errc::unsupported, "save_tflite: cannot be written as int8:{}", problems);
  IntegerWriter w(model, options, [](const Model& real, const TfliteOptions& as) { return describe(real, as); });
  for (const IntegerNode& node : model.nodes) {
    w.begin(node);
    graph::match_integer(
        node.op, [](const auto& o, IntegerWriter& to) -> decltype(write(o, to)) { write(o, to); }, w);
    w.end();
  }
  ModelInfo info = std::move(w).finish();
  set_versions(info, row_of);
  info.input_fingerprint = stet::detail::fingerprint_text_of("save_tflite", model);
  return info;
}
#endif

}  // namespace stet::tflite

namespace stet {

namespace detail {

// Bytes of a description, read back and compared before anybody sees them.
inline std::vector<std::uint8_t> tflite_bytes(const tflite::ModelInfo& info) {
  std::vector<std::uint8_t> bytes = tflite::encode(info);
  require(tflite::decode(bytes, "save_tflite") == info, Errc::state,
          "save_tflite: the file does not read back as it was written; nothing was saved");
  return bytes;
}

}  // namespace detail

/// Bytes that save_tflite would write.
/// Errors:    as save_tflite, without Errc::io
inline std::vector<std::uint8_t> tflite_bytes(const Model& model, const TfliteOptions& options = {}) {
  return detail::tflite_bytes(tflite::describe(model, options));
}
inline std::vector<std::uint8_t> tflite_bytes(const IntegerModel& model, const TfliteIntegerOptions& options = {}) {
  return detail::tflite_bytes(tflite::describe(model, options));
}

/// Writes a float model: its inference, with running statistics, folded batch norms and without dropout. Values keep the
/// names of their nodes; the fingerprints of TfliteOptions::ranges go along as metadata. The file is read back and compared before it takes its name; the old one stays if anything fails.
/// Errors:    Errc::unsupported listing every node that the format cannot express; Errc::range if a parameter does not fit
///            the format; Errc::state if int16x8 has no ranges; Errc::io if the file cannot be written
inline void save_tflite(const std::string& path, const Model& model, const TfliteOptions& options = {}) {
  write_file_atomically(path, tflite_bytes(model, options));
}

/// Writes an IntegerModel as int8: LiteRT computes the codes that the engine computes for tflite_reference (reference
/// kernels) or litert_default (default kernels), whichever is the model's target. The file does not name the target, and
/// integers for another one may be written: then codes differ where roundings do. The file is read back and compared
/// before it takes its name; the old one stays if anything fails. The model's input_fingerprints go along as metadata.
/// Errors:    Errc::unsupported listing every node that the format cannot express; Errc::shape if shapes do not fit;
///            Errc::range if the fingerprint cannot be;
///            Errc::io if the file cannot be written
inline void save_tflite(const std::string& path, const IntegerModel& model, const TfliteIntegerOptions& options = {}) {
  write_file_atomically(path, tflite_bytes(model, options));
}

}  // namespace stet
