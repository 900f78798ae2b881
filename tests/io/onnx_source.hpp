// ONNX descriptions made by hand, and what became of them.
#pragma once

#include <stet/io/load_onnx.hpp>

#include "support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

namespace stet_test {

using stet::Errc;
using stet::Error;
using stet::ImportOptions;
using stet::Model;
using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Kinds = std::vector<std::string>;

// A description under construction: x is the input, outputs are named by finish().
struct OnnxSource {
  stet::onnx::ModelInfo model{.ir_version = 8, .opsets = {{"", 17}}, .graph_name = "g"};

  explicit OnnxSource(const Ints& dims, std::int64_t batch = -1) {
    stet::onnx::ValueInfo v{"x", stet::onnx::DataType::float32, true, {{batch, batch < 0 ? "N" : ""}}};
    for (const std::int64_t d : dims) v.dims.push_back({d, {}});
    model.inputs.push_back(v);
  }
  template <class T>
  std::string constant(const std::string& name, Ints dims, const std::vector<T>& values) {
    model.initializers.push_back(stet::onnx::make_tensor(name, std::move(dims), std::span<const T>(values)));
    return name;
  }
  // Constants that count from 0.
  std::string ramp(const std::string& name, const Ints& dims) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    Floats values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(i));
    return constant(name, dims, values);
  }
  std::string node(const std::string& type, std::vector<std::string> inputs,
                   std::vector<stet::onnx::AttributeInfo> attributes = {}) {
    const std::string name = type + std::to_string(model.nodes.size());
    model.nodes.push_back({name, type, {}, std::move(inputs), {name + "_out"}, std::move(attributes)});
    return name + "_out";
  }
  Model load(const std::string& output, const ImportOptions& options = {}) {
    model.outputs = {{output, stet::onnx::DataType::float32, false, {}}};
    return import_onnx(model, "made.onnx", options);
  }
  std::string refusal(const std::string& output, const ImportOptions& options = {}) {
    try {
      (void)load(output, options);
    } catch (const Error& e) {
      CHECK(e.code() == Errc::unsupported);
      CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("made.onnx"));
      return e.what();
    }
    return "accepted";
  }
};

inline Kinds kinds(const Model& m) {
  Kinds list;
  for (const auto& n : m.graph().nodes()) list.emplace_back(kind(n.op));
  return list;
}
inline Floats values(const Model& m, const std::string& name) {
  const auto s = m.parameter(name).value.span();
  return {s.begin(), s.end()};
}

}  // namespace stet_test
