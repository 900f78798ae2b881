// Reads the golden sets of tests/golden and compares results with them by their tolerance classes.
//
//   for (const auto& c : load_golden("qparams")) {
//     const auto lo = c.inputs("min").as<float>();                     // converted element by element
//     const int qmin = c.params.at("quant_min").get<int>();
//     check_golden(c, "scale", my_scales);                             // vector or span of any arithmetic type
//   }
//
// Without CMake, one room's tests build with
//   f="-std=c++20 -O2 -Iinclude -Itests"; g++ $f tests/support/{main,golden}.cpp tests/ROOM/*_test.cpp -lfmt
// in the repository root (golden sets are then found in tests/golden; CMake gives an absolute path). Include this file as
// "support/golden.hpp".
#pragma once

#include "support/catch.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet_test {

static_assert(std::endian::native == std::endian::little, "the .npy reader of the tests expects little-endian memory");

/// An array as it lies in a .npy file: element type, shape, raw bytes.
struct GoldenArray {
  std::string type;  // f4 f8 i4 i8 i1 u1
  std::vector<std::int64_t> shape;
  std::vector<char> bytes;

  std::size_t size() const {
    std::size_t n = 1;
    for (const auto d : shape) n *= static_cast<std::size_t>(d);
    return n;
  }

  /// Returns the elements in row-major order, each converted to T.
  template <class T>
  std::vector<T> as() const {
    if (type == "f4") return convert<T, float>();
    if (type == "f8") return convert<T, double>();
    if (type == "i4") return convert<T, std::int32_t>();
    if (type == "i8") return convert<T, std::int64_t>();
    if (type == "i1") return convert<T, std::int8_t>();
    if (type == "u1") return convert<T, std::uint8_t>();
    throw std::runtime_error("golden array of element type " + type);
  }

 private:
  template <class T, class Stored>
  std::vector<T> convert() const {
    std::vector<T> out(size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      Stored v;
      std::memcpy(&v, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      out[i] = static_cast<T>(v);
    }
    return out;
  }
};

/// The folder of the sets.
std::string golden_directory();

/// Reads a .npy file of version 1.0, little-endian, C order.
GoldenArray read_npy(const std::string& path);

/// A parameter of a case: a number, truth value, text, list, or nothing. (The JSON library is included in golden.cpp only:
/// it costs seconds in every unit.)
class GoldenValue {
 public:
  enum class Kind { null, number, text, list };

  GoldenValue() = default;
  explicit GoldenValue(double number) : kind_(Kind::number), number_(number) {}
  explicit GoldenValue(std::string text) : kind_(Kind::text), text_(std::move(text)) {}
  explicit GoldenValue(std::vector<GoldenValue> list) : kind_(Kind::list), list_(std::move(list)) {}

  bool is_null() const { return kind_ == Kind::null; }
  bool is_array() const { return kind_ == Kind::list; }
  std::size_t size() const { return list_.size(); }
  const GoldenValue& at(std::size_t i) const { return list_.at(i); }
  const GoldenValue& operator[](std::size_t i) const { return list_.at(i); }
  template <class T>
  T get() const {
    if constexpr (std::is_arithmetic_v<T>) {
      if (kind_ != Kind::number) throw std::runtime_error("golden parameter is no number");
      return static_cast<T>(number_);
    } else {
      if (kind_ != Kind::text) throw std::runtime_error("golden parameter is no text");
      return text_;
    }
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  operator T() const {  // NOLINT: implicit, as options are filled from parameters
    return get<T>();
  }
  friend bool operator==(const GoldenValue& v, const char* text) { return v.kind_ == Kind::text && v.text_ == text; }
  friend bool operator==(const GoldenValue& v, bool b) { return v.kind_ == Kind::number && v.number_ == (b ? 1 : 0); }
  friend bool operator==(const GoldenValue& v, int i) { return v.kind_ == Kind::number && v.number_ == i; }

 private:
  Kind kind_ = Kind::null;
  double number_ = 0;  // of JSON's integers too: none here has more than 53 bits
  std::string text_;
  std::vector<GoldenValue> list_;
};

class GoldenParams {
 public:
  const GoldenValue& at(const std::string& key) const {
    const auto it = values.find(key);
    if (it == values.end()) throw std::runtime_error("golden case has no parameter " + key);
    return it->second;
  }
  bool contains(const std::string& key) const { return values.count(key) != 0; }
  template <class T>
  T value(const std::string& key, T otherwise) const {
    return contains(key) ? at(key).get<T>() : otherwise;
  }

  std::map<std::string, GoldenValue> values;
};

/// One case of a set. Arrays are read when asked for.
struct GoldenCase {
  struct Entry {
    std::string file, tolerance = "exact", why;  // tolerance: exact, abs, rel, info
    double tol = 0;
  };

  std::string set, name, note;
  GoldenParams params;
  std::map<std::string, Entry> input_entries, expected_entries;

  bool has_input(const std::string& key) const { return input_entries.count(key) != 0; }
  bool has_expected(const std::string& key) const { return expected_entries.count(key) != 0; }
  GoldenArray inputs(const std::string& key) const { return read(find(input_entries, key)); }
  GoldenArray expected(const std::string& key) const { return read(find(expected_entries, key)); }
  const Entry& expected_entry(const std::string& key) const { return find(expected_entries, key); }

 private:
  GoldenArray read(const Entry& e) const { return read_npy(golden_directory() + "/" + set + "/" + e.file); }
  const Entry& find(const std::map<std::string, Entry>& entries, const std::string& key) const {
    const auto it = entries.find(key);
    if (it == entries.end()) throw std::runtime_error("golden case " + set + "/" + name + " has no array " + key);
    return it->second;
  }
};

/// Reads tests/golden/<set>/cases.json.
std::vector<GoldenCase> load_golden(const std::string& set);

/// Returns "" if got matches the expected array by its tolerance class, else the first difference in words.
template <class T>
std::string golden_difference(const GoldenCase& c, const std::string& key, std::span<const T> got) {
  static_assert(std::is_arithmetic_v<T>);
  const auto& entry = c.expected_entry(key);
  if (entry.tolerance == "info") return "";
  const auto want = c.expected(key).template as<long double>();  // holds int64 and double exactly on x86-64
  std::ostringstream out;
  out.precision(17);
  if (got.size() != want.size()) {
    out << c.set << "/" << c.name << " " << key << ": " << got.size() << " elements, expected " << want.size();
    return out.str();
  }
  std::size_t differing = 0, first = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto g = static_cast<long double>(got[i]), w = want[i];
    bool same = g == w || (std::isnan(g) && std::isnan(w));  // equal infinities, -0 and +0 included
    if (!same && entry.tolerance == "abs") same = std::abs(g - w) <= static_cast<long double>(entry.tol);
    if (!same && entry.tolerance == "rel") {
      const auto slack = static_cast<long double>(entry.tol) * std::abs(w);
      same = key == "mse" ? g - w <= slack : std::abs(g - w) <= slack;  // a smaller error is no fault
    }
    if (!same && differing++ == 0) first = i;
  }
  if (differing == 0) return "";
  out << c.set << "/" << c.name << " " << key << "[" << first << "]: got " << static_cast<long double>(got[first])
      << ", expected " << want[first] << " (" << entry.tolerance << " " << entry.tol << "); " << differing << " of "
      << want.size() << " differ";
  return out.str();
}

/// Checks got (vector, span or array of any arithmetic type) against the expected array `key` of the case.
template <std::ranges::contiguous_range Range>
void check_golden(const GoldenCase& c, const std::string& key, const Range& got) {
  using T = std::ranges::range_value_t<Range>;
  const std::string difference = golden_difference<T>(c, key, {std::ranges::data(got), std::ranges::size(got)});
  INFO(difference);
  CHECK(difference.empty());
}

}  // namespace stet_test

using stet_test::check_golden;
using stet_test::GoldenArray;
using stet_test::GoldenCase;
using stet_test::load_golden;
using stet_test::GoldenParams;
using stet_test::GoldenValue;
