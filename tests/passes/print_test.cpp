// Drawings of quantized and of integer models.
#include <stet/graph/print_integer.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/print_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

namespace print_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("drawings of quantized and integer models have bits, scales and zero points") {
  Graph g;
  const auto x = g.input({4, 4, 1}).named("x");
  g.output(linear(flatten(relu(conv2d(x, {.filters = 2, .kernel = 3}).named("conv"))), {.units = 3}).named("head"));
  Recipe recipe = recipes::int8();
  recipe.weights = symmetric(4);
  QatModel qat = prepare(Model(std::move(g), Rng(1)), recipe);
  CHECK_THAT(dot(qat), ContainsSubstring("weights of 4 bits per channel\\nno range yet"));
  qat.quantizer("x").fix(0.5f, 3);
  calibrate(qat, random_dataset({4, 4, 1}, 32, 3, 2));
  CHECK_THAT(dot(qat), ContainsSubstring("n0 [label=\"x\\ninput\\n[4,4,1]\\n8 bits, scale 0.5, zero point 3\"];"));
  CHECK_THAT(dot(qat), ContainsSubstring("weights of 4 bits per channel\\n8 bits, scale "));
  CHECK_THAT(dot(qat), ContainsSubstring("n2 -> n3;"));
  const IntegerModel integers = convert(qat);
  const std::string drawing = dot(integers);
  CHECK_THAT(drawing, ContainsSubstring("n0 [label=\"x\\ninput\\n[4,4,1]\\n8 bits, scale 0.5, zero point 3\"];"));
  CHECK_THAT(drawing, ContainsSubstring(" relu\\n[4,4,2]\\nweights -"));
  CHECK_THAT(drawing, ContainsSubstring(", 2 scales\\n8 bits, scale "));
  CHECK_THAT(drawing, ContainsSubstring(", peripheries=2];"));
}

}  // namespace print_test
