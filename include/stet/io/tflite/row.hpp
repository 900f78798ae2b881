#pragma once
// Row: what stet knows of one builtin operator of the format. Each family of operators has a table of them.

#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <string_view>

namespace stet::tflite {

class Site;
class FloatImporter;
class IntegerImporter;

template <class Importer>
using Read = void (*)(const Site&, Importer&);

/// How an operator is read into a float model and into one of codes; null where no model of stet has it.
struct Reads {
  Read<FloatImporter> real = nullptr;
  Read<IntegerImporter> codes = nullptr;
};

/// One function that reads both: f(site, Importer&).
template <auto f>
inline constexpr Reads reads{[](const Site& s, FloatImporter& in) { f(s, in); },
                             [](const Site& s, IntegerImporter& in) { f(s, in); }};

/// Source:    LiteRT converter/tools/versioning, op_version.cc and runtime_version.cc; tensorflow/tflite-micro,
///            tensorflow/lite/micro/micro_mutable_op_resolver.h
struct Row {
  Builtin code;
  Reads reads{};
  // What is written of it:
  int int8 = 1, int16 = 1;      ///< the lowest version on values of these types
  std::string_view runtimes{};  ///< the oldest one with each version from 1 on; "-" for a version that is never written
  std::string_view resolver{};  ///< function of TFLM's MicroMutableOpResolver that registers it; empty: none
  /// The lowest version that attributes and other operands need.
  int (*version)(const ModelInfo&, const OperatorInfo&) = nullptr;
  bool any_type = false;  ///< whether it makes other types than float32 in a float model too
};

/// Version of operators that repeat the smaller of two operands: the runtimes count those of more than four dimensions
/// apart.
inline int broadcast_version(const ModelInfo& m, const OperatorInfo& o) {
  const auto &x = m.input(o, 0).shape, &y = m.input(o, 1).shape;
  return x != y && std::max(x.size(), y.size()) > 4 ? 3 : 1;
}

}  // namespace stet::tflite
