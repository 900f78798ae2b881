// load_onnx on descriptions made by hand: what becomes of each operator, and what is refused.
#include <stet/graph/builder.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/save_onnx.hpp>

#include "io/onnx_source.hpp"
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <utility>

namespace onnx_load_test {

using namespace stet;
using stet_test::CaughtWarnings;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;
using onnx::DataType;
using Source = stet_test::OnnxSource;
using stet_test::kinds, stet_test::values;
using stet_test::Floats, stet_test::Ints, stet_test::Kinds;

TEST_CASE("a convolution turns to NHWC, and SAME is recognized", "[io][onnx]") {
  Source s({2, 6, 6});
  const auto w = s.ramp("block.0.weight", {4, 2, 3, 3});
  const auto y = s.node("Conv", {"x", w}, {attribute("pads", Ints{1, 1, 1, 1})});
  const Model m = s.load(y);
  const auto& conv = *graph::as<graph::op::Conv2D>(m.graph().node(1).op);
  CHECK(m.graph().node(0).shape == Shape{6, 6, 2});
  CHECK(m.graph().node(1).name == "block.0");
  CHECK(conv.padding == Padding::same());
  CHECK_FALSE(conv.bias);
  const Floats v = values(m, "block.0.weight");  // [o,h,w,i]
  CHECK(v[0] == 0.0f);
  CHECK(v[1] == 9.0f);
  CHECK(v[2] == 1.0f);
  CHECK(v[18] == 18.0f);
}

TEST_CASE("paddings of ONNX", "[io][onnx]") {
  const auto padding = [](std::int64_t size, std::int64_t kernel, std::int64_t stride,
                          std::vector<onnx::AttributeInfo> attributes) {
    Source s({1, size, size});
    const auto w = s.ramp("w", {1, 1, kernel, kernel});
    attributes.push_back(attribute("strides", Ints{stride, stride}));
    const Model m = s.load(s.node("Conv", {"x", w}, attributes));
    return graph::as<graph::op::Conv2D>(m.graph().node(1).op)->padding;
  };
  const auto automatic = [](const char* mode) {
    return onnx::AttributeInfo{.name = "auto_pad", .type = onnx::AttributeType::text, .text = mode};
  };
  const auto pads = [](Ints p) { return attribute("pads", std::move(p)); };
  CHECK(padding(6, 3, 1, {pads({1, 1, 1, 1})}) == Padding::same());
  CHECK(padding(6, 3, 1, {}) == Padding::valid());
  CHECK(padding(6, 3, 1, {automatic("VALID")}) == Padding::valid());
  CHECK(padding(6, 3, 1, {automatic("SAME_UPPER")}) == Padding::same());
  CHECK(padding(6, 3, 2, {automatic("SAME_UPPER")}) == Padding::same());
  CHECK(padding(6, 3, 2, {automatic("SAME_LOWER")}) == Padding::of(1, 0, 1, 0));
  CHECK(padding(7, 3, 2, {automatic("SAME_LOWER")}) == Padding::same());  // one on each side: no difference
  CHECK(padding(6, 3, 2, {pads({1, 1, 1, 1})}) == Padding::of(1, 1, 1, 1));
  CHECK(padding(6, 3, 2, {pads({0, 0, 1, 1})}) == Padding::same());
  CHECK(padding(6, 3, 1, {pads({0, 1, 2, 3})}) == Padding::of(0, 2, 1, 3));
}

TEST_CASE("one group per channel is depthwise, with its multiplier", "[io][onnx]") {
  Source s({3, 4, 4});
  const auto y = s.node("Conv", {"x", s.ramp("dw.weight", {6, 1, 2, 2}), s.ramp("dw.bias", {6})},
                        {attribute("group", std::int64_t{3})});
  const Model m = s.load(y);
  CHECK(graph::as<graph::op::DepthwiseConv2D>(m.graph().node(1).op)->multiplier == 2);
  CHECK(values(m, "dw.weight")[1] == 4.0f);  // [1,kh,kw,channel]: the first tap of the second channel
  CHECK(values(m, "dw.bias") == Floats{0, 1, 2, 3, 4, 5});
}

TEST_CASE("Gemm: alpha, beta and either direction", "[io][onnx]") {
  Source s({3});
  const auto w = s.constant("fc.weight", {3, 2}, Floats{1, 2, 3, 4, 5, 6});
  const auto y = s.node("Gemm", {"x", w, s.constant("c", {1, 2}, Floats{10, 20})},
                        {attribute("alpha", 2.0f), attribute("beta", 0.5f)});
  const Model m = s.load(y);
  CHECK(values(m, "fc.weight") == Floats{2, 6, 10, 4, 8, 12});
  CHECK(values(m, "fc.bias") == Floats{5, 10});
  Source t({2});
  const auto z = t.node("Gemm", {"x", t.ramp("w", {3, 2}), t.constant("c", {}, Floats{7})},
                        {attribute("transB", std::int64_t{1})});
  const Model n = t.load(z);
  CHECK(values(n, "Gemm0.weight") == Floats{0, 1, 2, 3, 4, 5});
  CHECK(values(n, "Gemm0.bias") == Floats{7, 7, 7});
}

TEST_CASE("MatMul takes in the Add behind it", "[io][onnx]") {
  Source s({2, 3});
  const auto p = s.node("MatMul", {"x", s.ramp("w", {3, 2})});
  const auto y = s.node("Relu", {s.node("Add", {s.constant("b", {2}, Floats{5, 6}), p})});
  const Model m = s.load(y);
  CHECK(kinds(m) == Kinds{"input", "linear", "relu"});
  CHECK(values(m, "MatMul0.weight") == Floats{0, 2, 4, 1, 3, 5});
  CHECK(values(m, "MatMul0.bias") == Floats{5, 6});
}

TEST_CASE("the columns of a layer behind a flattened image follow", "[io][onnx]") {
  for (const std::string how : {"Flatten", "Reshape -1", "Reshape 0", "Shape"}) {
    Source s({2, 1, 3});  // [C,H,W]
    std::string flat;
    if (how == "Flatten") flat = s.node("Flatten", {"x"});
    if (how == "Reshape -1") flat = s.node("Reshape", {"x", s.constant("shape", {2}, Ints{-1, 6})});
    if (how == "Reshape 0") flat = s.node("Reshape", {"x", s.constant("shape", {2}, Ints{0, -1})});
    if (how == "Shape") {
      const auto n = s.node("Gather", {s.node("Shape", {"x"}), s.constant("zero", {}, Ints{0})},
                            {attribute("axis", std::int64_t{0})});
      const auto one = s.node("Unsqueeze", {n, s.constant("axes", {1}, Ints{0})});
      flat = s.node("Reshape", {"x", s.node("Concat", {one, s.constant("rest", {1}, Ints{-1})},
                                            {attribute("axis", std::int64_t{0})})});
    }
    const auto y =
        s.node("Gemm", {s.node("Relu", {flat}), s.ramp("fc.weight", {1, 6})}, {attribute("transB", std::int64_t{1})});
    const Model m = s.load(y);
    CAPTURE(how);
    CHECK(kinds(m) == Kinds{"input", "flatten", "relu", "linear"});
    CHECK(values(m, "fc.weight") == Floats{0, 3, 1, 4, 2, 5});
  }
}

TEST_CASE("a flattened image that is no layer's input is put in order", "[io][onnx]") {
  Source s({2, 2, 3});
  const Model m = s.load(s.node("Flatten", {"x"}));
  CHECK(kinds(m) == Kinds{"input", "flatten", "reshape", "transpose", "flatten"});
}

TEST_CASE("dimensions of size 1 come and go for nothing", "[io][onnx]") {
  Source s({4, 3, 3});
  auto y = s.node("GlobalAveragePool", {"x"});
  y = s.node("Squeeze", {y, s.constant("axes", {2}, Ints{2, -1})});
  y = s.node("Unsqueeze", {y, s.constant("axes2", {1}, Ints{1})});
  y = s.node("Reshape", {y, s.constant("shape", {2}, Ints{0, 4})});
  y = s.node("Gemm", {y, s.ramp("fc.weight", {4, 2})});
  CHECK(kinds(s.load(y)) == Kinds{"input", "global_average_pool", "linear"});
}

TEST_CASE("a softmax over what was an image of one row is over all of it", "[io][onnx]") {
  Source s({1, 2, 1});
  const Model m = s.load(s.node("Softmax", {s.node("Flatten", {"x"})}), {.ending = Ending::whole});
  CHECK(kinds(m) == Kinds{"input", "reshape", "softmax"});
  CHECK(m.graph().node(2).shape == Shape{2});
}

TEST_CASE("transposes are made only where somebody needs them", "[io][onnx]") {
  Source s({4, 5, 3});  // NHWC, as another producer may have it
  auto y = s.node("Transpose", {"x"}, {attribute("perm", Ints{0, 3, 1, 2})});
  y = s.node("Conv", {y, s.ramp("c.weight", {2, 3, 1, 1})});
  y = s.node("Transpose", {y}, {attribute("perm", Ints{0, 2, 3, 1})});
  const Model m = s.load(y);
  CHECK(kinds(m) == Kinds{"input", "conv2d"});
  CHECK(m.graph().node(0).shape == Shape{4, 5, 3});
  CHECK(m.graph().node(1).shape == Shape{4, 5, 2});

  Source t({3, 4, 5});
  auto z = t.node("Transpose", {"x"}, {attribute("perm", Ints{0, 1, 3, 2})});
  z = t.node("Conv", {z, t.ramp("c.weight", {2, 3, 1, 1})});
  const Model n = t.load(z);
  CHECK(kinds(n) == Kinds{"input", "transpose", "conv2d"});
  CHECK(n.graph().node(1).name == "Transpose0");
  CHECK(n.graph().node(2).shape == Shape{5, 4, 2});
}

TEST_CASE("batch norm stays a node, also with the outputs of training, which is said", "[io][onnx]") {
  const CaughtWarnings warnings;
  Source s({2, 3, 3});
  const auto y =
      s.node("BatchNormalization",
             {"x", s.ramp("bn.weight", {2}), s.constant("b", {2}, Floats{3, 4}), s.constant("m", {2}, Floats{5, 6}),
              s.constant("v", {2}, Floats{7, 8})},
             {attribute("epsilon", 1e-3f), attribute("momentum", 0.99f), attribute("training_mode", std::int64_t{1})});
  s.model.nodes[0].outputs = {y, "mean", "var"};
  const Model m = s.load(y);
  CHECK(kinds(m) == Kinds{"input", "depthwise_conv2d", "batch_norm"});  // a layer for it, see unit_layers
  const auto& bn = *graph::as<graph::op::BatchNorm>(m.graph().node(2).op);
  CHECK(bn.eps == 1e-3f);
  CHECK(bn.momentum == 0.01f);
  CHECK(values(m, "bn.gamma") == Floats{0, 1});
  CHECK(m.buffer("bn.variance")[1] == 8.0f);
  REQUIRE(warnings.all().size() == 1);
  CHECK_THAT(warnings.all()[0], ContainsSubstring("exported in training mode: BatchNormalization0 normalize"));
}

TEST_CASE("a dropout that the file leaves on is said, one that is off is not", "[io][onnx]") {
  for (const bool on : {true, false}) {
    const CaughtWarnings warnings;
    Source s({4});
    const auto ratio = s.constant("ratio", {}, Floats{0.25f});
    const Model m = s.load(s.node("Dropout", {"x", ratio, s.constant("training", {}, std::vector<std::uint8_t>{on})}));
    CHECK(graph::as<graph::op::Dropout>(m.graph().node(1).op)->rate == 0.25f);
    CHECK(warnings.all().size() == (on ? 1u : 0u));
    CHECK(warnings.mention("Dropout0") == on);
  }
}

TEST_CASE("a trained constant of several layers is refused by name, or untied with a warning", "[io][onnx]") {
  // A Gemm and a MatMul of the transposed matrix behind an Identity: tied weights as exporters write them.
  const auto tied = [] {
    Source s({3});
    const auto w = s.ramp("embedding.weight", {3, 3}), b = s.constant("b", {3}, Floats{1, 2, 3});
    auto y = s.node("Gemm", {"x", w, b}, {attribute("transB", std::int64_t{1})});
    y = s.node("Add", {s.node("MatMul", {y, s.node("Transpose", {s.node("Identity", {w})})}), b});
    return std::pair(s, y);
  };
  auto [s, y] = tied();
  const std::string text = s.refusal(y);
  CHECK_THAT(text, ContainsSubstring("constant 'embedding.weight' is shared by embedding, embedding_1"));
  CHECK_THAT(text, ContainsSubstring("constant 'b' is shared by embedding, embedding_1"));
  CHECK_THAT(text, ContainsSubstring(".shared = SharedConstants::untie"));
  const CaughtWarnings warnings;
  const Model m = import_onnx(s.model, "made.onnx", {.shared = SharedConstants::untie});
  CHECK(m.parameters().size() == 4);
  REQUIRE(warnings.all().size() == 1);
  CHECK_THAT(warnings.all()[0], ContainsSubstring("constant 'embedding.weight' is shared by embedding, embedding_1"));
}

TEST_CASE("copies, and biases and statistics of one repeated number, are no tied weights", "[io][onnx]") {
  // Exporters store equal constants once: two fresh layers have one zero bias and one batch norm's constants.
  const CaughtWarnings warnings;
  Source s({2, 3, 3});
  const auto zero = s.constant("zero", {2}, Floats{0, 0}), one = s.constant("one", {2}, Floats{1, 1});
  std::string y = "x";
  for (const char* name : {"a.weight", "b.weight"}) {
    y = s.node("Conv", {y, s.ramp(name, {2, 2, 1, 1}), zero});
    y = s.node("BatchNormalization", {y, one, zero, zero, one});
  }
  CHECK(s.load(y).parameters().size() == 8);
  CHECK(warnings.all().empty());
}

TEST_CASE("activations, pools and reductions", "[io][onnx]") {
  Source s({4, 6, 6});
  const auto zero = s.constant("zero", {}, Floats{0}), six = s.constant("six", {}, Floats{6});
  auto y = s.node("Clip", {"x", zero, six});
  y = s.node("Clip", {y, zero});
  y = s.node("Mul", {y, s.node("HardSigmoid", {y}, {attribute("alpha", 1.0f / 6.0f)})});
  y = s.node("Dropout", {y, s.constant("ratio", {}, Floats{0.25f})});
  y = s.node("Identity", {s.node("Cast", {y}, {attribute("to", std::int64_t{1})})});
  y = s.node("MaxPool", {y},
             {attribute("kernel_shape", Ints{2, 2}), attribute("ceil_mode", std::int64_t{1}),
              attribute("strides", Ints{2, 2})});
  y = s.node("AveragePool", {y},
             {attribute("kernel_shape", Ints{2, 1}), attribute("count_include_pad", std::int64_t{1})});
  y = s.node("Pad", {y, s.constant("pads", {8}, Ints{0, 0, 1, 2, 0, 0, 3, 4})});
  y = s.node("ReduceMean", {y}, {attribute("axes", Ints{-1, 2}), attribute("keepdims", std::int64_t{0})});
  y = s.node("Softmax", {y});
  const Model m = s.load(y, {.ending = Ending::whole});
  CHECK(kinds(m) == Kinds{"input", "relu6", "relu", "hard_swish", "dropout", "max_pool", "average_pool", "pad",
                          "global_average_pool", "softmax"});
  CHECK(graph::as<graph::op::Dropout>(m.graph().node(4).op)->rate == 0.25f);
  CHECK(graph::as<graph::op::AveragePool>(m.graph().node(6).op)->stride == Pair(1));
  CHECK(graph::as<graph::op::Pad>(m.graph().node(7).op)->bottom == 3);
}

TEST_CASE("concatenation along channels of images and along features", "[io][onnx]") {
  Source s({2, 3, 3});
  const auto y = s.node("Concat", {"x", s.node("Relu", {"x"})}, {attribute("axis", std::int64_t{1})});
  const Model m = s.load(y);
  CHECK(graph::as<graph::op::Concat>(m.graph().node(2).op)->axis == 2);
  CHECK(m.graph().node(2).shape == Shape{3, 3, 4});
}

TEST_CASE("names that a graph cannot have are cleaned, and stay unique", "[io][onnx]") {
  Source s({2});
  s.model.nodes.push_back({"a:0", "Relu", {}, {"x"}, {"u"}, {}});
  s.model.nodes.push_back({"a_0", "Relu", {}, {"u"}, {"v"}, {}});
  s.model.nodes.push_back({"", "Relu", {}, {"v"}, {"out put"}, {}});
  const Model m = s.load("out put");
  CHECK(m.graph().node(1).name == "a_0");
  CHECK(m.graph().node(2).name == "a_0_1");
  CHECK(m.graph().node(3).name == "out_put");
}

TEST_CASE("everything that is not understood is listed, once and by name", "[io][onnx]") {
  Source s({2, 6, 6});
  const auto w = s.ramp("w", {2, 2, 3, 3});
  const auto a = s.node("Conv", {"x", w}, {attribute("dilation", Ints{1, 1})});
  const auto b = s.node("AveragePool", {"x"}, {attribute("kernel_shape", Ints{2, 2}), attribute("dilations", Ints{2, 2}), attribute("pads", Ints{1, 1, 1, 1})});
  const auto c = s.node("Erf", {a});  // named although its input failed
  const auto d = s.node("Sinh", {"x"});
  (void)s.node("Einsum", {"x"});  // nobody needs it
  const std::string text = s.refusal(s.node("Concat", {a, b, c, d}, {attribute("axis", std::int64_t{1})}));
  CHECK_THAT(text, ContainsSubstring("Conv0 (Conv): attribute dilation is not understood") &&
                       ContainsSubstring("AveragePool1 (AveragePool): attribute dilations") &&
                       ContainsSubstring("Erf2 (Erf): the operator Erf is not understood") &&
                       ContainsSubstring("Sinh3 (Sinh): the operator Sinh is not understood"));
  CHECK_THAT(text, !ContainsSubstring("Einsum") && !ContainsSubstring("Concat"));
}

TEST_CASE("refusals say what would be understood", "[io][onnx]") {
  const auto one = [](const std::string& type, std::vector<onnx::AttributeInfo> attributes,
                      const Ints& dims = {2, 6, 6}) {
    Source s(dims);
    return s.refusal(s.node(type, {"x"}, std::move(attributes)));
  };
  CHECK_THAT(one("Transpose", {}), ContainsSubstring("perm moves the batch"));
  CHECK_THAT(one("Transpose", {attribute("perm", Ints{0, 1, 1, 2})}), ContainsSubstring("does not name each"));
  CHECK_THAT(one("Flatten", {attribute("axis", std::int64_t{2})}), ContainsSubstring("attribute axis is 2"));
  CHECK_THAT(one("Softmax", {attribute("axis", std::int64_t{0})}), ContainsSubstring("axis 0 is the batch"));
  CHECK_THAT(one("ReduceMean", {attribute("axes", Ints{7})}), ContainsSubstring("axis 7 does not exist"));
  CHECK_THAT(one("ReduceMean", {}), ContainsSubstring("axes are missing"));
  CHECK_THAT(one("MaxPool", {}), ContainsSubstring("kernel_shape is missing"));
  CHECK_THAT(one("MaxPool", {attribute("kernel_shape", Ints{0, 2})}), ContainsSubstring("1 to 65535"));
  CHECK_THAT(one("GlobalAveragePool", {}, {5}), ContainsSubstring("only images"));
  CHECK_THAT(one("LeakyRelu", {attribute("alpha", std::int64_t{1})}), ContainsSubstring("attribute alpha has type 2"));
  CHECK_THAT(one("Cast", {attribute("to", std::int64_t{7})}), ContainsSubstring("of whole numbers to int64"));

  Source s({2, 6, 6});
  CHECK_THAT(s.refusal(s.node("Mul", {"x", s.ramp("c", {3, 1, 1})})), ContainsSubstring("'c' has 3 elements where the value has 2"));
  CHECK_THAT(s.refusal(s.node("Mul", {"x", s.ramp("d", {2, 1, 2, 1, 1})})), ContainsSubstring("'d' has 5 dimensions, the value has 4"));
  CHECK_THAT(s.refusal(s.node("Div", {"x", s.constant("zero", {}, Floats{0})})), ContainsSubstring("'zero' has the value 0"));
  CHECK_THAT(s.refusal(s.node("Div", {s.ramp("each", {6}), "x"})), ContainsSubstring("the dividend must be one number or a value"));
  Source t({2, 6, 6});
  CHECK_THAT(t.refusal(t.node("Reshape", {"x", t.constant("shape", {2}, Ints{1, 72})})),
             ContainsSubstring("begins with 1"));
  Source f({2, 6, 6}, 1);  // the same is right if the file has a batch of one
  CHECK(kinds(f.load(f.node("Reshape", {"x", f.constant("shape", {2}, Ints{1, 72})}))).back() == "flatten");
  Source u({2, 6, 6});
  CHECK_THAT(u.refusal(u.node("Relu", {"nothing"})), ContainsSubstring("no node before it makes its input 'nothing'"));
  Source v({2, -1, 6});
  CHECK_THAT(v.refusal(v.node("Relu", {"x"})), ContainsSubstring("dimension 2 has no size; give the shape of one sample"));
  Source h({2, 6, 6});
  h.model.inputs[0].type = DataType::uint8;
  CHECK_THAT(h.refusal(h.node("Relu", {"x"})), ContainsSubstring("input 'x': data type 2"));
  Source q({4});
  CHECK_THAT(q.refusal(q.node("DequantizeLinear", {"x", q.ramp("s", {1})})), ContainsSubstring("DequantizeLinear"));
  Source r({4});
  CHECK_THAT(r.refusal(r.node("HardSigmoid", {})), ContainsSubstring("input 0 is missing"));
  Source e({4});
  const auto twice = e.node("Relu", {"x"});
  e.model.nodes.push_back(e.model.nodes[0]);
  CHECK_THAT(e.refusal(twice), ContainsSubstring("exists already"));
  Source o({4});
  CHECK_THAT(o.refusal("nowhere"), ContainsSubstring("output 'nowhere'"));
}

TEST_CASE("descriptions with broken shapes are errors, not more", "[io][onnx]") {
  // Every weight, axis and shape exchanged for something hostile.
  for (const Ints& dims : {Ints{}, Ints{0, 0, 0, 0}, Ints{1}, Ints{2, 2}, Ints{2, 2, 0, 3}, Ints{3, 5, 3, 3}}) {
    Source s({2, 6, 6});
    CHECK_THAT(s.refusal(s.node("Conv", {"x", s.ramp("w", dims)})), ContainsSubstring("Conv0"));
    Source t({4});
    CHECK_THAT(t.refusal(t.node("Gemm", {"x", t.ramp("w", dims)})), ContainsSubstring("Gemm0"));
  }
  for (const Ints& shape : {Ints{}, Ints{-1, -1}, Ints{0, 0, 0, 0, 7}, Ints{0, -5}, Ints{-1, 0}, Ints{0, 1LL << 62, 4},
                            Ints{-1, 5}, Ints{0, 2, 2, 2, 3, 3, 1, 1}}) {
    Source s({2, 6, 6});
    const auto dims = Ints{static_cast<std::int64_t>(shape.size())};
    CHECK_THAT(s.refusal(s.node("Reshape", {"x", s.constant("shape", dims, shape)})), ContainsSubstring("Reshape0"));
  }
  Source s({2, 6, 6});
  CHECK_THAT(s.refusal(s.node("Conv", {"x", s.ramp("w", {2, 2, 3, 3})}, {attribute("group", std::int64_t{0})})),
             ContainsSubstring("attribute group"));
}

TEST_CASE("a float model comes back from its file with names, shapes and numbers", "[io][onnx]") {
  Graph g;
  auto x = g.input({8, 8, 3}).named("image");
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .stride = 2}).named("stem")).named("norm"));
  x = relu6(depthwise_conv2d(x, {.kernel = 3, .multiplier = 2}).named("dw")).named("act");
  g.output(linear(flatten(max_pool(x, {.size = 2}).named("pool")).named("flat"), {.units = 5}).named("logits"));
  Model model(std::move(g), Rng(3));
  const stet_test::TemporaryDirectory dir;
  for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
    save_onnx(dir.path("m.onnx"), model, {.layout = layout, .fold_batch_norm = false});
    Model back = load_onnx(dir.path("m.onnx"));
    REQUIRE(back.graph().size() == model.graph().size());
    for (int id = 0; id < model.graph().size(); ++id) {
      CHECK(back.graph().node(id).name == model.graph().node(id).name);
      CHECK(back.graph().node(id).shape == model.graph().node(id).shape);
      CHECK(kind(back.graph().node(id).op) == kind(model.graph().node(id).op));
      CHECK(attributes(back.graph().node(id).op) == attributes(model.graph().node(id).op));
    }
    model.fields([&](const std::string& name, Tensor<float>& t) {
      CAPTURE(name);
      bool found = false;
      back.fields([&](const std::string& other, Tensor<float>& u) {
        if (other != name) return;
        found = true;
        CHECK(std::ranges::equal(t.span(), u.span()));
      });
      CHECK(found);
    });
  }
}

}  // namespace onnx_load_test
