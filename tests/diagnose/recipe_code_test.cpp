#include <stet/diagnose/recipe_code.hpp>
#include <stet/quant/min_max_observer.hpp>

#include "support/catch.hpp"

namespace recipe_code_test {

using namespace stet;

TEST_CASE("the code of a recipe says what differs from int8, and only that") {
  CHECK(recipe_code(recipes::int8()) == "Recipe r = recipes::int8();\n");
  Recipe r = recipes::int8_per_tensor();
  r.end_bits = 8;
  r.activations = Int8Activation(4);
  r.schedule.freeze_ranges_at = 0.25;
  r.target = targets::onnxruntime;
  r.calibration_observer = MinMaxObserver{};
  r.overrides = {{.node = "conv2d_1", .weights = symmetric(4, true, WeightRange::mse)}, {.node = "logits", .keep_float = true}};
  const std::string code = recipe_code(r);
  CHECK(code ==
        "Recipe r = recipes::int8();\n"
        "r.name = \"int8_per_tensor\";\n"
        "r.weights = symmetric(8, false);\n"
        "r.activations = Int8Activation(4);\n"
        "r.end_bits = 8;\n"
        "// r.calibration_observer: " + r.calibration_observer.describe() + "\n"
        "r.schedule = {.quantize_at = 0, .freeze_ranges_at = 0.25, .freeze_batch_norm_at = 0.75};\n"
        "r.target = targets::onnxruntime;\n"
        "r.overrides.push_back({.node = \"conv2d_1\", .weights = symmetric(4, true, WeightRange::mse)});\n"
        "r.overrides.push_back({.node = \"logits\", .keep_float = true});\n");
}

TEST_CASE("the code of a learned recipe makes that recipe") {
  // What w4a4_lsq's code says, written here by hand.
  Recipe r = recipes::int8();
  r.name = "w4a4_lsq";
  r.weights = symmetric(4, true, WeightRange::mse);
  r.linear_weights = symmetric(4, true, WeightRange::mse);
  r.activations = Int8Activation(4);
  r.end_bits = r.depthwise_bits = 8;
  r.learned_weights = lsq();
  r.learned_activations = lsq();
  r.schedule = {.quantize_at = 0, .freeze_ranges_at = 0.75, .freeze_batch_norm_at = 0.9};
  r.calibration_observer = recipes::w4a4_lsq().calibration_observer;
  CHECK(r.describe() == recipes::w4a4_lsq().describe());
  CHECK(recipe_code(r) == recipe_code(recipes::w4a4_lsq()));
  CHECK(recipe_code(r).find("r.weights = symmetric(4, true, WeightRange::mse);\n") != std::string::npos);
  CHECK(recipe_code(r).find("r.learned_activations = lsq();\n") != std::string::npos);
}

}  // namespace recipe_code_test
