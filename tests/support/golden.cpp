// Reads the files of the golden sets.
#include "support/golden.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#ifndef STET_GOLDEN_DIR
#define STET_GOLDEN_DIR "tests/golden"
#endif

namespace stet_test {

namespace {

GoldenValue value_of(const nlohmann::json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return GoldenValue(json.get<bool>() ? 1.0 : 0.0);
  if (json.is_number()) return GoldenValue(json.get<double>());
  if (json.is_string()) return GoldenValue(json.get<std::string>());
  if (json.is_object()) return GoldenValue(json.dump());  // index ranges for readers; no test needs them
  std::vector<GoldenValue> list;
  for (const auto& entry : json) list.push_back(value_of(entry));
  return GoldenValue(std::move(list));
}

}  // namespace

std::string golden_directory() { return STET_GOLDEN_DIR; }

GoldenArray read_npy(const std::string& path) {
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

std::vector<GoldenCase> load_golden(const std::string& set) {
  const std::string path = golden_directory() + "/" + set + "/cases.json";
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  const auto json = nlohmann::json::parse(in);
  std::vector<GoldenCase> cases;
  for (const auto& c : json.at("cases")) {
    GoldenCase g{set, c.at("name"), c.value("note", ""), {}, {}, {}};
    for (const auto& [key, value] : c.at("params").items()) g.params.values[key] = value_of(value);
    for (const auto& [key, file] : c.at("inputs").items()) g.input_entries[key].file = file.get<std::string>();
    for (const auto& [key, e] : c.at("expected").items())
      g.expected_entries[key] = {e.at("file"), e.at("class"), e.value("why", ""), e.value("tol", 0.0)};
    cases.push_back(std::move(g));
  }
  return cases;
}

}  // namespace stet_test
