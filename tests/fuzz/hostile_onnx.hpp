// Small .onnx files that ask for much.
#pragma once

#include <stet/io/onnx/encode.hpp>
#include <stet/io/protobuf/writer.hpp>

#include "hostile_file.hpp"

#include <functional>

namespace stet_test {

/// A description in the making: x is the input, and one value after the other is made of the last.
class HostileOnnx {
 public:
  using Ints = std::vector<std::int64_t>;
  stet::onnx::ModelInfo info{.ir_version = 8, .opsets = {{"", 17}}, .graph_name = "g"};

  explicit HostileOnnx(const Ints& dims) {
    stet::onnx::ValueInfo v{"x", stet::onnx::DataType::float32, true, {{-1, "N"}}};
    for (const std::int64_t d : dims) v.dims.push_back({d, {}});
    info.inputs.push_back(v);
  }
  template <class T>
  std::string constant(const std::string& name, Ints dims, const std::vector<T>& values) {
    info.initializers.push_back(stet::onnx::make_tensor(name, std::move(dims), std::span<const T>(values)));
    return name;
  }
  std::string floats(const std::string& name, const Ints& dims, float value = 0.5f) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    std::vector<float> all(static_cast<std::size_t>(n), value);
    all[0] = 1.0f;
    return constant(name, dims, all);
  }
  std::string node(const std::string& type, std::vector<std::string> inputs, std::vector<stet::onnx::AttributeInfo> attributes = {},
                   const std::string& name = {}) {
    const std::string output = "v" + std::to_string(info.nodes.size());
    info.nodes.push_back({name, type, {}, std::move(inputs), {output}, std::move(attributes)});
    return output;
  }
  /// A chain of `count` values, each made by `step` of the one before.
  std::string chain(int count, std::string value, const std::function<std::string(const std::string&)>& step) {
    for (int i = 0; i < count; ++i) value = step(value);
    return value;
  }
  HostileFile file(const std::string& what, const std::string& output) {
    info.outputs.push_back({output, stet::onnx::DataType::float32, false, {}});
    return {what, stet::onnx::encode(info)};
  }
};

/// A graph that is `count` times the same message, of two bytes each.
inline HostileFile repeated_message(const std::string& what, const std::string& message, std::size_t count, bool in_node) {
  std::string inner;
  for (std::size_t i = 0; i < count; ++i) inner += message;
  const auto framed = [](char tag, const std::string& text) {
    std::string all(1, tag);
    for (std::size_t n = text.size();; n >>= 7) {
      all += static_cast<char>(n < 128 ? n : (n & 127) | 128);
      if (n < 128) return all + text;
    }
  };
  if (in_node) inner = framed('\x0a', inner);
  const std::string all = framed('\x3a', inner);
  return {what, {all.begin(), all.end()}};
}

inline std::vector<HostileFile> hostile_onnx() {
  using Ints = HostileOnnx::Ints;
  using stet::onnx::attribute;
  std::vector<HostileFile> files;
  const auto axis = [](std::int64_t a) { return attribute("axis", a); };
  {
    HostileOnnx s({8});
    const auto c = s.chain(27, s.constant("c", {8}, Ints(8, 1)), [&](auto& v) { return s.node("Concat", {v, v}, {axis(0)}); });
    files.push_back(s.file("joins a constant with itself, 27 times", s.node("Reshape", {"x", c})));
  }
  {
    HostileOnnx s({8});
    const auto c = s.constant("c", {8192}, Ints(8192, 1));
    files.push_back(s.file("joins one constant 40,000 times", s.node("Reshape", {"x", s.node("Concat", std::vector(40000, c), {axis(0)})})));
  }
  for (const bool dropout : {false, true}) {
    HostileOnnx s({8});
    auto v = dropout ? s.node("Dropout", {"x"}) : std::string("x");
    v = s.chain(40, v, [&](auto& w) { return s.node("Concat", {w, w}, {axis(1)}); });
    files.push_back(s.file("joins a value with itself, 40 times", v));
    HostileOnnx longer({8});
    files.push_back(longer.file("joins a value with itself, 70 times",
                                longer.chain(70, "x", [&](auto& w) { return longer.node("Concat", {w, w}, {axis(1)}); })));
  }
  for (const char* name : {"a", ""}) {
    HostileOnnx s({8});
    files.push_back(s.file("12,000 nodes of one name", s.chain(12000, "x", [&](auto& v) { return s.node("Relu", {v}, {}, name); })));
  }
  {
    HostileOnnx s({64});
    const auto w = s.floats("w.weight", {64, 64});
    files.push_back(s.file("12,000 products with one weight", s.chain(12000, "x", [&](auto& v) { return s.node("MatMul", {v, w}); })));
  }
  {
    HostileOnnx s({4096});
    const auto one = s.constant("one", {4096}, std::vector<float>(4096, 1.0f));
    files.push_back(s.file("12,000 batch norms of one constant", s.chain(12000, "x", [&](auto& v) {
      return s.node("BatchNormalization", {v, one, one, one, one});
    })));
  }
  for (const char* type : {"Transpose", "Identity", "Cast", "Unsqueeze", "Squeeze"}) {
    HostileOnnx s({128});
    const auto w = s.floats("w", {128, 128});
    std::vector<stet::onnx::AttributeInfo> attributes;
    if (std::string(type) == "Cast") attributes = {attribute("to", std::int64_t{1})};
    if (std::string(type) == "Unsqueeze") attributes = {attribute("axes", Ints{0})};
    const auto c = s.chain(10000, w, [&](auto& v) { return s.node(type, {v}, attributes); });
    files.push_back(s.file(std::string("10,000 times ") + type + " of a constant", s.node("Gemm", {"x", c})));
  }
  for (const bool layer : {false, true}) {
    HostileOnnx s({64, 4, 4});
    const auto c = s.floats("c", {64, 1, 1}), all = s.floats("all", {64, 4, 4});
    auto v = layer ? s.node("Conv", {"x", s.floats("w", {64, 64, 1, 1})}) : s.node("Relu", {"x"});
    v = s.chain(6000, v, [&](auto& w) { return s.node("Mul", {s.node("Add", {w, c}), c}); });
    files.push_back(s.file("12,000 constants per channel", v));
    HostileOnnx t({64, 4, 4});
    t.floats("c", {64, 4, 4});
    files.push_back(t.file("6,000 constants per element", t.chain(6000, "x", [&](auto& w) { return t.node("Mul", {w, "c"}); })));
    HostileOnnx u({64, 4, 4});
    u.floats("c", {1});
    files.push_back(u.file("6,000 depthwise layers of a number", u.chain(6000, "x", [&](auto& w) { return u.node("Mul", {u.node("Relu", {w}), "c"}); })));
  }
  {
    HostileOnnx s({8});
    s.constant("big", {2}, Ints{65536, 65536});
    s.constant("one", {1}, Ints{1});
    s.constant("many", {}, Ints{65536});
    s.constant("zero", {}, Ints{0});
    s.constant("step", {}, Ints{1});
    s.constant("none", {1048576, 0}, Ints{});
    std::vector<std::string> made;
    for (int i = 0; i < 4000; ++i) {
      const auto range = s.node("Range", {"zero", "many", "step"});
      made.push_back(s.node("Where", {s.node("Equal", {range, range}), range, s.node("Expand", {range, "big"})}));
      made.push_back(s.node("Slice", {"none", "zero", "many"}));
    }
    files.push_back(s.file("ranges, choices and expansions", s.node("Reshape", {"x", s.node("Concat", made, {axis(0)})})));
    HostileOnnx t({8});
    t.constant("none", {1048576, 0}, Ints{});
    files.push_back(t.file("joins nothing 10,000 times", t.node("Reshape", {"x", t.node("Concat", std::vector<std::string>(10000, "none"), {axis(1)})})));
  }
  {
    const auto scale = [](HostileOnnx& s, int i) { return s.constant("scale" + std::to_string(i), {}, std::vector<float>{0.01f + 1e-6f * static_cast<float>(i)}); };
    const auto coded = [&](HostileOnnx& s, const std::string& v, const std::string& by) { return s.node("DequantizeLinear", {s.node("QuantizeLinear", {v, by}), by}); };
    HostileOnnx s({8});
    int count = 0;
    files.push_back(s.file("5,000 scales one after the other", s.chain(5000, "x", [&](auto& v) { return coded(s, v, scale(s, count++)); })));
    HostileOnnx t({8});
    const auto first = coded(t, "x", scale(t, 0));
    std::vector<std::string> parts;
    for (int i = 1; i < 5000; ++i) parts.push_back(coded(t, first, scale(t, i)));
    files.push_back(t.file("5,000 scales of a value, joined", coded(t, t.node("Concat", parts, {axis(1)}), scale(t, 0))));
    HostileOnnx u({65536});
    const auto one = scale(u, 0), big = u.node("DequantizeLinear", {u.constant("c", {65536}, std::vector<std::uint8_t>(65536, 1)), one});
    files.push_back(u.file("4,000 sums with a constant of codes", u.chain(4000, coded(u, "x", one), [&](auto& v) { return coded(u, u.node("Add", {v, big}), one); })));
    HostileOnnx w({256});
    const auto by = scale(w, 0);
    std::vector<std::string> layers;
    const auto codes = w.constant("w", {256, 256}, std::vector<std::int8_t>(65536, 1));
    const auto in = coded(w, "x", by), matrix = w.node("DequantizeLinear", {codes, by});
    for (int i = 0; i < 4000; ++i) layers.push_back(coded(w, w.node("MatMul", {in, matrix}), by));
    files.push_back(w.file("4,000 layers of one matrix of codes", w.node("Concat", layers, {axis(1)})));
    HostileOnnx y({8});
    std::vector<std::string> readers;
    for (int i = 0; i < 12000; ++i) readers.push_back(y.node("QuantizeLinear", {"x", "scale0"}));
    scale(y, 0);
    files.push_back(y.file("12,000 codes of one value", y.node("DequantizeLinear", {y.node("Concat", readers, {axis(1)}), "scale0"})));
  }
  {
    HostileOnnx s({4096, 2, 2});
    files.push_back(s.file("LRN of 4,096 channels, 500 times", s.chain(500, "x", [&](auto& v) { return s.node("LRN", {v}, {attribute("size", std::int64_t{4096})}); })));
    HostileOnnx t({4, 60000, 60000});
    const auto one = t.floats("one", {4});
    files.push_back(t.file("an instance norm of a huge image", t.node("InstanceNormalization", {"x", one, one})));
    HostileOnnx u({256, 4, 4});
    const auto matrices = u.floats("m", {256, 4, 4});
    files.push_back(u.file("2,000 times 256 matrices", u.chain(2000, "x", [&](auto& v) { return u.node("MatMul", {v, matrices}); })));
    HostileOnnx w({1, 4000, 4000});
    files.push_back(w.file("windows with gaps, cut by padding", w.chain(50, "x", [&](auto& v) {
      return w.node("MaxPool", {v}, {attribute("kernel_shape", Ints{64, 64}), attribute("dilations", Ints{50, 50}), attribute("pads", Ints(4, 3000))});
    })));
  }
  {
    HostileOnnx s({8});
    std::vector<std::string> made;
    const auto shape = s.constant("s", {1}, Ints{65536});
    for (int i = 0; i < 4000; ++i) made.push_back(s.node("ConstantOfShape", {shape}, {}));
    files.push_back(s.file("4,000 constants of a shape", s.node("Concat", made, {axis(0)})));
  }
  {
    HostileOnnx s({8});
    const auto axes = s.constant("a", {20000}, Ints(20000, -1));
    files.push_back(s.file("2,000 times 20,000 new dimensions", s.chain(2000, "x", [&](auto& v) { return s.node("Unsqueeze", {v, axes}); })));
  }
  {
    HostileOnnx s({8});
    const auto c = s.constant("c", {60000}, Ints(60000, 1)), one = s.constant("n", {1}, Ints{1}), end = s.constant("e", {1}, Ints{59999});
    const auto d = s.chain(12000, c, [&](auto& v) { return s.node("Slice", {v, one, end}); });
    files.push_back(s.file("12,000 slices", s.node("Reshape", {"x", d})));
    HostileOnnx t({8});
    const auto data = t.constant("c", {60000}, Ints(60000, 1));
    files.push_back(t.file("4,000 gathers", t.node("Reshape", {"x", t.chain(4000, data, [&](auto& v) { return t.node("Gather", {v, data}); })})));
  }
  {
    HostileOnnx s({8});
    std::vector<std::string> parts;
    for (int i = 0; i < 12000; ++i) parts.push_back(s.node("Relu", {"x"}));
    files.push_back(s.file("12,000 readers of a value, joined", s.node("Concat", parts, {axis(1)})));
    HostileOnnx t({8});
    std::string last;
    for (int i = 0; i < 12000; ++i) {
      last = t.node("Relu", {"x"});
      t.info.outputs.push_back({last, stet::onnx::DataType::float32, false, {}});
    }
    files.push_back(t.file("12,000 outputs", t.node("Relu", {last})));
    HostileOnnx u({8});
    for (int i = 0; i < 12000; ++i) u.info.inputs.push_back({"x" + std::to_string(i), stet::onnx::DataType::float32, true, {{-1, "N"}, {8, {}}}});
    files.push_back(u.file("12,000 inputs", u.node("Relu", {"x"})));
    HostileOnnx w({8});
    const auto far = w.chain(12000, "x", [&](auto& v) { return w.node("Add", {v, "x"}); });
    files.push_back(w.file("12,000 readers of the input in a chain", far));
  }
  {
    HostileOnnx s({6, 4});
    std::vector<std::string> views;
    for (int i = 0; i < 6000; ++i) {
      Ints dims{0};
      for (int bit = 0; bit < 13; ++bit) dims.push_back((i >> bit & 1) != 0 ? 1 : bit == 5 ? 2 : 1);
      dims.push_back(-1);
      const auto v = s.node("Reshape", {"x", s.constant("s" + std::to_string(i), {static_cast<std::int64_t>(dims.size())}, dims)});
      views.push_back(s.node("ReduceMean", {v}, {attribute("axes", Ints{-1}), attribute("keepdims", std::int64_t{0})}));
    }
    files.push_back(s.file("6,000 views of a value", s.node("Concat", views, {axis(1)})));
  }
  for (const std::int64_t many : {1, 65535}) {
    HostileOnnx s({1, 8, 8});
    const auto w = s.floats("w", {1, 1, 3, 3});
    const Ints pads(4, 65535), two{many, many};
    files.push_back(s.file("a convolution with wide padding", s.node("Conv", {"x", w}, {attribute("pads", pads), attribute("strides", two)})));
    HostileOnnx t({1, 8, 8});
    files.push_back(t.file("a convolution with wide gaps", t.node("Conv", {"x", t.floats("w", {1, 1, 3, 3})},
                                                                    {stet::onnx::AttributeInfo{.name = "auto_pad", .type = stet::onnx::AttributeType::text, .text = "SAME_UPPER"}, attribute("dilations", Ints{65535, 65535}), attribute("strides", two)})));
    HostileOnnx u({1, 8, 8});
    files.push_back(u.file("a pool over wide padding", u.node("MaxPool", {"x"}, {attribute("kernel_shape", Ints{65535, 65535}), attribute("pads", Ints(4, 65534)), attribute("strides", two)})));
    HostileOnnx v({1, 8, 8});
    files.push_back(v.file("pads a value 1,000 times", v.chain(1000, "x", [&](auto& y) {
      return v.node("Pad", {y}, {attribute("pads", Ints{0, 0, 65535, 65535, 0, 0, 65535, 65535})});
    })));
  }
  {
    HostileOnnx s({256});
    const auto w = s.floats("w", {256, 256}), b = s.floats("b", {7});
    std::vector<std::string> failed;
    for (int i = 0; i < 12000; ++i) failed.push_back(s.node("Gemm", {"x", w, b}));
    files.push_back(s.file("12,000 nodes that fail", s.node("Concat", failed, {axis(1)})));
  }
  {
    HostileOnnx s({8});
    for (int i = 0; i < 8; ++i) s.constant("c" + std::to_string(i), {1 << 17}, std::vector<std::int8_t>(1 << 17, 1));
    files.push_back(s.file("whole numbers of one byte", s.node("Relu", {"x"})));
  }
  {
    HostileOnnx s({8});
    for (int i = 0; i < 30000; ++i) s.constant("c" + std::to_string(i), {0}, std::vector<float>());
    files.push_back(s.file("30,000 empty initializers", s.node("Relu", {"x"})));
  }
  using namespace std::string_literals;
  files.push_back(repeated_message("a million nodes of two bytes", "\x0a\x00"s, 1000000, false));
  files.push_back(repeated_message("a million values of two bytes", "\x6a\x00"s, 1000000, false));
  files.push_back(repeated_message("a million attributes of two bytes", "\x2a\x00"s, 1000000, true));
  files.push_back(repeated_message("a million empty names", "\x0a\x00"s, 1000000, true));
  return files;
}

}  // namespace stet_test
