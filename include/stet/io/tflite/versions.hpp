#pragma once
// Versions of TFLite operators: the lowest one that says what an operator needs, and the runtime that brought it.

#include <stet/core/error.hpp>
#include <stet/io/tflite/names.hpp>
#include <stet/io/tflite/row.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace stet::tflite {

namespace detail {

// A number that orders versions such as 2.4.0.
inline int order(std::string_view runtime) {
  int parts[3] = {}, i = 0;
  for (const char c : runtime) {
    if (c == '.') ++i;
    if (c != '.') parts[i] = 10 * parts[i] + (c - '0');
  }
  return (parts[0] * 1000 + parts[1]) * 1000 + parts[2];
}

}  // namespace detail

/// Gives every operator the lowest version that its types and attributes need, and the file the oldest runtime that has
/// all of them.
/// Errors:    Errc::state if an operator has none in its row: a mistake of the exporter, not of its user
inline void set_versions(ModelInfo& m, const Row* (*row_of)(Builtin)) {
  std::string_view newest;
  for (OperatorInfo& o : m.operators) {
    const Row* row = row_of(o.code);
    require(row != nullptr, Errc::state, "tflite: operator {} has no row", static_cast<int>(o.code));
    const TensorType type = m.input(o, 0).type;
    o.version = type == TensorType::int8 ? row->int8 : type == TensorType::int16 ? row->int16 : 1;
    if (row->version != nullptr) o.version = std::max(o.version, row->version(m, o));
    const std::string_view runtime = word(row->runtimes, static_cast<std::size_t>(o.version - 1));
    require(runtime.size() > 1, Errc::state, "tflite: operator {} has no version {}", static_cast<int>(o.code),
            o.version);
    if (newest.empty() || detail::order(runtime) > detail::order(newest)) newest = runtime;
  }
  m.min_runtime_version = newest;
}

}  // namespace stet::tflite
