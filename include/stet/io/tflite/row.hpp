#pragma once
// Row: what stet knows of one builtin operator of the format. Each family of operators has a table of them.

#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace stet::tflite {

/// Source:    LiteRT converter/tools/versioning, op_version.cc and runtime_version.cc
struct Row {
  Builtin code;
  int int8 = 1, int16 = 1;       ///< the lowest version on values of these types
  std::string_view runtimes{};   ///< the oldest one with each version from 1 on; "-" for a version that is never written
  /// The lowest version that attributes and other operands need.
  int (*version)(const ModelInfo&, const OperatorInfo&) = nullptr;
};

/// Version of operators that repeat the smaller of two operands: the runtimes count those of more than four dimensions
/// apart.
inline int broadcast_version(const ModelInfo& m, const OperatorInfo& o) {
  const auto &x = m.input(o, 0).shape, &y = m.input(o, 1).shape;
  return x != y && std::max(x.size(), y.size()) > 4 ? 3 : 1;
}

/// The n-th word of a text, from 0; empty if there are fewer.
constexpr std::string_view word(std::string_view text, std::size_t n) {
  for (; n > 0 && !text.empty(); --n) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
  return text.substr(0, text.find(' '));
}

}  // namespace stet::tflite
