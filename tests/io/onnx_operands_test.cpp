// Constant operands of .onnx models, batch norms without a layer, and pools: what becomes of them.
#include <stet/io/load_onnx.hpp>

#include "io/onnx_source.hpp"

#include <algorithm>

namespace onnx_operands_test {

using namespace stet;
using onnx::attribute;
using Source = stet_test::OnnxSource;
using stet_test::Floats, stet_test::Ints, stet_test::Kinds;
using stet_test::kinds, stet_test::values;

TEST_CASE("constants behind a layer go into it, one number or one per channel", "[io][onnx]") {
  Source s({2, 3, 3});
  auto y = s.node("Conv", {"x", s.constant("c.weight", {2, 2, 1, 1}, Floats{1, 2, 3, 4})});
  y = s.node("Mul", {y, s.constant("k", {2, 1, 1}, Floats{2, 3})});
  y = s.node("Add", {s.constant("b", {1, 2, 1, 1}, Floats{10, 20}), y});
  y = s.node("Sub", {s.constant("one", {}, Floats{1}), y});
  y = s.node("Div", {y, s.constant("four", {1}, Floats{4})});
  y = s.node("Relu", {y});
  const Model m = s.load(y);
  CHECK(kinds(m) == Kinds{"input", "conv2d", "relu"});
  CHECK(values(m, "c.weight") == Floats{-0.5f, -1.0f, -2.25f, -3.0f});
  CHECK(values(m, "c.bias") == Floats{-2.25f, -4.75f});
}

TEST_CASE("constants behind linear, depthwise, transposed convolutions and batch norms go into them", "[io][onnx]") {
  Source s({3});
  const auto w = s.constant("fc.weight", {2, 3}, Floats{1, 2, 3, 4, 5, 6});
  auto y = s.node("Gemm", {"x", w, s.constant("b", {2}, Floats{1, 2})}, {attribute("transB", std::int64_t{1})});
  const Model m = s.load(s.node("Mul", {y, s.constant("k", {2}, Floats{2, 3})}));
  CHECK(values(m, "fc.weight") == Floats{2, 4, 6, 12, 15, 18});
  CHECK(values(m, "fc.bias") == Floats{2, 6});

  Source t({2, 2, 2});
  auto z = t.node("Conv", {"x", t.constant("dw.weight", {2, 1, 1, 2}, Floats{1, 2, 3, 4})},
                  {attribute("group", std::int64_t{2})});
  z = t.node("BatchNormalization", {z, t.constant("g", {2}, Floats{1, 2}), t.constant("o", {2}, Floats{3, 4}),
                                    t.constant("mean", {2}, Floats{0, 1}), t.constant("var", {2}, Floats{1, 2})});
  z = t.node("Mul", {z, t.constant("k", {2, 1, 1}, Floats{2, 3})});
  z = t.node("ConvTranspose", {z, t.constant("up.weight", {2, 2, 1, 1}, Floats{1, 2, 3, 4})});
  z = t.node("Mul", {z, t.constant("l", {2, 1, 1}, Floats{10, 100})});
  const Model n = t.load(z);
  CHECK(kinds(n) == Kinds{"input", "depthwise_conv2d", "batch_norm", "conv_transpose"});
  CHECK(values(n, "BatchNormalization1.gamma") == Floats{2, 6});
  CHECK(values(n, "BatchNormalization1.beta") == Floats{6, 12});
  CHECK(values(n, "up.weight") == Floats{10, 30, 200, 400});
}

TEST_CASE("constants before the first layer, or behind a value with two readers, become a depthwise layer",
          "[io][onnx]") {
  Source s({2, 3, 3});
  auto y = s.node("Sub", {"x", s.constant("mean", {2, 1, 1}, Floats{1, 2})});
  y = s.node("Div", {y, s.constant("std", {1, 2, 1, 1}, Floats{2, 4})});
  y = s.node("Conv", {y, s.ramp("c.weight", {2, 2, 1, 1})});
  const auto twice = s.node("Mul", {y, s.constant("k", {}, Floats{3})});
  const Model m = s.load(s.node("Add", {y, twice}));
  CHECK(kinds(m) == Kinds{"input", "depthwise_conv2d", "conv2d", "depthwise_conv2d", "add"});
  CHECK(values(m, "Sub0.weight") == Floats{0.5f, 0.25f});
  CHECK(values(m, "Sub0.bias") == Floats{-0.5f, -0.5f});
  CHECK(m.find_parameter("Mul3.bias") == nullptr);
  CHECK(values(m, "Mul3.weight") == Floats{3, 3});
}

TEST_CASE("constants of values that are no images, and of any shape", "[io][onnx]") {
  Source s({6});
  const Model m = s.load(s.node("Relu", {s.node("Mul", {"x", s.ramp("k", {6})})}));
  CHECK(kinds(m) == Kinds{"input", "reshape", "depthwise_conv2d", "reshape", "relu"});
  Source t({2, 3});  // tokens: one number per feature, and one per token and feature
  auto y = t.node("Add", {"x", t.ramp("k", {3})});
  CHECK(values(t.load(y), "Add0.bias") == Floats{0, 1, 2});
  y = t.node("Add", {t.node("Relu", {"x"}), t.ramp("position", {1, 2, 3})});
  const Model n = t.load(y);
  CHECK(kinds(n) == Kinds{"input", "relu", "flatten", "reshape", "depthwise_conv2d", "reshape", "reshape"});
  CHECK(values(n, "Add2.bias") == Floats{0, 1, 2, 3, 4, 5});
}

TEST_CASE("columns and rows of an image have constants of their own", "[io][onnx]") {
  Source s({2, 3, 4});
  const Model m = s.load(s.node("Mul", {"x", s.ramp("k", {4})}));
  const auto list = kinds(m);
  CHECK(std::count(list.begin(), list.end(), "depthwise_conv2d") == 1);
  CHECK(values(m, "Mul0.weight") == Floats{0, 1, 2, 3});
}

TEST_CASE("a batch norm without a layer gets a depthwise one of ones", "[io][onnx]") {
  Source s({2, 3, 3});
  const auto norm = [&](const std::string& x) {
    return s.node("BatchNormalization",
                  {x, s.ramp(x + "g", {2}), s.ramp(x + "b", {2}), s.ramp(x + "m", {2}), s.ramp(x + "v", {2})});
  };
  const auto y = s.node("Relu", {norm("x")});
  const auto conv = s.node("Conv", {y, s.ramp("c.weight", {2, 2, 1, 1})});  // read twice: its batch norm stays alone
  const Model m = s.load(s.node("Add", {norm(conv), s.node("Relu", {conv})}));
  CHECK(kinds(m) == Kinds{"input", "depthwise_conv2d", "batch_norm", "relu", "conv2d", "depthwise_conv2d", "batch_norm",
                          "relu", "add"});
  CHECK(values(m, "BatchNormalization0_unit.weight") == Floats{1, 1});
  CHECK(values(m, "c.weight") == Floats{0, 1, 2, 3});
  Source t({4});
  const auto f = t.ramp("f", {4});
  CHECK(kinds(t.load(t.node("BatchNormalization", {"x", f, f, f, f}))) ==
        Kinds{"input", "reshape", "depthwise_conv2d", "batch_norm", "reshape"});
}

TEST_CASE("pools that count padding read a padded image, and ceil_mode is padding behind", "[io][onnx]") {
  const auto pool = [](const std::string& type, std::int64_t size, std::int64_t kernel, std::int64_t stride, Ints pads,
                       bool counts, bool up) {
    Source s({1, size, size});
    std::vector<onnx::AttributeInfo> a{attribute("kernel_shape", Ints{kernel, kernel}),
                                       attribute("strides", Ints{stride, stride}), attribute("pads", std::move(pads)),
                                       attribute("ceil_mode", std::int64_t{up})};
    if (type == "AveragePool") a.push_back(attribute("count_include_pad", std::int64_t{counts}));
    return s.load(s.node(type, {"x"}, a));
  };
  const auto max_padding = [&](std::int64_t size, std::int64_t kernel, std::int64_t stride, Ints pads) {
    const Model m = pool("MaxPool", size, kernel, stride, std::move(pads), false, true);
    return graph::as<graph::op::MaxPool>(m.graph().node(1).op)->padding;
  };
  CHECK(max_padding(6, 2, 2, {0, 0, 0, 0}) == Padding::valid());
  CHECK(max_padding(112, 3, 2, {0, 0, 0, 0}) == Padding::same());  // squeezenet, googlenet
  CHECK(max_padding(7, 2, 2, {0, 0, 0, 0}) == Padding::same());
  CHECK(max_padding(6, 4, 3, {1, 1, 1, 1}) == Padding::of(1, 3, 1, 3));
  CHECK(max_padding(5, 2, 3, {0, 0, 0, 0}) == Padding::valid());  // the next window would begin behind the image
  const auto average = [&](std::int64_t size, std::int64_t kernel, std::int64_t stride, Ints pads, bool counts,
                           bool up) {
    const Model m = pool("AveragePool", size, kernel, stride, std::move(pads), counts, up);
    const auto& op = *graph::as<graph::op::AveragePool>(m.graph().nodes().back().op);
    CHECK_FALSE(op.count_padding);
    return std::pair(kinds(m), op.padding);
  };
  CHECK(average(6, 3, 1, {1, 1, 1, 1}, true, false) ==
        std::pair(Kinds{"input", "pad", "average_pool"}, Padding::valid()));
  CHECK(average(6, 3, 1, {1, 1, 1, 1}, false, false) == std::pair(Kinds{"input", "average_pool"}, Padding::same()));
  CHECK(average(6, 3, 2, {1, 1, 1, 1}, true, true) ==
        std::pair(Kinds{"input", "pad", "average_pool"}, Padding::same()));
  CHECK(average(6, 2, 2, {0, 0, 0, 0}, true, true) == std::pair(Kinds{"input", "average_pool"}, Padding::valid()));
}

TEST_CASE("lines are images of height 1: convolutions, pools, batch norms and sums of one dimension move nothing",
          "[io][onnx]") {
  Source s({2, 12});
  const auto norm = [&](const std::string& x, const std::string& n) {
    return s.node("BatchNormalization",
                  {x, s.ramp(n + "g", {4}), s.ramp(n + "b", {4}), s.ramp(n + "m", {4}), s.ramp(n + "v", {4})});
  };
  const auto conv = [&](const std::string& x, const std::string& w, const Ints& dims, Ints pads) {
    return s.node(
        "Conv", {x, s.ramp(w, dims)},
        {attribute("kernel_shape", Ints{3}), attribute("strides", Ints{1}), attribute("dilations", Ints{1}),
         attribute("pads", std::move(pads)), attribute("group", dims[1] == 1 ? std::int64_t{4} : std::int64_t{1})});
  };
  const auto pool = [&](const std::string& type, const std::string& x) {
    return s.node(type, {x}, {attribute("kernel_shape", Ints{2}), attribute("strides", Ints{2})});
  };
  const auto a = s.node("Relu", {norm(conv("x", "a.weight", {4, 2, 3}, {1, 1}), "a")});
  const auto b = norm(
      conv(s.node("Pad", {a, s.constant("pads", {6}, Ints{0, 0, 2, 0, 0, 0})}), "b.weight", {4, 1, 3}, {0, 0}), "b");
  auto y = s.node("Concat", {s.node("Add", {a, b}), a}, {attribute("axis", std::int64_t{1})});
  y = pool("MaxPool", pool("AveragePool", s.node("Mul", {y, s.ramp("k", {8, 1})})));
  y = s.node("ReduceMean", {y}, {attribute("axes", Ints{-1}), attribute("keepdims", std::int64_t{0})});
  const Model m = s.load(s.node("Gemm", {y, s.ramp("fc.weight", {8, 3})}));
  CHECK(kinds(m) == Kinds{"input", "transpose", "reshape", "conv2d", "batch_norm", "relu", "pad", "depthwise_conv2d",
                          "batch_norm", "add", "concat", "depthwise_conv2d", "average_pool", "max_pool",
                          "global_average_pool", "linear"});
  CHECK(m.graph().node(3).shape == Shape{1, 12, 4});
  CHECK(graph::as<graph::op::Conv2D>(m.graph().node(3).op)->padding == Padding::same());
  CHECK(values(m, "a.weight")[1] == 3.0f);  // [o,1,k,i]
  Source t({2, 12});
  CHECK(kinds(t.load(t.node("Flatten", {t.node("GlobalAveragePool", {"x"})}))) ==
        Kinds{"input", "transpose", "reshape", "global_average_pool"});
}

TEST_CASE("hard swish and GELU that are written out are read as what they are", "[io][onnx]") {
  const auto number = [](Source& s, const std::string& name, float v) { return s.constant(name, {}, Floats{v}); };
  for (const bool last : {false, true}) {
    Source s({2, 3, 3});
    auto x = s.node("Relu", {"x"});
    auto y = s.node("Clip", {s.node("Add", {x, number(s, "three", 3)}), number(s, "zero", 0), number(s, "six", 6)});
    y = last ? s.node("Div", {s.node("Mul", {x, y}), "six"})
             : s.node("Mul", {s.node("Mul", {y, number(s, "sixth", 1.0f / 6)}), x});
    x = s.node("Relu", {y});
    y = s.node("Add", {s.node("Erf", {s.node("Div", {x, number(s, "root", 1.41421354f)})}), number(s, "one", 1)});
    const auto half = number(s, "half", 0.5f);
    y = last ? s.node("Mul", {s.node("Mul", {x, y}), half}) : s.node("Mul", {x, s.node("Mul", {y, half})});
    const Model m = s.load(y);
    CHECK(kinds(m) == Kinds{"input", "relu", "hard_swish", "relu", "gelu"});
  }
  // Another number, or a part that somebody else reads, is no hard swish.
  for (const bool read : {false, true}) {
    Source s({2, 3, 3});
    const auto clip = s.node("Clip", {s.node("Add", {"x", number(s, "three", read ? 3.0f : 2.0f)}),
                                      number(s, "zero", 0), number(s, "six", 6)});
    const auto y = s.node("Div", {s.node("Mul", {"x", clip}), "six"});
    CHECK(kinds(s.load(read ? s.node("Add", {y, clip}) : y))[1] == "depthwise_conv2d");
  }
}

}  // namespace onnx_operands_test
