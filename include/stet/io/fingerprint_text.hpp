#pragma once
// The InputFingerprints of a model as text: how it stands in the files of all formats, under one key.

#include <stet/core/entry.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/integer_model.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/io/json_reader.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#endif

namespace stet {

/// Fingerprints of the inputs of a model in one line: of one input a JSON object, its fields by name, numbers with all their digits;
/// of several a list of such; of none nothing.
/// Errors:    Errc::range if one has a fault()
STET_ENTRY std::string fingerprint_text(std::span<const InputFingerprint> fingerprints);
/// Reads such a text. `from` stands for the file in messages.
/// Errors:    Errc::format if the text is none, has other members, or a fingerprint cannot be
STET_ENTRY std::vector<InputFingerprint> parse_fingerprints(std::string_view text, std::string_view from);

namespace detail {

/// The text that a writer puts into the file of a model; empty if the model has no fingerprints.
/// Errors:    Errc::range if they are not one for each input, or one cannot be that of images that it takes
STET_ENTRY std::string fingerprint_text_of(std::string_view op, const IntegerModel& model);
/// What a loader makes of the text in a file with so many inputs, of which the model has those at the places; nothing if it is empty.
/// Errors:    as parse_fingerprints, and Errc::format if they are of other images than the model takes
STET_ENTRY std::vector<InputFingerprint> fingerprints_for(const IntegerModel& model, const std::vector<std::size_t>& places, std::size_t inputs,
                                                          std::string_view text, std::string_view from);

#if STET_DEFINE_ENTRIES

// Why fingerprints cannot be those of the inputs of a model; empty if they can.
inline std::string fingerprint_fault(const IntegerModel& model, std::span<const InputFingerprint> fingerprints) {
  const std::vector<int> inputs = model.inputs();
  if (fingerprints.size() != inputs.size()) return formatted("there are {} for {} inputs", fingerprints.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool known = inputs[i] >= 0 && static_cast<std::size_t>(inputs[i]) < model.values.size();
    const std::string fault = fingerprints[i].fault(known ? model.values[static_cast<std::size_t>(inputs[i])].shape : Shape());
    if (!fault.empty()) return fault;
  }
  return {};
}

inline float float_of(const Json& j) {
  const double v = j.as_double();
  require(std::fabs(v) <= static_cast<double>(std::numeric_limits<float>::max()), Errc::range, "{} does not fit a float", v);
  return static_cast<float>(v);
}

STET_ENTRY std::string fingerprint_text_of(std::string_view op, const IntegerModel& model) {
  if (model.input_fingerprints.empty()) return {};
  const std::string fault = fingerprint_fault(model, model.input_fingerprints);
  require(fault.empty(), Errc::range, "{}: the model's input_fingerprints cannot be: {}; clear them, or calibrate and convert again", op, fault);
  return fingerprint_text(model.input_fingerprints);
}

STET_ENTRY std::vector<InputFingerprint> fingerprints_for(const IntegerModel& model, const std::vector<std::size_t>& places, std::size_t inputs,
                                                          std::string_view text, std::string_view from) {
  if (text.empty()) return {};
  const std::vector<InputFingerprint> in_file = parse_fingerprints(text, from);
  std::vector<InputFingerprint> all;
  for (const std::size_t place : places) {
    if (place < in_file.size()) all.push_back(in_file[place]);
  }
  const std::string fault = in_file.size() != inputs ? formatted("there are {} for {} inputs", in_file.size(), inputs) : fingerprint_fault(model, all);
  require(fault.empty(), Errc::format, "{}: {} is not of the images that the model takes: {}", from, input_fingerprint_key, fault);
  return all;
}

inline Json json_of(const InputFingerprint& fingerprint) {
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
  return object;
}

inline InputFingerprint fingerprint_from(const Json& object) {
  InputFingerprint f;
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
      value = float_of(j);
    } else {
      for (const Json& item : j.items()) value.push_back(float_of(item));
    }
  });
  require(object.members().size() == known, Errc::format, "it has {} members, must have {}", object.members().size(), known);
  const std::string fault = f.fault();
  require(fault.empty(), Errc::format, "{}", fault);
  return f;
}

#endif

}  // namespace detail

#if STET_DEFINE_ENTRIES

STET_ENTRY std::string fingerprint_text(std::span<const InputFingerprint> fingerprints) {
  if (fingerprints.empty()) return {};
  if (fingerprints.size() == 1) return detail::json_of(fingerprints[0]).str();
  Json list = Json::array();
  for (const InputFingerprint& f : fingerprints) list.push(detail::json_of(f));
  return list.str();
}

STET_ENTRY std::vector<InputFingerprint> parse_fingerprints(std::string_view text, std::string_view from) {
  std::vector<InputFingerprint> all;
  std::string problem;
  try {
    const bool several = text.starts_with('[');
    const Json json = parse_json(text, {.depth = several ? 3 : 2, .values = several ? 0 : 256});
    if (!several) {
      all.push_back(detail::fingerprint_from(json));
    } else {
      require(json.items().size() > 1, Errc::format, "a list is of several inputs");
      for (const Json& object : json.items()) all.push_back(detail::fingerprint_from(object));
    }
  } catch (const Error& e) {
    problem = e.what();
  }
  require(problem.empty(), Errc::format, "{}: {} cannot be read: {}", from, input_fingerprint_key, problem);
  return all;
}

#endif

}  // namespace stet
