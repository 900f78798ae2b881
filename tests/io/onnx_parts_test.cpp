// Operators of .onnx that become several of stet's, or others: elements that are gathered, padding with elements, slopes per
// channel, quotients, powers, extrema and resizes. Values against what ONNX says.
#include <stet/io/load_onnx.hpp>
#include <stet/model/forward.hpp>
#include <stet/operators/resize_bilinear/onnx.hpp>

#include "io/onnx_source.hpp"

#include <algorithm>
#include <cmath>

namespace onnx_parts_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;
using Source = stet_test::OnnxSource;
using stet_test::Floats, stet_test::Ints, stet_test::Kinds;
using stet_test::kinds;

namespace {

// What a model makes of one sample 0, 1, 2, ... (times `step`, from `first`), channels last.
Floats run(const Model& m, float first = 0, float step = 1) {
  Tensor<float> x(m.graph().node(0).shape.batched(1));
  const auto values = x.edit();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = first + step * static_cast<float>(i);
  const Tensor<float> y = infer(m, x);
  return {y.span().begin(), y.span().end()};
}
std::string ints(Source& s, const char* name, const Ints& values) {
  return s.constant(name, {static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

TEST_CASE("one element of a dimension is selected, a list of them is taken in parts", "[io][onnx]") {
  Source s({2, 3});  // a line: [C,L], so x[c][l] is element l*2 + c of a sample with channels last
  Model m = s.load(s.node("Gather", {"x", s.constant("last", {}, Ints{-1})}, {attribute("axis", 2)}));
  CHECK(m.graph().node(m.graph().outputs()[0]).shape == Shape{2});
  CHECK(run(m) == Floats{2, 5});
  Source t({6});
  m = t.load(t.node("Gather", {"x", ints(t, "odd", {1, 3, 5})}, {attribute("axis", 1)}));
  CHECK(kinds(m) == Kinds{"input", "slice"});
  CHECK(run(m) == Floats{1, 3, 5});
  m = t.load(t.node("Gather", {"x", ints(t, "any", {5, 4, 0, 0, 2})}, {attribute("axis", 1)}));
  CHECK(run(m) == Floats{5, 4, 0, 0, 2});
  CHECK_THAT(t.refusal(t.node("Gather", {"x", ints(t, "far", {6})}, {attribute("axis", 1)})), ContainsSubstring("takes element 6 of 6"));
  CHECK_THAT(t.refusal(t.node("Gather", {"x", t.constant("zero", {}, Ints{0})}, {attribute("axis", 1)})),
             ContainsSubstring("a dimension must stay"));
  CHECK_THAT(t.refusal(t.node("Gather", {"x", ints(t, "sample", {0})}, {attribute("axis", 0)})), ContainsSubstring("batch"));
}

TEST_CASE("the largest of a large image is found in two pools, as a max pool takes 256 taps", "[io][onnx]") {
  Source s({1, 17, 16});
  Model m = s.load(s.node("GlobalMaxPool", {"x"}));
  CHECK(kinds(m) == Kinds{"input", "max_pool", "max_pool"});
  CHECK(run(m) == Floats{271});
  CHECK(run(m, 5, -1) == Floats{5});
  m = s.load(s.node("ReduceMax", {"x", ints(s, "axes", {2, 3})}));
  CHECK(run(m) == Floats{271});
  Source t({1, 16, 16});
  m = t.load(t.node("GlobalMaxPool", {"x"}));
  CHECK(kinds(m) == Kinds{"input", "max_pool"});
  CHECK(run(m) == Floats{255});
}

TEST_CASE("slices may go in steps and backwards", "[io][onnx]") {
  Source s({6});
  const auto cut = [&](std::int64_t first, std::int64_t last, std::int64_t step) {
    const std::string n = std::to_string(s.model.nodes.size());
    return s.node("Slice", {"x", ints(s, ("a" + n).c_str(), {first}), ints(s, ("b" + n).c_str(), {last}), ints(s, ("c" + n).c_str(), {1}),
                            ints(s, ("d" + n).c_str(), {step})});
  };
  CHECK(run(s.load(cut(1, 100, 2))) == Floats{1, 3, 5});
  CHECK(run(s.load(cut(-1, -100, -1))) == Floats{5, 4, 3, 2, 1, 0});
  CHECK(run(s.load(cut(4, 0, -3))) == Floats{4, 1});
  CHECK(run(s.load(s.node("Slice", {"x", ints(s, "from", {0, 2}), ints(s, "to", {std::int64_t{1} << 40, 4})}))) == Floats{2, 3});
  CHECK_THAT(s.refusal(cut(0, 3, 0)), ContainsSubstring("a step of 0"));
  CHECK_THAT(s.refusal(cut(3, 1, 1)), ContainsSubstring("takes nothing"));
}

TEST_CASE("padding with elements: reflected, repeated, wrapped", "[io][onnx]") {
  const auto padded = [](const char* mode) {
    Source s({4});
    return run(s.load(s.node("Pad", {"x", ints(s, "pads", {0, 2, 0, 1})}, {attribute("mode", mode)})));
  };
  CHECK(padded("reflect") == Floats{2, 1, 0, 1, 2, 3, 2});
  CHECK(padded("edge") == Floats{0, 0, 0, 1, 2, 3, 3});
  CHECK(padded("wrap") == Floats{2, 3, 0, 1, 2, 3, 0});
  Source s({1, 2, 3});
  const Model m = s.load(s.node("Pad", {"x", ints(s, "pads", {0, 0, 1, 2, 0, 0, 0, 0})}, {attribute("mode", "reflect")}));
  CHECK(run(m) == Floats{5, 4, 3, 4, 5, 2, 1, 0, 1, 2, 5, 4, 3, 4, 5});
  CHECK_THAT(s.refusal(s.node("Pad", {"x", ints(s, "far", {0, 0, 2, 0, 0, 0, 0, 0})}, {attribute("mode", "reflect")})),
             ContainsSubstring("pads 2 elements by 2 and 0 (mode reflect)"));
}

TEST_CASE("a rectifier with a slope per channel, or one", "[io][onnx]") {
  Source s({2, 1, 2});
  Model m = s.load(s.node("PRelu", {"x", s.constant("slope", {2, 1, 1}, Floats{0.5f, -0.25f})}));
  CHECK(run(m, -2, 1) == Floats{-1, 0.25f, 0, 1});
  m = s.load(s.node("PRelu", {"x", s.constant("one", {1}, Floats{0.5f})}));
  CHECK(kinds(m) == Kinds{"input", "leaky_relu"});
  CHECK(run(s.load(s.node("PRelu", {"x", s.constant("each", {2, 1, 2}, Floats{1, 2, 3, 4})})), -2, 1) == Floats{-2, -3, 0, 1});
  CHECK_THAT(s.refusal(s.node("PRelu", {"x", s.constant("many", {3, 1, 2}, Floats{1, 2, 3, 4, 5, 6})})), ContainsSubstring("has 3 elements where the value has 2"));
}

TEST_CASE("quotients, inverses and powers", "[io][onnx]") {
  Source s({3});
  auto y = s.node("Div", {"x", s.node("Abs", {"x"})});
  CHECK(run(s.load(y), -2, 3) == Floats{-1, 1, 1});
  y = s.node("Div", {s.constant("six", {}, Floats{6}), "x"});
  CHECK(run(s.load(y), 1) == Floats{6, 3, 2});
  Model m = s.load(s.node("Reciprocal", {s.node("Sqrt", {"x"})}));
  CHECK(kinds(m) == Kinds{"input", "rsqrt"});
  CHECK(run(m, 4, 0) == Floats{0.5f, 0.5f, 0.5f});
  const auto power = [&](float p) {
    const std::string name = "p" + std::to_string(s.model.nodes.size());
    return s.load(s.node("Pow", {"x", s.constant(name, {}, Floats{p})}));
  };
  CHECK(kinds(power(1)) == Kinds{"input"});
  CHECK(kinds(power(2)) == Kinds{"input", "square"});
  CHECK(kinds(power(-0.5f)) == Kinds{"input", "rsqrt"});
  CHECK(run(power(3)) == Floats{0, 1, 8});
  CHECK_THAT(s.refusal(s.node("Pow", {"x", "x"})), ContainsSubstring("only a constant is understood"));
  // gamma * elu(x) and alpha * elu(x / alpha), at x = -2 ... 0.
  const Floats selu = run(s.load(s.node("Selu", {"x"}, {attribute("alpha", 1.5f), attribute("gamma", 3.0f)})), -2);
  const Floats celu = run(s.load(s.node("Celu", {"x"}, {attribute("alpha", 2.0f)})), -2);
  for (int i = 0; i < 3; ++i) {
    const float x = static_cast<float>(i - 2);
    CHECK(std::abs(selu[static_cast<std::size_t>(i)] - (x > 0.0f ? 3.0f * x : 4.5f * (std::exp(x) - 1.0f))) < 1e-5f);
    CHECK(std::abs(celu[static_cast<std::size_t>(i)] - (x > 0.0f ? x : 2.0f * (std::exp(x / 2.0f) - 1.0f))) < 1e-5f);
  }
  CHECK_THAT(s.refusal(s.node("Selu", {"x"}, {attribute("alpha", -1.0f)})), ContainsSubstring("alpha -1 and gamma"));
  CHECK_THAT(s.refusal(s.node("Celu", {"x"}, {attribute("alpha", 0.0f)})), ContainsSubstring("must be positive"));
}

TEST_CASE("maxima and minima of values and constants, and of an image", "[io][onnx]") {
  Source s({4});
  auto y = s.node("Max", {"x", s.constant("one", {1}, Floats{1}), s.node("Neg", {"x"})});
  CHECK(run(s.load(y), -2) == Floats{2, 1, 1, 1});
  Model m = s.load(s.node("Min", {"x", s.constant("two", {}, Floats{2})}));
  CHECK(kinds(m) == Kinds{"input", "clip"});
  CHECK(run(m) == Floats{0, 1, 2, 2});
  CHECK(run(s.load(s.node("Max", {"x", s.constant("each", {4}, Floats{3, -1, 2, 5})}))) == Floats{3, 1, 2, 5});
  CHECK(run(s.load(s.node("Min", {s.constant("other", {4}, Floats{3, -1, 2, 1}), "x"}))) == Floats{0, -1, 2, 1});
  CHECK(run(s.load(s.node("Sum", {s.constant("added", {4}, Floats{3, -1, 2, 1}), "x", "x"}))) == Floats{3, 1, 6, 7});
  Source t({2, 2, 3});
  m = t.load(t.node("ReduceMax", {"x"}, {attribute("axes", Ints{2, 3}), attribute("keepdims", std::int64_t{0})}));
  CHECK(m.graph().node(m.graph().outputs()[0]).shape.elements() == 2);
  CHECK(run(m) == Floats{10, 11});
  m = t.load(t.node("ReduceMax", {"x"}, {attribute("axes", Ints{3})}));
  CHECK(run(m) == Floats{4, 5, 10, 11});
  m = t.load(t.node("ReduceMax", {"x"}, {attribute("axes", Ints{1}), attribute("keepdims", std::int64_t{0})}));
  CHECK(m.graph().node(m.graph().outputs()[0]).shape == Shape{2, 3});
  CHECK(run(m) == Floats{1, 3, 5, 7, 9, 11});
  m = t.load(t.node("ReduceMax", {"x"}, {attribute("axes", Ints{1, -1})}));
  CHECK(run(m) == Floats{5, 11});
  CHECK_THAT(t.refusal(t.node("ReduceMax", {"x"}, {attribute("axes", Ints{1, 2, 3}), attribute("keepdims", std::int64_t{0})})),
             ContainsSubstring("a dimension must stay"));
}

TEST_CASE("largest values of windows with gaps are those of shifted parts", "[io][onnx]") {
  Source s({1, 4, 5});
  const auto pool = [&](const Ints& strides, const Ints& pads) {
    return s.node("MaxPool", {"x"},
                  {attribute("kernel_shape", Ints{2, 2}), attribute("dilations", Ints{2, 3}), attribute("strides", strides),
                   attribute("pads", pads)});
  };
  CHECK(run(s.load(pool({1, 1}, {0, 0, 0, 0}))) == Floats{13, 14, 18, 19});
  CHECK(run(s.load(pool({1, 1}, {0, 0, 0, 0})), 0, -1) == Floats{0, -1, -5, -6});
  CHECK(run(s.load(pool({2, 1}, {0, 0, 0, 0}))) == Floats{13, 14});
  // What lies in the padding is left out: against plain loops, of rising and falling values.
  for (const Ints& strides : {Ints{1, 1}, Ints{2, 1}, Ints{1, 3}}) {
    for (const Ints& pads : {Ints{1, 1, 1, 1}, Ints{2, 0, 0, 2}, Ints{0, 3, 2, 1}}) {
      for (const float sign : {1.0f, -1.0f}) {
        const Floats made = run(s.load(pool(strides, pads)), 0, sign);
        Floats wanted;
        for (std::int64_t top = -pads[0]; top + 2 < 4 + pads[2]; top += strides[0]) {
          for (std::int64_t left = -pads[1]; left + 3 < 5 + pads[3]; left += strides[1]) {
            float most = -100.0f;
            for (const std::int64_t y : {top, top + 2}) {
              for (const std::int64_t x : {left, left + 3}) {
                if (y >= 0 && y < 4 && x >= 0 && x < 5) most = std::max(most, sign * static_cast<float>(y * 5 + x));
              }
            }
            wanted.push_back(most);
          }
        }
        CHECK(made == wanted);
      }
    }
  }
  CHECK_THAT(s.refusal(pool({1, 1}, {3, 0, 0, 0})), ContainsSubstring("windows of 2 elements that reach over 3"));
}

TEST_CASE("a sum over channels is a layer of ones", "[io][onnx]") {
  Source s({3});
  Model m = s.load(s.node("ReduceSum", {"x", ints(s, "axes", {1})}));
  CHECK(kinds(m) == Kinds{"input", "linear"});
  CHECK(run(m) == Floats{3});
  Source t({2, 1, 2});
  m = t.load(t.node("ReduceSum", {"x", ints(t, "axes", {1})}));
  CHECK(kinds(m) == Kinds{"input", "conv2d"});
  CHECK(run(m) == Floats{1, 5});
}

TEST_CASE("Resize by factors and sizes, of images and lines", "[io][onnx]") {
  Source s({1, 1, 2});
  const auto resize = [&](const std::vector<std::string>& operands, const char* places, const char* mode = "linear") {
    std::vector<std::string> inputs{"x"};
    inputs.insert(inputs.end(), operands.begin(), operands.end());
    return s.node("Resize", std::move(inputs), {attribute("mode", mode), attribute("coordinate_transformation_mode", places)});
  };
  const auto factors = s.constant("factors", {4}, Floats{1, 1, 1, 2});
  CHECK(run(s.load(resize({"", factors}, "half_pixel")), 0, 4) == Floats{0, 1, 3, 4});
  CHECK(run(s.load(resize({"", factors}, "pytorch_half_pixel")), 0, 4) == Floats{0, 1, 3, 4});
  CHECK(run(s.load(resize({"", factors}, "asymmetric")), 0, 4) == Floats{0, 2, 4, 4});
  CHECK(run(s.load(resize({"", "", ints(s, "sizes", {1, 1, 1, 3})}, "align_corners")), 0, 4) == Floats{0, 2, 4});
  CHECK(kinds(s.load(resize({"", s.constant("ones", {4}, Floats{1, 1, 1, 1})}, "half_pixel"))) == Kinds{"input"});
  CHECK_THAT(s.refusal(resize({"", s.constant("odd", {4}, Floats{1, 1, 1, 1.25f})}, "half_pixel")),
             ContainsSubstring("only whole numbers"));
  CHECK_THAT(s.refusal(resize({"", s.constant("deep", {4}, Floats{1, 2, 1, 1})}, "half_pixel")),
             ContainsSubstring("channels would change"));
  CHECK_THAT(s.refusal(resize({"", factors}, "tf_crop_and_resize")), ContainsSubstring("tf_crop_and_resize is not understood"));
  CHECK_THAT(s.refusal(resize({"", factors}, "half_pixel", "cubic")), ContainsSubstring("mode cubic"));
  CHECK_THAT(s.refusal(resize({"", factors}, "elsewhere", "nearest")), ContainsSubstring("elsewhere is not understood"));
  Source t({1, 2});
  CHECK(run(t.load(t.node("Resize", {"x", "", t.constant("f", {3}, Floats{1, 1, 2})}, {attribute("mode", "linear")})), 0, 4) ==
        Floats{0, 1, 3, 4});
}

TEST_CASE("the factor of a resize makes its size in float and in double", "[io][onnx]") {
  std::int64_t wrong = 0;
  for (std::int64_t in = 1; in <= 300; ++in) {
    for (std::int64_t out = 1; out <= 300; ++out) {
      const float factor = onnx::resize_factor(in, out);
      const volatile float product = factor * static_cast<float>(in);
      wrong += static_cast<std::int64_t>(product) != out || static_cast<std::int64_t>(static_cast<double>(factor) * static_cast<double>(in)) != out ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Resize to the nearest element, to any size", "[io][onnx]") {
  const auto resize = [](std::int64_t from, std::int64_t to, const char* places, const char* rounds) {
    Source s({1, from});
    return run(s.load(s.node("Resize", {"x", "", "", ints(s, "sizes", {1, 1, to})},
                             {attribute("coordinate_transformation_mode", places), attribute("nearest_mode", rounds)})));
  };
  CHECK(resize(2, 7, "asymmetric", "floor") == Floats{0, 0, 0, 0, 1, 1, 1});
  CHECK(resize(4, 3, "asymmetric", "ceil") == Floats{0, 2, 3});
  CHECK(resize(4, 2, "half_pixel", "round_prefer_floor") == Floats{0, 2});
  CHECK(resize(4, 2, "half_pixel", "round_prefer_ceil") == Floats{1, 3});
  CHECK(resize(4, 7, "align_corners", "floor") == Floats{0, 0, 1, 1, 2, 2, 3});
  CHECK(resize(4, 1, "pytorch_half_pixel", "floor") == Floats{0});
  CHECK(resize(3, 2, "tf_half_pixel_for_nn", "floor") == Floats{0, 2});
}

}  // namespace onnx_parts_test
