#include <stet/graph/integer_structure.hpp>

#include "support/catch.hpp"

namespace integer_structure_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// input [4] -> linear -> hidden [3] -> clamp -> output [3]
IntegerModel small() {
  IntegerModel m;
  namespace op = graph::op;
  const Affine p{0.5f, 0};
  m.values = {{"input", {4}, p}, {"hidden", {3}, p}, {"output", {3}, p}};
  m.nodes.push_back({"quantize", op::Input{{4}}, {}, 0});
  m.nodes.push_back({"dense",
                     op::Linear{.units = 3},
                     {0},
                     1,
                     Activation::none,
                     {Tensor<std::int8_t>::filled({3, 4}, 1), {0.25f}, Tensor<std::int32_t>::zeros({3})}});
  m.nodes.push_back({"relu", op::Relu{}, {1}, 2});
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
  m.nodes[1].constants.weight_scale = {0.25f, 0.5f};
  m.values[2].codes.scale = 1.0f;
  m.values[0].codes.scale = 0.0f;
  const IntegerStructure s = check_structure(m);
  REQUIRE(s.faults.size() == 3);
  CHECK(s.readable);  // nothing keeps one from looking at the nodes
  CHECK_FALSE(s.has_fault(0));
  CHECK(s.has_fault(1));
  CHECK(s.has_fault(2));
  CHECK(s.faults[0].node == -1);
  CHECK(s.faults[0].code == Errc::range);
  CHECK(s.faults[1].code == Errc::shape);
  CHECK(s.faults[2].code == Errc::range);
  CHECK_THAT(s.text(), ContainsSubstring("input: its codes: scale 0 is 0") &&
                           ContainsSubstring("dense: has 3 outputs, 3 bias codes and 2 weight scales") &&
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
  m.nodes[2].inputs = {1, 1};
  CHECK_THAT(check_structure(m).text(), ContainsSubstring("relu: relu: wants 1 input, got 2"));
  m = small();
  m.nodes.clear();
  m.outputs.clear();
  const std::string text = check_structure(m).text();
  CHECK_THAT(text, ContainsSubstring("the model: has no input") && ContainsSubstring("the model: has no output"));
}

TEST_CASE("an operator that integers do not know, or that does not fit its shapes, is named with the reason") {
  namespace op = graph::op;
  const auto text = [](auto change) {
    IntegerModel m = small();
    change(m);
    return check_structure(m).text();
  };
  CHECK_THAT(text([](IntegerModel& m) { m.nodes[2].op = op::Softmax{}; }), ContainsSubstring("relu: is a softmax, which has no integer form"));
  CHECK_THAT(text([](IntegerModel& m) { m.nodes[2].op = op::Dropout{}; }), ContainsSubstring("relu: is a dropout, which has no integer form"));
  CHECK_THAT(text([](IntegerModel& m) { m.nodes[1].op = op::Linear{.units = 4}; }),
             ContainsSubstring("dense: makes [4], its value hidden has shape [3]"));
  CHECK_THAT(text([](IntegerModel& m) { m.nodes[1].constants.weights = Tensor<std::int8_t>::filled({4, 3}, 1); }),
             ContainsSubstring("dense: has weights [4,3], its operator needs [3,4]"));
  CHECK_THAT(text([](IntegerModel& m) { m.nodes[2].activation = Activation::relu; }),
             ContainsSubstring("relu: is a relu with an activation of its own"));
  CHECK_THAT(text([](IntegerModel& m) {
               m.values[2].shape = {3, 1};
               m.nodes[2] = {"sum", op::Add{}, {1, 0}, 2};
             }),
             ContainsSubstring("sum: add: wants equal shapes"));
}

}  // namespace integer_structure_test
