#pragma once
// load_input_fingerprint: what the calibration images of a written model looked like, from a file of any format.

#include <stet/core/entry.hpp>
#include <stet/graph/input_fingerprint.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/io/file.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/io/tflite/decode.hpp>

#include <cstdint>
#include <string_view>
#endif

namespace stet {

/// Reads the fingerprints that stet wrote into a file, one for each input of its model; nothing where there are none. The end of the name says the format: .tflite,
/// .onnx, .safetensors (save_integers), .json (beside the .npy files of save_integers_npy), .c or .h. A checkpoint's is in the
/// QatModel that it is loaded into.
/// Errors:    Errc::unsupported for another name; Errc::io if the file cannot be read; Errc::format if it is damaged or its
///            fingerprint cannot be
STET_ENTRY std::vector<InputFingerprint> load_input_fingerprints(const std::string& path);
/// The same of a model with one input.
/// Errors:    as above; Errc::unsupported if there are several
inline std::optional<InputFingerprint> load_input_fingerprint(const std::string& path) {
  std::vector<InputFingerprint> all = load_input_fingerprints(path);
  require(all.size() < 2, Errc::unsupported, "load_input_fingerprint: {} has fingerprints of {} inputs; load_input_fingerprints gives them", path, all.size());
  if (all.empty()) return std::nullopt;
  return std::move(all[0]);
}

#if STET_DEFINE_ENTRIES
namespace detail {

// The text between "/* stet.input_fingerprint " at the beginning of a line and " */". Names of nodes are string literals,
// which hold no end of line.
inline std::string fingerprint_in_source(std::string_view source, const std::string& from) {
  const std::string begin = formatted("\n/* {} ", input_fingerprint_key);
  const std::size_t at = source.find(begin);
  if (at == std::string_view::npos) return {};
  require(source.find(begin, at + 1) == std::string_view::npos, Errc::format, "{}: there are two comments {}", from, input_fingerprint_key);
  const std::size_t first = at + begin.size(), end = source.find(" */", first);
  require(end != std::string_view::npos, Errc::format, "{}: the comment {} does not end", from, input_fingerprint_key);
  return std::string(source.substr(first, end - first));
}

inline std::string fingerprint_in_onnx(const onnx::ModelInfo& info, const std::string& from) {
  std::string found;
  for (const onnx::Metadata& m : info.metadata) {
    if (m.first != input_fingerprint_key) continue;
    require(found.empty(), Errc::format, "{}: there are two metadata entries {}", from, input_fingerprint_key);
    require(!m.second.empty(), Errc::format, "{}: metadata {} are empty", from, input_fingerprint_key);
    found = m.second;
  }
  return found;
}

}  // namespace detail

STET_ENTRY std::vector<InputFingerprint> load_input_fingerprints(const std::string& path) {
  const std::string from = "load_input_fingerprint: " + path;
  const auto ends = [&](std::string_view end) {
    return path.size() > end.size() && std::string_view(path).substr(path.size() - end.size()) == end;
  };
  if (!ends(".tflite") && !ends(".onnx") && !ends(".safetensors") && !ends(".json") && !ends(".c") && !ends(".h")) {
    fail(Errc::unsupported, "{}: the name says no format that is read; give .tflite, .onnx, .safetensors, .json, .c or .h", from);
  }
  const std::vector<std::uint8_t> bytes = read_file(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string found;
  if (ends(".tflite")) {
    found = tflite::decode(bytes, from).input_fingerprint;
  } else if (ends(".onnx")) {
    found = detail::fingerprint_in_onnx(onnx::decode(bytes, from), from);
  } else if (ends(".safetensors")) {
    const SafetensorsFile file = SafetensorsFile::decode(bytes, from);
    const std::string* entry = file.find_metadata(input_fingerprint_key);
    if (entry != nullptr) found = entry->empty() ? " " : *entry;  // an empty text is no fingerprint and no silence
  } else if (ends(".json")) {
    found = text == "null\n" || text == "null" ? std::string() : text.empty() ? " " : std::string(text);
  } else {
    found = detail::fingerprint_in_source(text, from);
  }
  if (found.empty()) return {};
  return parse_fingerprints(found, from);
}
#endif

}  // namespace stet
