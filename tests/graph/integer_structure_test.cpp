#include <stet/graph/integer_structure.hpp>

#include "support/catch.hpp"

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// input [4] -> linear -> hidden [3] -> clamp -> output [3]
IntegerModel small() {
  IntegerModel m;
  const QParams p = QParams::per_tensor(0.5f, 0);
  m.values = {{"input", {4}, p}, {"hidden", {3}, p}, {"output", {3}, p}};
  m.nodes.push_back({"quantize", integer_op::Quantize{}, {}, 0});
  integer_op::Linear linear;
  linear.weights = Tensor<std::int8_t>::filled({3, 4}, 1);
  linear.weight_scale = {0.25f};
  linear.bias = Tensor<std::int32_t>::zeros({3});
  m.nodes.push_back({"dense", linear, {0}, 1});
  m.nodes.push_back({"relu", integer_op::Clamp{}, {1}, 2});
  m.outputs = {2};
  return m;
}

}  // namespace

TEST_CASE("a model that fits together has no fault") {
  const IntegerStructure s = check_structure(small());
  CHECK(s.faults.empty());
  CHECK(s.readable);
  CHECK(s.text().empty());
}

TEST_CASE("every fault is listed, with its node and code") {
  IntegerModel m = small();
  std::get<integer_op::Linear>(m.nodes[1].op).weight_scale = {0.25f, 0.5f};
  m.values[2].params.scale = {1.0f};
  m.values[0].shape = {0};
  const IntegerStructure s = check_structure(m);
  REQUIRE(s.faults.size() == 3);
  CHECK(s.readable);  // nothing keeps one from looking at the nodes
  CHECK_FALSE(s.has_fault(0));
  CHECK(s.has_fault(1));
  CHECK(s.has_fault(2));
  CHECK(s.faults[0].node == -1);
  CHECK(s.faults[0].code == Errc::shape);
  CHECK(s.faults[2].code == Errc::range);
  CHECK_THAT(s.text(), ContainsSubstring("input: has shape [0]") &&
                           ContainsSubstring("dense: has 3 outputs, 3 bias codes, 2 weight scales and makes [3]") &&
                           ContainsSubstring("relu: must keep scale and zero point, hidden has others"));
}

TEST_CASE("what is read or written at a wrong place makes a model unreadable, and is named once") {
  IntegerModel m = small();
  m.nodes[1].inputs = {7};
  const IntegerStructure s = check_structure(m);
  CHECK_FALSE(s.readable);
  REQUIRE(s.faults.size() == 1);  // what reads its output is not named too
  CHECK(s.faults[0].what == "reads value 7 before it is made");
  m = small();
  m.nodes.push_back(m.nodes[2]);
  CHECK_THAT(check_structure(m).text(), ContainsSubstring("relu: writes value 2, which does not exist or is written before"));
  m = small();
  m.values[1].params.zero_point.clear();
  CHECK_FALSE(check_structure(m).readable);
  m = small();
  m.nodes[2].inputs = {1, 1};
  CHECK_THAT(check_structure(m).text(), ContainsSubstring("relu: has 2 inputs"));
  m = small();
  m.nodes.clear();
  m.outputs.clear();
  const std::string text = check_structure(m).text();
  CHECK_THAT(text, ContainsSubstring("the model: has no Quantize node") && ContainsSubstring("the model: has no output"));
}
