// Reads the golden sets of tests/golden and compares results with them by their tolerance classes.
//
//   for (const auto& c : load_golden("qparams")) {
//     const auto lo = c.inputs("min").as<float>();                     // converted element by element
//     const int qmin = c.params.at("quant_min").get<int>();
//     check_golden(c, "scale", my_scales);                             // vector or span of any arithmetic type
//   }
//
// Without CMake, one room's tests build with
//   f="-std=c++20 -O2 -Iinclude -Itests"; g++ $f tests/support/main.cpp tests/ROOM/*_test.cpp -lfmt
// in the repository root (golden sets are then found in tests/golden; CMake gives an absolute path). Include this file as
// "support/golden.hpp".
#pragma once

#include "support/catch.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#ifndef STET_GOLDEN_DIR
#define STET_GOLDEN_DIR "tests/golden"
#endif

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

/// Reads a .npy file of version 1.0, little-endian, C order.
inline GoldenArray read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::string file{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto bad = [&](const char* what) { return std::runtime_error(path + ": " + what); };
  if (file.size() < 10 || file.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0)
    throw bad("not .npy version 1.0");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  const std::size_t start = 10 + byte(8) + 256 * byte(9);
  if (file.size() < start) throw bad("short header");
  const std::string header = file.substr(10, start - 10);
  if (header.find("'fortran_order': False") == std::string::npos) throw bad("not in C order");

  GoldenArray a;
  const auto descr = header.find("'descr': '");
  const auto open = header.find("'shape': (");
  if (descr == std::string::npos || open == std::string::npos) throw bad("header without descr or shape");
  a.type = header.substr(descr + 11, 2);  // behind '<' or '|'
  std::stringstream dims(header.substr(open + 10, header.find(')', open) - open - 10));
  for (std::string d; std::getline(dims, d, ',');)
    if (d.find_first_not_of(' ') != std::string::npos) a.shape.push_back(std::stoll(d));
  a.bytes.assign(file.begin() + static_cast<std::ptrdiff_t>(start), file.end());
  if (a.bytes.size() != a.size() * static_cast<std::size_t>(a.type.at(1) - '0')) throw bad("size does not match shape");
  return a;
}

/// One case of a set. Arrays are read when asked for.
struct GoldenCase {
  struct Entry {
    std::string file, tolerance = "exact", why;  // tolerance: exact, abs, rel, info
    double tol = 0;
  };

  std::string set, name, note;
  nlohmann::json params;
  std::map<std::string, Entry> input_entries, expected_entries;

  bool has_input(const std::string& key) const { return input_entries.count(key) != 0; }
  bool has_expected(const std::string& key) const { return expected_entries.count(key) != 0; }
  GoldenArray inputs(const std::string& key) const { return read(find(input_entries, key)); }
  GoldenArray expected(const std::string& key) const { return read(find(expected_entries, key)); }
  const Entry& expected_entry(const std::string& key) const { return find(expected_entries, key); }

 private:
  GoldenArray read(const Entry& e) const { return read_npy(std::string(STET_GOLDEN_DIR) + "/" + set + "/" + e.file); }
  const Entry& find(const std::map<std::string, Entry>& entries, const std::string& key) const {
    const auto it = entries.find(key);
    if (it == entries.end()) throw std::runtime_error("golden case " + set + "/" + name + " has no array " + key);
    return it->second;
  }
};

/// Reads tests/golden/<set>/cases.json.
inline std::vector<GoldenCase> load_golden(const std::string& set) {
  const std::string path = std::string(STET_GOLDEN_DIR) + "/" + set + "/cases.json";
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  const auto json = nlohmann::json::parse(in);
  std::vector<GoldenCase> cases;
  for (const auto& c : json.at("cases")) {
    GoldenCase g{set, c.at("name"), c.value("note", ""), c.at("params"), {}, {}};
    for (const auto& [key, file] : c.at("inputs").items()) g.input_entries[key].file = file.get<std::string>();
    for (const auto& [key, e] : c.at("expected").items())
      g.expected_entries[key] = {e.at("file"), e.at("class"), e.value("why", ""), e.value("tol", 0.0)};
    cases.push_back(std::move(g));
  }
  return cases;
}

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
