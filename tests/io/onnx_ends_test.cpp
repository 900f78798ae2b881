// Where a model of an .onnx file begins and ends, and what is said of what is not understood.
#include <stet/io/load_onnx.hpp>

#include "io/onnx_source.hpp"
#include "support/warnings.hpp"

#include <algorithm>

namespace onnx_ends_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;
using Source = stet_test::OnnxSource;
using stet_test::CaughtWarnings, stet_test::kinds;
using stet_test::Floats, stet_test::Ints, stet_test::Kinds;

namespace {

// A classifier: its logits are "logits", made by a node of the name "fc".
Source classifier() {
  Source s({4});
  s.model.nodes.push_back({"fc", "Gemm", {}, {"x", s.ramp("fc.weight", {4, 3})}, {"logits"}, {}});
  return s;
}
std::int64_t last(const Model& m) { return m.graph().node(m.graph().outputs().at(0)).shape.elements(); }

}  // namespace

TEST_CASE("a softmax, argmax or map of labels behind the logits is left out, which is said once", "[io][onnx]") {
  for (const std::string type : {"Softmax", "LogSoftmax", "ArgMax", "TopK", "ZipMap"}) {
    CAPTURE(type);
    const CaughtWarnings warnings;
    Source s = classifier();
    auto y = s.node("Softmax", {"logits"});
    y = s.node("Cast", {s.node(type, {s.node("Identity", {y})})}, {attribute("to", std::int64_t{7})});
    const Model m = s.load(y);
    CHECK(kinds(m) == Kinds{"input", "linear"});
    REQUIRE(warnings.all().size() == 1);
    CHECK_THAT(warnings.all()[0], ContainsSubstring("ends at 'logits'") &&
                                      ContainsSubstring("(" + type + "), Softmax1 (Softmax) behind it") &&
                                      ContainsSubstring("{.ending = Ending::whole} keeps it"));
  }
}

TEST_CASE("probabilities and labels of the same logits are one output", "[io][onnx]") {
  const CaughtWarnings warnings;
  Source s = classifier();
  const auto p = s.node("Softmax", {"logits"}), label = s.node("ArgMax", {p});
  s.model.outputs = {{p, onnx::DataType::float32, false, {}}, {label, onnx::DataType::int64, false, {}}};
  CHECK(import_onnx(s.model, "made.onnx").graph().outputs().size() == 1);
}

TEST_CASE("a softmax stays where it is asked for, and where it is all there is", "[io][onnx]") {
  const CaughtWarnings warnings;
  Source s = classifier();
  const auto p = s.node("Softmax", {"logits"});
  CHECK(kinds(s.load(p, {.ending = Ending::whole})).back() == "softmax");
  CHECK(kinds(s.load(p, {.outputs = {p}})).back() == "softmax");
  Source t({4});
  CHECK(kinds(t.load(t.node("Softmax", {"x"}))).back() == "softmax");
  CHECK(warnings.all().empty());
}

TEST_CASE("outputs are chosen by the name of a value or of its node", "[io][onnx]") {
  Source s = classifier();
  const auto far = s.node("Einsum", {s.node("Relu", {"logits"})});  // not understood, and not needed
  for (const char* name : {"logits", "fc"}) {
    const Model m = s.load(far, {.outputs = {name}});
    CHECK(kinds(m) == Kinds{"input", "linear"});
    CHECK(last(m) == 3);
  }
  CHECK(s.load(far, {.outputs = {"Relu1_out", "logits"}}).graph().outputs().size() == 2);
  CHECK_THAT(
      s.refusal(far, {.outputs = {"logit"}}),
      ContainsSubstring("no value or node 'logit' to end at; the last ones are 'logits', 'Relu1_out', 'Einsum2_out'"));
}

TEST_CASE("an open height and width, or a missing shape, are what the options say", "[io][onnx]") {
  Source s({3, -1, -1});
  const auto y = s.node("Conv", {"x", s.ramp("c.weight", {2, 3, 3, 3})});
  CHECK_THAT(s.refusal(y),
             ContainsSubstring("dimension 2 has no size") && ContainsSubstring("{.input = {height, width, channels}}"));
  CHECK(s.load(y, {.input = {8, 6, 3}}).graph().nodes().back().shape == Shape{6, 4, 2});
  CHECK_THAT(s.refusal(y, {.input = {8, 6, 4}}),
             ContainsSubstring("dimension 1 is 3 in the file, {.input = ...} says 4"));
  CHECK_THAT(s.refusal(y, {.input = {8, 6}}), ContainsSubstring("{.input = ...} has 2 dimensions, the input has 3"));
  s.model.inputs[0].has_shape = false;
  s.model.inputs[0].dims.clear();
  CHECK(s.load(y, {.input = {8, 6, 3}}).graph().nodes().back().shape == Shape{6, 4, 2});
  CHECK_THAT(s.refusal(y), ContainsSubstring("0 dimensions"));
  Source t({-1, -1, 3});  // [H,W,C] in the file, too
  const auto z = t.node("Transpose", {"x"}, {attribute("perm", Ints{0, 3, 1, 2})});
  CHECK(t.load(z, {.input = {8, 6, 3}}).graph().node(0).shape == Shape{8, 6, 3});
}

TEST_CASE("problems of one kind are one line, with their number and the first nodes", "[io][onnx]") {
  Source s({2, 6, 6});
  std::string y = "x";
  for (int i = 0; i < 12; ++i) y = s.node("Relu", {s.node("Erf", {y})});
  for (int i = 0; i < 2; ++i)
    y = s.node("AveragePool", {y}, {attribute("kernel_shape", Ints{2, 2}), attribute("pads", Ints{1, 1, 1, 1}), attribute("dilations", Ints{2, 2 + i})});
  const std::string text = s.refusal(y);
  CHECK_THAT(text,
             ContainsSubstring("\n  Erf (12 nodes: Erf0, Erf2, Erf4, ...): the operator Erf is not understood\n"));
  CHECK_THAT(text, ContainsSubstring("\n  AveragePool24 (AveragePool): attribute dilations"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);  // behind the first pool nothing is known of the second
}

TEST_CASE("behind a node that is not understood the file's own shapes go on", "[io][onnx]") {
  Source s({2, 6, 6});
  const auto up = s.node("Resize", {"x"});
  const auto pool =
      s.node("AveragePool", {up}, {attribute("kernel_shape", Ints{2, 2}), attribute("pads", Ints{1, 1, 1, 1}), attribute("dilations", Ints{2, 2})});
  const auto y = s.node("GlobalAveragePool", {s.node("Conv", {pool, s.ramp("w", {2, 3, 1, 1})})});
  CHECK_THAT(s.refusal(y), !ContainsSubstring("Conv"));
  const auto described = [&](const std::string& name, const Ints& dims) {
    onnx::ValueInfo v{name, onnx::DataType::float32, true, {{-1, "N"}}};
    for (const std::int64_t d : dims) v.dims.push_back({d, {}});
    s.model.values.push_back(v);
  };
  described(up, {2, 12, 12});
  described(pool, {2, 6, 6});
  CHECK_THAT(s.refusal(y), ContainsSubstring("Resize0") &&
                               ContainsSubstring("AveragePool1 (AveragePool): attribute dilations") &&
                               ContainsSubstring("Conv2 (Conv): attribute group is 1 for 2 channels") &&
                               !ContainsSubstring("GlobalAveragePool"));
}

}  // namespace onnx_ends_test
