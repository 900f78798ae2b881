#pragma once
// An InputFingerprint as text: how it stands in the files of all formats, under one key.

#include <stet/core/entry.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/integer_model.hpp>

#include <optional>
#include <string>
#include <string_view>

#if STET_DEFINE_ENTRIES
#include <stet/io/json_reader.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>
#endif

namespace stet {

/// One JSON object in one line: its fields by name, numbers with all their digits.
/// Errors:    Errc::range if it has a fault()
STET_ENTRY std::string fingerprint_text(const InputFingerprint& fingerprint);
/// Reads such a text. `from` stands for the file in messages.
/// Errors:    Errc::format if the text is no such object, has other members, or the fingerprint cannot be
STET_ENTRY InputFingerprint parse_fingerprint(std::string_view text, std::string_view from);

namespace detail {

/// The text that a writer puts into the file of a model; empty if the model has no fingerprint.
/// Errors:    Errc::range if its fingerprint cannot be that of images that the model takes
STET_ENTRY std::string fingerprint_text_of(std::string_view op, const IntegerModel& model);
/// What a loader makes of the text in a file; nothing if it is empty.
/// Errors:    as parse_fingerprint, and Errc::format if it is of other images than the model takes
STET_ENTRY std::optional<InputFingerprint> fingerprint_for(const IntegerModel& model, std::string_view text, std::string_view from);

#if STET_DEFINE_ENTRIES

// Images that a model takes; a scalar if its nodes do not say so.
inline Shape image_shape(const IntegerModel& model) {
  if (model.nodes.empty()) return {};
  const int v = model.nodes[0].output;
  return v >= 0 && static_cast<std::size_t>(v) < model.values.size() ? model.values[static_cast<std::size_t>(v)].shape : Shape();
}

inline float float_of(const Json& j) {
  const double v = j.as_double();
  require(std::fabs(v) <= static_cast<double>(std::numeric_limits<float>::max()), Errc::range, "{} does not fit a float", v);
  return static_cast<float>(v);
}

STET_ENTRY std::string fingerprint_text_of(std::string_view op, const IntegerModel& model) {
  if (!model.input_fingerprint) return {};
  const std::string fault = model.input_fingerprint->fault(image_shape(model));
  require(fault.empty(), Errc::range, "{}: the model's input_fingerprint cannot be: {}; reset it, or calibrate and convert again", op, fault);
  return fingerprint_text(*model.input_fingerprint);
}

STET_ENTRY std::optional<InputFingerprint> fingerprint_for(const IntegerModel& model, std::string_view text, std::string_view from) {
  if (text.empty()) return std::nullopt;
  InputFingerprint f = parse_fingerprint(text, from);
  const std::string fault = f.fault(image_shape(model));
  require(fault.empty(), Errc::format, "{}: {} is not of the images that the model takes: {}", from, input_fingerprint_key, fault);
  return f;
}

#endif

}  // namespace detail

#if STET_DEFINE_ENTRIES

STET_ENTRY std::string fingerprint_text(const InputFingerprint& fingerprint) {
  const std::string fault = fingerprint.fault();
  require(fault.empty(), Errc::range, "fingerprint_text: the fingerprint cannot be: {}", fault);
  Json object = Json::object();
  InputFingerprint copy = fingerprint;  // fields() is for changing them too
  copy.fields([&](const char* name, const auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<T, std::int64_t>) {
      object.set(name, value);
    } else if constexpr (std::is_same_v<T, float>) {
      object.set(name, static_cast<double>(value));
    } else {
      Json list = Json::array();
      for (const float v : value) list.push(static_cast<double>(v));
      object.set(name, std::move(list));
    }
  });
  return object.str();
}

STET_ENTRY InputFingerprint parse_fingerprint(std::string_view text, std::string_view from) {
  InputFingerprint f;
  std::string problem;
  try {
    const Json object = parse_json(text, {.depth = 2, .values = 256});
    std::size_t known = 0;
    f.fields([&](const char* name, auto& value) {
      using T = std::remove_cvref_t<decltype(value)>;
      const Json& j = object.at(name);
      ++known;
      if constexpr (std::is_same_v<T, std::int64_t>) {
        const std::uint64_t count = j.as_uint64();
        require(count < std::uint64_t{1} << 63, Errc::range, "{} is {}", name, count);
        value = static_cast<std::int64_t>(count);
      } else if constexpr (std::is_same_v<T, float>) {
        value = detail::float_of(j);
      } else {
        for (const Json& item : j.items()) value.push_back(detail::float_of(item));
      }
    });
    require(object.members().size() == known, Errc::format, "it has {} members, must have {}", object.members().size(), known);
    problem = f.fault();
  } catch (const Error& e) {
    problem = e.what();
  }
  require(problem.empty(), Errc::format, "{}: {} cannot be read: {}", from, input_fingerprint_key, problem);
  return f;
}

#endif

}  // namespace stet
