// What save_onnx writes: read back and looked at, without a runtime.
#include <stet/graph/builder.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/save_onnx.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace onnx_save_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using onnx::DataType;
using onnx::NodeInfo;
using onnx::TensorInfo;

namespace {

// A file with look-ups by name.
struct File {
  onnx::ModelInfo model;
  explicit File(const std::vector<std::uint8_t>& bytes) : model(onnx::decode(bytes, "written.onnx")) {}

  const NodeInfo& node(const std::string& name) const {
    for (const NodeInfo& n : model.nodes) {
      if (n.name == name) return n;
    }
    FAIL("no node " << name);
    std::abort();
  }
  const NodeInfo& maker(const std::string& value) const {
    for (const NodeInfo& n : model.nodes) {
      if (n.outputs[0] == value) return n;
    }
    FAIL("nobody makes " << value);
    std::abort();
  }
  const TensorInfo& constant(const std::string& name) const {
    for (const TensorInfo& t : model.initializers) {
      if (t.name == name) return t;
    }
    FAIL("no constant " << name);
    std::abort();
  }
  template <class T>
  std::vector<T> numbers(const std::string& name) const {
    const TensorInfo& t = constant(name);
    std::vector<T> v(t.data.size() / sizeof(T));
    std::memcpy(v.data(), t.data.data(), t.data.size());
    return v;
  }
  std::vector<std::string> types() const {
    std::vector<std::string> list;
    for (const NodeInfo& n : model.nodes) list.push_back(n.op_type);
    return list;
  }
  std::vector<std::int64_t> integers(const std::string& node_name, const std::string& attribute) const {
    for (const auto& a : node(node_name).attributes) {
      if (a.name == attribute) return a.integers;
    }
    FAIL(node_name << " has no " << attribute);
    return {};
  }
  // Names are unique, every input is made before it is read, all nodes have names.
  void check_order() const {
    std::set<std::string> known, nodes;
    const auto add = [&](const std::string& name) { CHECK(known.insert(name).second); };
    for (const auto& v : model.inputs) add(v.name);
    for (const auto& t : model.initializers) add(t.name);
    for (const NodeInfo& n : model.nodes) {
      CAPTURE(n.name);
      CHECK(nodes.insert(n.name).second);
      for (const auto& in : n.inputs) CHECK(known.contains(in));
      for (const auto& out : n.outputs) add(out);
    }
    for (const auto& v : model.outputs) CHECK(known.contains(v.name));
  }
};

Model every_operator() {
  Graph g;
  auto x = g.input({8, 6, 4}).named("image");
  auto y = conv2d(x, {.filters = 8, .kernel = {3, 2}, .stride = {2, 1}, .groups = 2, .bias = false}).named("conv");
  y = relu(batch_norm(y).named("bn"));
  y = relu6(
      depthwise_conv2d(y, {.kernel = 3, .padding = Padding::of(1, 0, 2, 1), .dilation = {1, 2}, .multiplier = 2}));
  y = leaky_relu(pad(y, {.top = 1, .right = 2}));
  auto a = max_pool(sigmoid(y), {.size = {2, 3}, .padding = Padding::same()});
  auto b = average_pool(tanh(y), {.size = {2, 3}, .padding = Padding::same(), .count_padding = true});
  auto c = stet::concat({a, hard_swish(b), a * b, a - b}, 2);
  c = transpose(reshape(c, {c.shape()[0] * c.shape()[1], c.shape()[2]}), {1, 0});
  auto d = matmul(transpose(c, {1, 0}), softmax(c));
  auto e = linear(batch_norm(d), {.units = 5});
  auto f = linear(dropout(flatten(max_pool(x, {.size = 2}))), {.units = 7}).named("from_image");
  g.output(mean(e, {0}).named("mean"));
  g.output(sum(e, {0, 1}, true).named("sum"));
  g.output(log_softmax(f).named("log"));
  g.output(global_average_pool(x).named("pooled"));
  g.output(relu(conv2d(x, {.filters = 3})).named("map"));
  return Model(std::move(g), Rng(1));
}

// Quantize -> conv -> max pool -> mean -> linear, with a residual.
IntegerModel small_model() {
  IntegerModel m;
  m.target = targets::onnxruntime;
  const auto value = [&](const char* name, const Shape& shape, float scale, int zero) {
    m.values.push_back({name, shape, {scale, zero}});
    return static_cast<int>(m.values.size()) - 1;
  };
  const int x = value("image", {4, 4, 2}, 0.5f, 3);
  const int c = value("conv", {4, 4, 2}, 0.25f, -128);
  const int s = value("sum", {4, 4, 2}, 0.75f, -7);
  const int p = value("pool", {2, 2, 2}, 0.75f, -7);
  const int f = value("flat", {8}, 0.75f, -7);
  const int y = value("logits", {3}, 2.0f, 5);
  Tensor<std::int8_t> w(Shape{2, 3, 3, 2}), v(Shape{3, 8});
  for (std::int64_t i = 0; i < w.size(); ++i)
    w.edit()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(i % 15 - 7);
  for (std::int64_t i = 0; i < v.size(); ++i) v.edit()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(i);
  namespace op = graph::op;
  m.nodes.push_back({"quantize", op::Input{{4, 4, 2}}, {}, x});
  m.nodes.push_back({"conv",
                     op::Conv2D{.filters = 2, .kernel = 3},
                     {x},
                     c,
                     Activation::relu6,
                     {w, {0.1f, 0.3f}, Tensor<std::int32_t>(Shape{2}, {1000, -7})}});
  m.nodes.push_back({"sum", op::Add{}, {c, x}, s});
  m.nodes.push_back({"pool", op::MaxPool{}, {s}, p});
  m.nodes.push_back({"flat", op::Reshape{{8}}, {p}, f});
  m.nodes.push_back({"logits",
                     op::Linear{.units = 3},
                     {f},
                     y,
                     Activation::none,
                     {v, {0.7f}, Tensor<std::int32_t>(Shape{3}, {1, 2, 3})}});
  m.outputs = {y};
  return m;
}

}  // namespace

TEST_CASE("every operator of the builder is written", "[io][onnx]") {
  const Model model = every_operator();
  for (const bool fold : {false, true}) {
    for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
      const File file(onnx_bytes(model, {.layout = layout, .fold_batch_norm = fold}));
      file.check_order();
      CHECK(file.model.ir_version == 8);
      CHECK(file.model.opsets == std::vector<onnx::OpsetInfo>{{"", 17}});
      const auto types = file.types();
      const auto count = [&](const char* type) { return std::count(types.begin(), types.end(), type); };
      CHECK(count("BatchNormalization") == (fold ? 1 : 2));  // that of rank 2 cannot be folded into a product
      CHECK(count("Dropout") == 0);
      REQUIRE(file.model.outputs.size() == 5);
      CHECK(file.model.outputs[0].name == "mean");
      CHECK(file.model.outputs[4].name == "map");
      using Dims = std::vector<onnx::DimensionInfo>;
      const Dims first{{-1, "N"}, {4, {}}, {8, {}}, {6, {}}}, last{{-1, "N"}, {8, {}}, {6, {}}, {4, {}}};
      CHECK(file.model.inputs[0].dims == (layout == OnnxLayout::nchw ? first : last));
      CHECK(file.model.inputs[0].name == "image");
    }
  }
}

TEST_CASE("weights are [O,I,kh,kw] and paddings top, left, bottom, right", "[io][onnx]") {
  Graph g;
  auto x = g.input({5, 5, 2});
  x = conv2d(x, {.filters = 3, .kernel = {2, 3}, .padding = Padding::of(1, 2, 0, 3)}).named("conv");
  x = depthwise_conv2d(x, {.kernel = 2, .stride = 2, .multiplier = 2}).named("depthwise");
  g.output(x);
  Model model(std::move(g), Rng(1));
  float next = 0.0f;
  for (const char* name : {"conv.weight", "depthwise.weight"}) {
    for (float& v : model.parameter(name).value.edit()) v = next++;
  }
  const File file(onnx_bytes(model, {.batch = 4}));
  CHECK(file.model.inputs[0].dims[0] == onnx::DimensionInfo{4, {}});
  CHECK(file.constant("conv.weight").dims == std::vector<std::int64_t>{3, 2, 2, 3});
  // Element [o,i,h,w] is element [o,h,w,i] of stet: ((o*2+h)*3+w)*2+i.
  const auto w = file.numbers<float>("conv.weight");
  CHECK(w[0] == 0.0f);
  CHECK(w[1] == 2.0f);
  CHECK(w[3] == 6.0f);
  CHECK(w[6] == 1.0f);
  CHECK(w[12] == 12.0f);
  CHECK(file.integers("conv", "pads") == std::vector<std::int64_t>{1, 0, 2, 3});
  CHECK(file.constant("depthwise.weight").dims == std::vector<std::int64_t>{6, 1, 2, 2});
  const auto d = file.numbers<float>("depthwise.weight");
  CHECK(d[0] == 36.0f);
  CHECK(d[1] == 42.0f);
  CHECK(d[4] == 37.0f);
  CHECK(file.integers("depthwise", "pads") == std::vector<std::int64_t>{0, 0, 1, 0});  // SAME of 7x6 by 2, stride 2
}

TEST_CASE("custom operators are refused, all in one error, and the old file stays", "[io][onnx]") {
  struct Twice final : graph::CustomOp {
    [[nodiscard]] std::string_view kind() const override { return "twice"; }
    [[nodiscard]] Shape infer(std::span<const Shape> in) const override { return in[0]; }
  };
  Graph g;
  auto x = g.input({3});
  x = custom(custom(x, std::make_shared<Twice>()).named("one"), std::make_shared<Twice>()).named("two");
  g.output(x);
  const Model model(std::move(g), Rng(1));
  const stet_test::TemporaryDirectory dir;
  const std::string path = dir.write("model.onnx", "old");
  try {
    save_onnx(path, model);
    FAIL("written");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    CHECK_THAT(e.what(), ContainsSubstring("one: a twice") && ContainsSubstring("two: a twice"));
  }
  CHECK(stet_test::read_text(path) == "old");
  CHECK(dir.files() == 1);
}

TEST_CASE("an integer model is written as ONNX Runtime fuses it", "[io][onnx]") {
  const File file(onnx_bytes(small_model()));
  file.check_order();
  CHECK(file.model.opsets[0].version == 17);
  CHECK(file.model.inputs[0].name == "image");
  CHECK(file.model.outputs[0].name == "logits");
  CHECK(file.model.outputs[0].type == DataType::float32);

  // Conv reads three DequantizeLinear; only QuantizeLinear reads it; its codes are clipped, because 6/0.25 is no bound of
  // uint8.
  const NodeInfo& conv = file.node("conv");
  CHECK(conv.op_type == "Conv");
  for (const auto& in : conv.inputs) CHECK(file.maker(in).op_type == "DequantizeLinear");
  const NodeInfo& clip = file.maker("conv_quantized");
  CHECK(clip.op_type == "Clip");
  CHECK(file.numbers<std::uint8_t>(clip.inputs[1]) == std::vector<std::uint8_t>{0});
  CHECK(file.numbers<std::uint8_t>(clip.inputs[2]) == std::vector<std::uint8_t>{24});
  CHECK(file.maker(clip.inputs[0]).op_type == "QuantizeLinear");
  CHECK(file.maker(clip.inputs[0]).inputs[0] == conv.outputs[0]);

  // uint8 is int8 + 128; the bias scale is the product in float.
  CHECK(file.numbers<std::uint8_t>("image.zero_point") == std::vector<std::uint8_t>{131});
  CHECK(file.numbers<std::int32_t>("conv.bias") == std::vector<std::int32_t>{1000, -7});
  CHECK(file.numbers<float>("conv.bias_scale") == std::vector<float>{0.5f * 0.1f, 0.5f * 0.3f});
  CHECK(file.numbers<float>("logits.bias_scale") == std::vector<float>{0.75f * 0.7f});
  CHECK(file.constant("conv.weight").type == DataType::int8);
  CHECK(file.constant("conv.weight").dims == std::vector<std::int64_t>{2, 2, 3, 3});
  CHECK(file.constant("logits.weight_scale").dims.empty());

  // Copies stand on the codes.
  CHECK(file.node("pool").inputs[0] == "sum_quantized");
  CHECK(file.node("flat").inputs[0] == "pool_quantized");
  // The columns of the linear layer follow [C,H,W]: channel 0 of all pixels, then channel 1.
  CHECK(file.numbers<std::int8_t>("logits.weight") ==
        std::vector<std::int8_t>{0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15, 16, 18, 20, 22, 17, 19, 21, 23});
}

TEST_CASE("options of integer files", "[io][onnx]") {
  const IntegerModel model = small_model();
  const File plain(onnx_bytes(model, {.activations = OnnxActivations::int8, .output_codes = true}));
  plain.check_order();
  CHECK(plain.numbers<std::int8_t>("image.zero_point") == std::vector<std::int8_t>{3});
  CHECK(plain.model.outputs[0].type == DataType::int8);
  CHECK(plain.model.outputs[0].name == "logits_quantized");
  CHECK(plain.maker("logits_quantized").op_type == "QuantizeLinear");

  const File four(onnx_bytes(model, {.int4_weights = true}));
  four.check_order();
  CHECK(four.model.opsets[0].version == 21);
  CHECK(four.model.ir_version == 10);
  CHECK(four.constant("conv.weight").type == DataType::int4);
  CHECK(four.constant("conv.weight").data.size() == 18);
  CHECK(four.constant("conv.weight").data[0] == 0xb9);           // -7 and, two channels on, -5
  CHECK(four.constant("logits.weight").type == DataType::int8);  // 23 does not fit

  const File last(onnx_bytes(model, {.layout = OnnxLayout::nhwc}));
  last.check_order();
  CHECK(last.model.inputs[0].dims[3] == onnx::DimensionInfo{2, {}});
}

TEST_CASE("integer models that do not fit together are refused, all in one error", "[io][onnx]") {
  IntegerModel m = small_model();
  m.nodes[1].constants.bias = Tensor<std::int32_t>(Shape{1}, {0});
  m.nodes[5].constants.weight_scale = {0.1f, 0.2f};
  m.nodes[2].inputs = {1, 99};
  try {
    (void)onnx_bytes(m);
    FAIL("written");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    CHECK_THAT(e.what(), ContainsSubstring("conv: has 2 outputs, 1 bias codes and 2 weight scales") &&
                             ContainsSubstring("logits: has 3 outputs") && ContainsSubstring("sum: reads value 99"));
  }
  IntegerModel wide = small_model();
  wide.nodes[1].constants.weights.edit()[0] = 8;
  CHECK_THROWS_WITH(onnx_bytes(wide, {.int4_weights = true}), ContainsSubstring("int4_weights()"));
}

TEST_CASE("16-bit activations need ranges, and biases stay int32", "[io][onnx]") {
  Graph g;
  auto x = g.input({4, 4, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 2, .kernel = 3}).named("conv")));
  g.output(linear(flatten(x), {.units = 3}).named("logits"));
  Model model(std::move(g), Rng(1));
  CHECK_THROWS_WITH(onnx_bytes(model, {.format = OnnxFormat::int16x8}), ContainsSubstring("activation ranges"));
  // A channel whose weights are nothing beside its bias: as int32 in steps of 1e-9 the bias would not fit.
  for (float& v : model.parameter("conv.weight").value.edit()) v = 1e-6f;
  model.buffer("batch_norm_1.mean").edit()[0] = -3.0f;
  ActivationRanges ranges;
  ranges.of_node.assign(model.graph().nodes().size(), Range{-1.0f, 2.0f});
  for (const bool fold : {true, false}) {
    const File file(onnx_bytes(model, {.format = OnnxFormat::int16x8, .fold_batch_norm = fold, .ranges = ranges}));
    file.check_order();
    CHECK(file.model.opsets[0].version == 21);
    CHECK(file.numbers<std::int16_t>("input_1.zero_point") == std::vector<std::int16_t>{0});
    CHECK(file.numbers<float>("input_1.scale") == std::vector<float>{2.0f / 32767.0f});
    CHECK(file.constant("conv.weight").type == DataType::int8);
    if (!fold) continue;
    const double real = static_cast<double>(file.numbers<std::int32_t>("conv.bias")[0]) *
                        static_cast<double>(file.numbers<float>("conv.bias_scale")[0]);
    CHECK(real == Approx(3.0).epsilon(1e-4));
  }
}

TEST_CASE("an average over the whole image is kept from becoming a global pool", "[io][onnx]") {
  const auto pads = [](const Shape& image, Pair size) {
    IntegerModel m;
    m.values.push_back({"x", image, {0.5f, 0}});
    m.values.push_back({"y", {image[0] / size.height, image[1] / size.width, image[2]}, {0.5f, 0}});
    m.nodes.push_back({"quantize", graph::op::Input{image}, {}, 0});
    m.nodes.push_back({"pool", graph::op::AveragePool{.size = size, .stride = size}, {0}, 1});
    m.outputs = {1};
    return File(onnx_bytes(m)).integers("pool", "pads");
  };
  using Ints = std::vector<std::int64_t>;
  CHECK(pads({4, 4, 1}, {2, 4}) == Ints{0, 0, 0, 0});
  CHECK(pads({4, 4, 1}, 4) == Ints{0, 0, 0, 1});
  CHECK(pads({4, 1, 1}, {4, 1}) == Ints{0, 0, 1, 0});
  CHECK(pads({1, 1, 3}, 1) == Ints{0, 0, 0, 0});  // a copy either way
}

}  // namespace onnx_save_test
