// load_tflite on descriptions written by hand: what it makes of them, and what it says about those it does not understand.

#include <stet/core/random.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/tflite/encode.hpp>
#include <stet/model/forward.hpp>

#include "io/temporary_directory.hpp"
#include "io/tflite_description.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <cmath>
#include <functional>
#include <string>

namespace load_tflite_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using stet::tflite::Builtin;
using stet::tflite::FusedActivation;
using stet::tflite::ModelInfo;
using stet::tflite::Options;
using stet::tflite::OptionsType;
using stet::tflite::TensorType;
namespace op = stet::graph::op;

namespace {

const Options conv_1x1{.type = OptionsType::conv_2d, .padding = tfl::Padding::valid, .stride_w = 1, .stride_h = 1};
Options fully_connected(FusedActivation a = FusedActivation::none) {
  return {.type = OptionsType::fully_connected, .fused_activation = a};
}

Model load(const ModelInfo& info) { return tflite::import_model(info, "file"); }
IntegerModel load_integer(const ModelInfo& info, const Target& target = targets::tflite_reference) {
  return tflite::import_integer_model(info, target, "file");
}

template <class Op>
const Op& node_op(const Model& m, std::string_view name) {
  const int id = m.graph().find(name);
  REQUIRE(id >= 0);
  const Op* o = graph::as<Op>(m.graph().node(id).op);
  REQUIRE(o != nullptr);
  return *o;
}
std::string input_of(const Model& m, std::string_view name, std::size_t i = 0) {
  return m.graph().node(m.graph().node(m.graph().find(name)).inputs.at(i)).name;
}
std::vector<float> values(const Tensor<float>& t) { return {t.span().begin(), t.span().end()}; }

// The error of a description: its kind, and a text that its message must have.
template <class Load>
void refused(const Load& load, const ModelInfo& info, Errc code, const std::vector<std::string>& texts) {
  try {
    (void)load(info);
    FAIL("accepted");
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(e.code() == code);
    for (const std::string& text : texts) {
      INFO("should name: " << text);
      CHECK(std::string(e.what()).find(text) != std::string::npos);
    }
  }
}

// input [1,4,4,2] -> conv 1x1, 2 filters -> relu6 -> fully connected 3
Description small_float() {
  Description d;
  const auto x = d.real("image", {1, 4, 4, 2});
  const auto w = d.floats("conv.weight", {2, 1, 1, 2}, {1, 2, 3, 4});
  const auto b = d.floats("conv.bias", {2}, {0.5f, -0.5f});
  const auto y = d.real("features", {1, 4, 4, 2});
  Options o = conv_1x1;
  o.fused_activation = FusedActivation::relu6;
  d.operation(Builtin::conv_2d, {x, w, b}, y, o);
  const auto v = d.floats("dense/MatMul", {3, 32}, std::vector<float>(96, 0.25f));
  const auto z = d.real("logits", {1, 3});
  d.operation(Builtin::fully_connected, {y, v, -1}, z, fully_connected());
  d.info.inputs = {x};
  d.info.outputs = {z};
  return d;
}

// The same in int8, with weights per channel.
Description small_integer() {
  Description d;
  const auto x = d.codes("image", {1, 4, 4, 2}, 0.5f, -3);
  const auto w = d.weights("conv.weight", {2, 1, 1, 2}, {10, -20, 30, 127}, {0.25f, 0.125f});
  const auto b = d.bias("conv.bias", {100, -100}, {0.125f, 0.0625f});
  const auto y = d.codes("features", {1, 4, 4, 2}, 0.5f, -128);
  Options o = conv_1x1;
  o.fused_activation = FusedActivation::relu6;
  d.operation(Builtin::conv_2d, {x, w, b}, y, o);
  const auto v = d.weights("dense", {3, 32}, std::vector<std::int8_t>(96, 5), {0.01f});
  const auto z = d.codes("logits", {1, 3}, 0.2f, 7);
  d.operation(Builtin::fully_connected, {y, v, -1}, z, fully_connected());
  d.info.inputs = {x};
  d.info.outputs = {z};
  return d;
}

}  // namespace

TEST_CASE("a float network becomes nodes with the names and constants of the file") {
  const Model m = load(small_float().info);
  CHECK(m.graph().size() == 5);
  CHECK(node_op<op::Input>(m, "image").shape == Shape{4, 4, 2});
  const auto& conv = node_op<op::Conv2D>(m, "conv");  // from conv.weight
  CHECK(conv.filters == 2);
  CHECK(conv.padding == Padding::valid());
  node_op<op::Relu6>(m, "features");
  CHECK(input_of(m, "features") == "conv");
  node_op<op::Flatten>(m, "logits/flatten");
  CHECK_FALSE(node_op<op::Linear>(m, "logits").bias);
  CHECK(m.graph().is_output(m.graph().find("logits")));
  CHECK(values(m.parameter("conv.weight").value) == std::vector<float>{1, 2, 3, 4});
  CHECK(values(m.parameter("conv.bias").value) == std::vector<float>{0.5f, -0.5f});
  CHECK(m.parameter("logits.weight").value.shape() == Shape{3, 32});
  CHECK(m.find_parameter("logits.bias") == nullptr);
}

TEST_CASE("files on the disk are read") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("small.tflite");
  write_file_atomically(path, tflite::encode(small_float().info));
  CHECK(load_tflite(path).graph().size() == 5);
  write_file_atomically(path, tflite::encode(small_integer().info));
  CHECK(load_tflite_integer(path, targets::litert_default).nodes.size() == 4);
  refused([&](const ModelInfo&) { return load_tflite(directory.path("none")); }, {}, Errc::io, {"none"});
  refused([&](const ModelInfo&) { return load_tflite(directory.write("bad", "TFL3 is not enough")); }, {}, Errc::format,
          {"bad"});
}

TEST_CASE("names become node names: valid, unique, of the value and not of all that was fused") {
  Description d;
  const auto x = d.real("serving_default_x:0", {1, 3});
  const auto a = d.real("net/relu;net/bias;net/conv", {1, 3}), b = d.real("net/relu", {1, 3}), c = d.real("", {1, 3});
  const auto e = d.real("größe", {1, 3});
  d.operation(Builtin::relu, {x}, a);
  d.operation(Builtin::tanh, {a}, b);
  d.operation(Builtin::logistic, {b}, c);
  d.operation(Builtin::relu, {c}, e);
  d.info.inputs = {x};
  d.info.outputs = {e};
  const Model m = load(d.info);
  std::vector<std::string> names;
  for (const graph::Node& n : m.graph().nodes()) names.push_back(n.name);
  CHECK(names == std::vector<std::string>{"serving_default_x_0", "net/relu", "net/relu_2", "sigmoid", "gr____e"});
}

TEST_CASE("a PAD before an unpadded convolution is its padding, elsewhere a node") {
  const auto make = [](bool second_reader) {
    Description d;
    const auto x = d.real("x", {1, 5, 4, 1});
    const auto m = d.constant<std::int32_t>("m", {4, 2}, TensorType::int32, {0, 0, 1, 2, 0, 1, 0, 0});
    const auto padded = d.real("padded", {1, 8, 5, 1});
    d.operation(Builtin::pad, {x, m}, padded, {.type = OptionsType::pad});
    const auto w = d.floats("w", {1, 3, 3, 2}, std::vector<float>(18, 1));
    const auto y = d.real("y", {1, 3, 2, 2});
    d.operation(Builtin::depthwise_conv_2d, {padded, w}, y,
                {.type = OptionsType::depthwise_conv_2d,
                 .padding = tfl::Padding::valid,
                 .stride_w = 2,
                 .stride_h = 2,
                 .depth_multiplier = 2});
    d.info.inputs = {x};
    d.info.outputs = second_reader ? std::vector<std::int32_t>{y, padded} : std::vector<std::int32_t>{y};
    return load(d.info);
  };
  const Model merged = make(false), kept = make(true);
  CHECK(node_op<op::DepthwiseConv2D>(merged, "y").padding == Padding::of(1, 2, 0, 1));
  CHECK(node_op<op::DepthwiseConv2D>(merged, "y").multiplier == 2);
  CHECK(merged.graph().find("padded") < 0);
  CHECK(node_op<op::DepthwiseConv2D>(kept, "y").padding == Padding::valid());
  const auto& pad = node_op<op::Pad>(kept, "padded");
  CHECK(std::vector<int>{pad.top, pad.bottom, pad.left, pad.right} == std::vector<int>{1, 2, 0, 1});
}

TEST_CASE("constant factors and summands go into the layer before them") {
  // y = 3 - (2 * (Wx + b) + [1, 10])
  Description d = small_float();
  d.info.operators.pop_back();
  d.info.operators[0].options.fused_activation = FusedActivation::none;
  const auto two = d.floats("two", {}, {2}), offset = d.floats("offset", {1, 1, 1, 2}, {1, 10}),
             three = d.floats("three", {1}, {3});
  const auto a = d.real("a", {1, 4, 4, 2}), b = d.real("b", {1, 4, 4, 2}), c = d.real("c", {1, 4, 4, 2});
  d.operation(Builtin::mul, {3, two}, a, {.type = OptionsType::mul});
  d.operation(Builtin::add, {offset, a}, b, {.type = OptionsType::add});
  d.operation(Builtin::sub, {three, b}, c, {.type = OptionsType::sub, .fused_activation = FusedActivation::relu});
  d.info.outputs = {c};
  const Model m = load(d.info);
  CHECK(m.graph().size() == 3);
  CHECK(values(m.parameter("features.weight").value) == std::vector<float>{-2, -4, -6, -8});
  CHECK(values(m.parameter("features.bias").value) == std::vector<float>{1, -6});  // 3 - (2*0.5+1), 3 - (2*-0.5+10)
  node_op<op::Relu>(m, "c");

  SECTION("but not if the layer's own value is read too") {
    d.info.outputs = {c, 3};
    const Model both = load(d.info);
    CHECK(values(both.parameter("features.weight").value) == std::vector<float>{1, 2, 3, 4});
    CHECK(values(both.parameter("a.weight").value) == std::vector<float>{-2, -2});
    CHECK(values(both.parameter("a.bias").value) == std::vector<float>{2, -7});
    CHECK(node_op<op::DepthwiseConv2D>(both, "a").kernel == Pair(1));
  }
}

TEST_CASE("a slope per channel is a rectifier beside a line, NEG is a factor") {
  Description d;
  const auto x = d.real("x", {1, 1, 2, 2}), slope = d.floats("slope", {1, 1, 2}, {0.5f, -2}), y = d.real("y", {1, 1, 2, 2}), z = d.real("z", {1, 1, 2, 2});
  d.operation(Builtin::prelu, {x, slope}, y);
  d.operation(Builtin::neg, {y}, z, {.type = OptionsType::neg});
  d.info.inputs = {x};
  d.info.outputs = {z};
  const Tensor<float> made = infer(load(d.info), Tensor<float>({1, 1, 2, 2}, {-4, -4, 3, 3}));
  CHECK(values(made) == std::vector<float>{2, -8, -3, -3});
  d.info.tensors[static_cast<std::size_t>(slope)].shape = {1, 2, 1};
  CHECK_THROWS_WITH(load(d.info), ContainsSubstring("the slope has shape [1,2,1]; one number, or one per channel (2), is understood"));
  d.info.tensors[static_cast<std::size_t>(slope)].shape = {1, 1, 1};
  d.info.tensors[static_cast<std::size_t>(slope)].data.resize(4);
  CHECK(values(infer(load(d.info), Tensor<float>({1, 1, 2, 2}, {-4, -4, 3, 3}))) == std::vector<float>{2, 2, -3, -3});
}

TEST_CASE("MIRROR_PAD and PACK are parts and shapes of values, of floats and of codes") {
  for (const bool beside : {false, true}) {
    Description d;
    const auto x = d.real("x", {1, 3, 1}), y = d.real("y", {1, 6, 1}), z = d.real("z", {1, 6, 2, 1});
    const std::vector<std::int32_t> pads{0, 0, 2, 1, 0, 0};
    d.operation(Builtin::mirror_pad, {x, d.constant("pads", {3, 2}, TensorType::int32, pads)}, y, {.type = OptionsType::mirror_pad, .mirror = static_cast<std::int8_t>(beside)});
    d.operation(Builtin::pack, {y, y}, z, {.type = OptionsType::pack, .axis = 2, .values_count = 2});
    d.info.inputs = {x};
    d.info.outputs = {z};
    const std::vector<float> once = beside ? std::vector<float>{2, 1, 1, 2, 3, 3} : std::vector<float>{3, 2, 1, 2, 3, 2};
    std::vector<float> twice;
    for (const float v : once) twice.insert(twice.end(), 2, v);
    CHECK(values(infer(load(d.info), Tensor<float>({1, 3, 1}, {1, 2, 3}))) == twice);
    for (tfl::TensorInfo& t : d.info.tensors) {
      if (t.type == TensorType::float32) t = {.name = t.name, .shape = t.shape, .type = TensorType::int8, .quantization = {{1.0f}, {3}, 0}};
    }
    CHECK(values(infer(Engine(load_integer(d.info)), Tensor<float>({1, 3, 1}, {1, 2, 3}))) == twice);
    d.info.tensors[3].data[8] = 4;  // paddings {0, 0, 4, 1, ...}
    CHECK_THROWS_WITH(load_integer(d.info), ContainsSubstring("pads 3 elements by 4 and 1"));
  }
}

TEST_CASE("means over an image become global average pools, other reductions stay") {
  Description d;
  const auto x = d.real("x", {2, 3, 4, 5});
  const auto image = d.integers("image axes", {-2, 1}), channel = d.integers("channel axis", {3});
  const auto a = d.real("a", {2, 1, 1, 5}), b = d.real("b", {2, 5}), c = d.real("c", {2, 3, 4}),
             e = d.real("e", {2, 3, 4, 1});
  d.operation(Builtin::mean, {x, image}, a, {.type = OptionsType::reducer, .keep_dims = true});
  d.operation(Builtin::mean, {x, image}, b, {.type = OptionsType::reducer});
  d.operation(Builtin::mean, {x, channel}, c, {.type = OptionsType::reducer});
  d.operation(Builtin::sum, {x, channel}, e, {.type = OptionsType::reducer, .keep_dims = true});
  d.info.inputs = {x};
  d.info.outputs = {a, b, c, e};
  const Model m = load(d.info);
  node_op<op::GlobalAveragePool>(m, "a/mean");
  CHECK(node_op<op::Reshape>(m, "a").shape == Shape{1, 1, 5});
  node_op<op::GlobalAveragePool>(m, "b");
  CHECK(node_op<op::Mean>(m, "c").axes == std::vector<int>{2});
  CHECK(node_op<op::Sum>(m, "e").keep_dims);
  CHECK(m.graph().outputs().size() == 4);
}

TEST_CASE("int8 layers keep codes, scales and zero points; an unknown bias is zero") {
  const IntegerModel m = load_integer(small_integer().info);
  CHECK(m.target == targets::tflite_reference);
  REQUIRE(m.nodes.size() == 4);
  CHECK(m.nodes[1].name == "conv");
  CHECK(m.values[0].codes == Affine{0.5f, -3});
  CHECK(m.values[1].name == "features");
  CHECK(m.values[1].codes == Affine{0.5f, -128});
  REQUIRE(graph::is<op::Conv2D>(m.nodes[1].op));
  const LayerConstants& conv = m.nodes[1].constants;
  CHECK(std::vector<std::int8_t>(conv.weights.span().begin(), conv.weights.span().end()) ==
        std::vector<std::int8_t>{10, -20, 30, 127});
  CHECK(conv.weight_scale == std::vector<float>{0.25f, 0.125f});
  CHECK(conv.bias[1] == -100);
  CHECK(m.nodes[1].activation == Activation::relu6);
  REQUIRE(graph::is<op::Linear>(m.nodes[3].op));
  const LayerConstants& linear = m.nodes[3].constants;
  CHECK(linear.bias.size() == 3);
  CHECK(linear.bias[2] == 0);
  CHECK(graph::is<op::Reshape>(m.nodes[2].op));
  const Engine engine(m);
  CHECK(engine.run(Tensor<float>::filled({2, 4, 4, 2}, 1.0f)).codes.shape() == Shape{2, 3});
}

TEST_CASE("ends of int8 models may be real or uint8") {
  for (const TensorType type : {TensorType::float32, TensorType::uint8}) {
    Description d = small_integer();
    const auto as_end = [&](const char* name, std::vector<std::int32_t> shape, float scale, std::int64_t z) {
      const auto t = d.codes(name, std::move(shape), scale, z);
      d.info.tensors[static_cast<std::size_t>(t)].type = type;
      return t;
    };
    const auto x = as_end("x", {1, 4, 4, 2}, 0.5f, 125), y = as_end("y", {1, 3}, 0.2f, 135);
    d.operation(Builtin::quantize, {x}, 0, {.type = OptionsType::quantize});
    std::rotate(d.info.operators.begin(), d.info.operators.end() - 1, d.info.operators.end());
    const bool real = type == TensorType::float32;
    d.operation(real ? Builtin::dequantize : Builtin::quantize, {d.info.outputs[0]}, y);
    d.info.inputs = {x};
    d.info.outputs = {y};
    const IntegerModel m = load_integer(d.info), plain = load_integer(small_integer().info);
    REQUIRE(m.nodes.size() == plain.nodes.size());
    CHECK(m.nodes[0].name == "x");
    CHECK(m.values[0].codes == plain.values[0].codes);
    CHECK(m.outputs == plain.outputs);
    if (!real) {
      d.info.tensors[static_cast<std::size_t>(x)].quantization.zero_point[0] = 124;
      refused([](const ModelInfo& i) { return load_integer(i); }, d.info, Errc::unsupported,
              {"image (QUANTIZE)", "128"});
    }
  }
}

TEST_CASE("one error names every operator and attribute that is not understood") {
  Description d;
  const auto x = d.real("x", {1, 4, 4, 2});
  const auto a = d.real("a", {1, 4, 4, 2}), b = d.real("b", {1, 4, 4, 2}), c = d.real("c", {1, 4, 4, 2}),
             e = d.real("e", {1, 2});
  const auto f = d.real("f", {1, 4, 4, 2}), g = d.real("g", {1, 4, 4, 2});
  d.operation(static_cast<Builtin>(66), {x}, a);
  d.operation(Builtin::conv_2d, {a, d.floats("w", {2, 1, 1, 2}, {1, 2, 3, 4})}, b, [] {
    Options o = conv_1x1;
    o.fused_activation = FusedActivation::relu_n1_to_1;
    return o;
  }());
  d.operation(Builtin::softmax, {b}, c, {.type = OptionsType::softmax, .beta = 0.5f});
  d.operation(Builtin::mean, {c, d.integers("axes", {0, 1})}, e, {.type = OptionsType::reducer});
  d.operation(Builtin::relu, {x}, f).custom_code = "MyRelu";
  d.operation(Builtin::mul, {x, d.floats("map", {1, 4, 4, 1}, std::vector<float>(16, 2))}, g,
              {.type = OptionsType::mul});
  d.info.inputs = {x};
  d.info.outputs = {e, f, g};
  refused(load, d.info, Errc::unsupported,
          {"a (SIN)", "b (CONV_2D): fused_activation_function is 2", "c (SOFTMAX): beta is 0.5",
           "e (MEAN): axis 0 is the batch", "f (CUSTOM MyRelu)", "g (MUL): the constant map has shape [1,4,4,1]"});
}

TEST_CASE("problems of one kind are one line, with their number and the first tensors") {
  Description d;
  auto x = d.real("x", {1, 4});
  d.info.inputs = {x};
  for (int i = 0; i < 5; ++i) {
    const auto y = d.real("y" + std::to_string(i), {1, 4});
    d.operation(static_cast<Builtin>(66), {x}, y);
    x = y;
  }
  d.info.outputs = {x};
  refused(load, d.info, Errc::unsupported, {"file:\n  SIN (5 nodes: y0, y1, y2, ...): this operator is not understood"});
}

TEST_CASE("a softmax at the end is left out, of float and of int8 files, and said once") {
  const auto classifier = [](bool codes) {
    Description d;
    const auto value = [&](const std::string& name, std::int32_t n, float scale, std::int64_t zero) {
      return codes ? d.codes(name, {1, n}, scale, zero) : d.real(name, {1, n});
    };
    const auto x = value("x", 2, 0.5f, 0), logits = value("logits", 3, 0.25f, 7), p = value("p", 3, 1.0f / 256, -128);
    const auto w = codes ? d.weights("w", {3, 2}, {1, 2, 3, 4, 5, 6}, {0.1f}) : d.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
    const auto b = codes ? d.bias("b", {1, 2, 3}, {0.05f}) : d.floats("b", {3}, {1, 2, 3});
    d.operation(Builtin::fully_connected, {x, w, b}, logits, fully_connected());
    d.operation(Builtin::softmax, {logits}, p, {.type = OptionsType::softmax, .beta = 1.0f});
    d.info.inputs = {x};
    d.info.outputs = {p};
    return d.info;
  };
  const stet_test::CaughtWarnings warnings;
  const Model m = load(classifier(false));
  CHECK(m.graph().nodes().back().name == "logits");
  const IntegerModel n = load_integer(classifier(true));
  CHECK(n.values.at(static_cast<std::size_t>(n.outputs.at(0))).name == "logits");
  REQUIRE(warnings.all().size() == 2);
  CHECK(warnings.all()[0].find("file: the model ends at 'logits'; SOFTMAX behind it was left out") == 0);
  // Named outputs, a softmax among them, are taken as they are; what only the others need is not read.
  ModelInfo info = classifier(false);
  CHECK(graph::is<op::Softmax>(tflite::import_model(info, "file", {.outputs = {"p"}}).graph().nodes().back().op));
  info.operators[1].code = static_cast<Builtin>(66);
  CHECK(tflite::import_model(info, "file", {.outputs = {"logits"}}).graph().size() == 2);
  const auto named = [](const ModelInfo& i) { return tflite::import_model(i, "file", {.outputs = {"logit"}}); };
  refused(named, info, Errc::unsupported, {"no operator makes a tensor 'logit' to end at; the last one makes 'p'"});
  const auto shaped = [](const ModelInfo& i) { return tflite::import_model(i, "file", {.input = {3}}); };
  refused(shaped, info, Errc::unsupported, {"input x has shape [2]", "says [3]"});
  CHECK(warnings.all().size() == 2);
}

TEST_CASE("what no float model can be is refused by name") {
  const auto change = [](const std::function<void(Description&)>& f) {
    Description d = small_float();
    f(d);
    return d.info;
  };
  using D = Description;
  refused(load, change([](D& d) { d.info.operators[0].options.stride_w = 0; }), Errc::format,
          {"features (CONV_2D)", "stride_w 0"});
  refused(load, change([](D& d) { d.info.operators[0].options.padding = static_cast<tfl::Padding>(2); }), Errc::format,
          {"padding is 2"});
  refused(load, change([](D& d) { d.info.operators[0].options.type = OptionsType::pool_2d; }), Errc::format,
          {"builtin_options"});
  refused(load, change([](D& d) {
            d.info.tensors[3].shape = {1, 4, 4, 3};
          }),
          Errc::shape, {"features (CONV_2D)", "[4,4,2]"});
  refused(load, change([](D& d) {
            d.info.tensors[0].shape = {1, 4, 4, 3};
          }),
          Errc::shape, {"2 channels", "3 of the input"});
  refused(load, change([](D& d) { d.info.operators[1].options.weights_format = 1; }), Errc::unsupported,
          {"weights_format is 1"});
  refused(load, change([](D& d) {
            d.info.tensors[4].shape = {12, 8};
          }),
          Errc::unsupported, {"logits (FULLY_CONNECTED)", "rows of 8"});
  refused(load, change([](D& d) { d.info.tensors[1].type = TensorType::int8, d.info.tensors[1].data.resize(4); }),
          Errc::unsupported, {"conv.weight", "dynamic range"});
  refused(load, change([](D& d) { d.info.tensors[2].data[3] = 0x7f, d.info.tensors[2].data[2] = 0xc0; }), Errc::range,
          {"conv.bias has the value nan at index 0"});
  refused(load, change([](D& d) {
            d.info.tensors[0].shape_signature = {-1, -1, 4, 2};
          }),
          Errc::unsupported, {"shape_signature"});
  refused(load, change([](D& d) { d.info.tensors[3].is_variable = true; }), Errc::unsupported, {"is_variable"});
  refused(load, change([](D& d) { d.info.outputs = {5, 5}; }), Errc::state, {"output"});
  refused(load, change([](D& d) { d.info.outputs = {3}; }), Errc::state, {"logits"});
}

TEST_CASE("what no int8 model can be is refused by name") {
  const auto load_int = [](const ModelInfo& i) { return load_integer(i); };
  const auto change = [](const std::function<void(Description&)>& f) {
    Description d = small_integer();
    f(d);
    return d.info;
  };
  using D = Description;
  const auto q = [](D& d, std::size_t t) -> tfl::Quantization& { return d.info.tensors[t].quantization; };
  refused(load_int, change([&](D& d) { q(d, 1).zero_point[1] = 1; }), Errc::unsupported,
          {"conv.weight", "zero point 1"});
  refused(load_int, change([&](D& d) { q(d, 1) = {{0.25f, 0.125f}, {0, 0}, 3}; }), Errc::unsupported, {"dimension 3"});
  refused(load_int, change([&](D& d) { q(d, 1) = {}; }), Errc::format, {"conv.weight have no scale"});
  refused(load_int, change([&](D& d) { q(d, 2).scale[1] *= 1.01f; }), Errc::unsupported, {"conv.bias", "channel 1"});
  refused(load_int, change([&](D& d) { q(d, 2) = {}; }), Errc::unsupported, {"conv.bias has 0 scales"});
  refused(load_int, change([&](D& d) { q(d, 3).zero_point[0] = 200; }), Errc::range, {"features", "200"});
  refused(load_int, change([&](D& d) { q(d, 3) = {}; }), Errc::format, {"features has 0 scales"});
  refused(load_int, change([](D& d) { d.info.operators[0].inputs.pop_back(); }), Errc::format,
          {"features (CONV_2D)", "no bias"});
  refused(load_int, change([](D& d) { d.info.tensors[3].type = TensorType::int16; }), Errc::unsupported, {"int16"});
  refused(load_int, change([&](D& d) { q(d, 3).scale[0] = 1e-4f; }), Errc::unsupported, {"features (CONV_2D)", "256"});
  refused(load_int, change([](D& d) {
            const auto y = d.codes("middle", {1, 2}, 1e-6f);
            d.operation(Builtin::mean, {3, d.integers("axes", {1, 2})}, y, {.type = OptionsType::reducer});
            d.info.outputs = {y};
          }),
          Errc::unsupported, {"middle (MEAN)", "must be below 256"});
  refused(load_int, change([&](D& d) {
            const auto y = d.codes("again", {1, 3}, 0.3f, 7);
            d.operation(Builtin::quantize, {d.info.outputs[0]}, y);
            d.info.outputs = {y};
          }),
          Errc::unsupported, {"again (QUANTIZE)", "0.2 to 0.3"});
  const auto whole = [](const ModelInfo& info) {
    return tflite::import_integer_model(info, targets::tflite_reference, "file", {.ending = Ending::whole});
  };
  refused(whole, change([&](D& d) {
            const auto y = d.codes("p", {1, 3}, 1.0f / 256, -128);
            d.operation(Builtin::softmax, {d.info.outputs[0]}, y);
            d.info.outputs = {y};
          }),
          Errc::unsupported, {"p (SOFTMAX)"});
  refused(load_int, change([&](D& d) {
            const auto y = d.codes("r", {1, 3}, 0.25f, 7);
            d.operation(Builtin::relu6, {d.info.outputs[0]}, y);
            d.info.outputs = {y};
          }),
          Errc::unsupported, {"r (RELU6)", "must keep them"});
}

TEST_CASE("inconsistent descriptions are errors") {
  const auto check = [](Errc code, const std::string& text, const std::function<void(ModelInfo&)>& f) {
    for (const bool integer : {false, true}) {
      ModelInfo info = integer ? small_integer().info : small_float().info;
      f(info);
      if (integer) {
        refused([](const ModelInfo& i) { return load_integer(i); }, info, code, {text});
      } else {
        refused(load, info, code, {text});
      }
    }
  };
  check(Errc::format, "tensor 99", [](ModelInfo& m) { m.operators[0].inputs[1] = 99; });
  check(Errc::format, "tensor -2", [](ModelInfo& m) { m.operators[0].inputs[1] = -2; });
  check(Errc::format, "tensor -1", [](ModelInfo& m) { m.operators[0].outputs[0] = -1; });
  check(Errc::format, "tensor 99", [](ModelInfo& m) { m.outputs = {99}; });
  check(Errc::format, "tensor -1", [](ModelInfo& m) { m.inputs = {-1}; });
  check(Errc::format, "no input", [](ModelInfo& m) { m.inputs.clear(); });
  check(Errc::format, "no output", [](ModelInfo& m) { m.outputs.clear(); });
  check(Errc::format, "before it is made", [](ModelInfo& m) { std::swap(m.operators[0], m.operators[1]); });
  check(Errc::format, "before it is made", [](ModelInfo& m) { m.operators[0].inputs[0] = m.operators[0].outputs[0]; });
  check(Errc::format, "made already", [](ModelInfo& m) { m.operators[1].outputs = m.operators[0].outputs; });
  check(Errc::format, "is a constant", [](ModelInfo& m) { m.operators[0].outputs = {1}; });
  check(Errc::format, "made already", [](ModelInfo& m) { m.inputs = {0, 0}; });
  check(Errc::format, "bytes", [](ModelInfo& m) { m.tensors[1].data.pop_back(); });
  check(Errc::shape, "negative", [](ModelInfo& m) { m.tensors[3].shape[1] = -4; });
  check(Errc::shape, "too many elements", [](ModelInfo& m) { m.tensors[3].shape = {1, 1 << 30, 1 << 30, 2}; });
  check(Errc::shape, "rank 9", [](ModelInfo& m) { m.tensors[3].shape.resize(9, 1); });
  check(Errc::shape, "rank 4", [](ModelInfo& m) { m.tensors[1].shape = {2, 2}; });
  check(Errc::unsupported, "batch", [](ModelInfo& m) { m.tensors[3].shape = {2, 4, 4, 2}; });
  check(Errc::format, "has 0", [](ModelInfo& m) { m.operators[1].inputs.clear(); });
  check(Errc::format, "has no output", [](ModelInfo& m) { m.operators[1].outputs.clear(); });
  check(Errc::range, "scale", [](ModelInfo& m) { m.tensors[3].quantization = {{-1.0f}, {0}, 0}; });
  check(Errc::range, "scale", [](ModelInfo& m) { m.tensors[3].quantization = {{NAN}, {0}, 0}; });
  check(Errc::range, "zero point", [](ModelInfo& m) { m.tensors[3].quantization = {{1.0f}, {1ll << 62}, 0}; });
  check(Errc::format, "2 scales", [](ModelInfo& m) { m.tensors[3].quantization = {{1.0f, 1.0f}, {0, 0}, 7}; });
  check(Errc::format, "zero points", [](ModelInfo& m) { m.tensors[3].quantization = {{1.0f}, {}, 0}; });
}

// Descriptions with a few fields set to numbers that hurt: an error or a model, never anything else.
TEST_CASE("changed descriptions are a model or an error") {
  int models = 0, errors = 0;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    Rng rng(seed);
    ModelInfo m = seed % 2 == 0 ? small_float().info : small_integer().info;
    const auto pick = [&](auto& list) -> auto& { return list[static_cast<std::size_t>(rng.below(list.size()))]; };
    static constexpr std::int32_t numbers[] = {-2147483647 - 1, -2, -1, 0, 1, 2, 3, 4, 7, 32, 65536, 2147483647};
    const auto number = [&] { return numbers[rng.below(std::size(numbers))]; };
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
      auto& t = pick(m.tensors);
      auto& o = pick(m.operators);
      switch (rng.below(14)) {
        case 0:
          if (!t.shape.empty()) pick(t.shape) = number();
          break;
        case 1:
          t.shape.resize(rng.below(8), number());
          break;
        case 2:
          t.type = static_cast<TensorType>(number());
          break;
        case 3:
          t.data.resize(rng.below(40));
          break;
        case 4:
          if (!o.inputs.empty()) pick(o.inputs) = number();
          break;
        case 5:
          if (!o.outputs.empty()) pick(o.outputs) = number();
          break;
        case 6:
          o.inputs.resize(rng.below(6), number());
          break;
        case 7:
          o.code = static_cast<Builtin>(rng.below(130));
          break;
        case 8:
          o.options.stride_h = number(), o.options.dilation_w = number();
          break;
        case 9:
          o.options.filter_height = o.options.filter_width = number(), o.options.depth_multiplier = number();
          break;
        case 10:
          o.options.axis = number(), o.options.squeeze_dims = {number()}, o.options.new_shape = {number(), number()};
          break;
        case 11:
          o.options.fused_activation = static_cast<FusedActivation>(number()), o.options.keep_num_dims = true;
          break;
        case 12:
          m.outputs = {number()};
          break;
        default:
          t.quantization = {{static_cast<float>(number())}, {number()}, number()};
      }
      if (rng.below(3) == 0) o.options.type = OptionsType::none;
    }
    try {
      if (seed % 2 == 0) {
        (void)load(m);
      } else {
        (void)load_integer(m);
      }
      ++models;
    } catch (const Error&) {
      ++errors;
    }
  }
  CHECK(models > 300);
  CHECK(errors > 3000);
}

TEST_CASE("weights that two layers read, from one tensor or one buffer, are refused by name or untied with a warning") {
  for (const bool one_tensor : {true, false}) {
    Description d;
    const auto x = d.real("x", {1, 2}), y = d.real("y", {1, 2}), z = d.real("z", {1, 2});
    const auto w = d.floats("w", {2, 2}, {1, 2, 3, 4}), zero = d.floats("zero", {2}, {0, 0});
    auto v = w;
    if (!one_tensor) {
      v = d.floats("v", {2, 2}, {1, 2, 3, 4});
      d.info.tensors.back().same_buffer = w;
    }
    d.info.inputs = {x};
    d.info.outputs = {z};
    d.operation(Builtin::fully_connected, {x, w, zero}, y, fully_connected());
    d.operation(Builtin::fully_connected, {y, v, zero}, z, fully_connected());
    // Through the bytes of a file, where tensors name their buffers.
    const ModelInfo info = tflite::decode(tflite::encode(d.info), "file");
    CHECK(info == d.info);
    refused(load, info, Errc::unsupported, {"constant 'w (tensor 3)' is shared by y, z", ".shared = SharedConstants::untie"});
    const CaughtWarnings warnings;
    const Model m = tflite::import_model(info, "file", {.shared = SharedConstants::untie});
    CHECK(m.parameters().size() == 4);
    REQUIRE(warnings.all().size() == 1);
    CHECK(warnings.mention("constant 'w (tensor 3)' is shared by y, z"));
    if (one_tensor) continue;
    d.info.tensors.back().same_buffer = -1;  // two copies in the file are two constants
    CHECK_NOTHROW(load(tflite::decode(tflite::encode(d.info), "file")));
  }
}

}  // namespace load_tflite_test
