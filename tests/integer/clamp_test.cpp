// Clamp bounds of fused activations, and the names of targets.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/clamp.hpp>

namespace clamp_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Activation;
using integer::Bounds;
using integer::ClampRule;

TEST_CASE("clamp bounds are those of the activation", "[integer][bits]") {
  for (const auto rule : {ClampRule::half_away, ClampRule::half_even, ClampRule::half_even_then_zero}) {
    CHECK(integer::clamp_bounds(rule, Activation::none, 0.1f, 5) == Bounds{-128, 127});
    CHECK(integer::clamp_bounds(rule, Activation::relu, 0.1f, 5) == Bounds{5, 127});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 0.1f, 5) == Bounds{5, 65});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 0.01f, 5) == Bounds{5, 127});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 1e-30f, 5) == Bounds{5, 127});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 1e30f, 5) == Bounds{5, 5});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 6.0f / 255.0f, -128) == Bounds{-128, 127});
    CHECK(integer::clamp_bounds(rule, Activation::relu, 0.1f, -128, Grid::activation(4)) == Bounds{-128, -113});
    CHECK(integer::clamp_bounds(rule, Activation::relu6, 0.5f, -128, Grid::activation(2)) == Bounds{-128, -125});
  }
}

TEST_CASE("the rules differ on ties only: half even adds the zero point before rounding", "[integer][bits]") {
  for (int z = -128; z <= 0; ++z) {
    for (int k = 0; k < 100; ++k) {
      const float s = 6.0f / (static_cast<float>(k) + 0.5f);
      const float steps = 6.0f / s;
      const int away = std::min(z + static_cast<int>(naive::half_away(static_cast<double>(steps))), 127);
      const int then = std::min(z + static_cast<int>(naive::half_even(static_cast<double>(steps))), 127);
      volatile float code = steps + static_cast<float>(z);
      const int even = std::min(static_cast<int>(naive::half_even(static_cast<double>(code))), 127);
      CHECK(integer::clamp_bounds(ClampRule::half_away, Activation::relu6, s, z).hi == away);
      CHECK(integer::clamp_bounds(ClampRule::half_even, Activation::relu6, s, z).hi == even);
      CHECK(integer::clamp_bounds(ClampRule::half_even_then_zero, Activation::relu6, s, z).hi == then);
    }
  }
  CHECK(integer::clamp_bounds(ClampRule::half_away, Activation::relu6, 6.0f / 2.5f, 0).hi == 3);
  CHECK(integer::clamp_bounds(ClampRule::half_even, Activation::relu6, 6.0f / 2.5f, 0).hi == 2);
  CHECK(integer::clamp_bounds(ClampRule::half_even, Activation::relu6, 6.0f / 2.5f, 1).hi == 4);
  CHECK(integer::clamp_bounds(ClampRule::half_even_then_zero, Activation::relu6, 6.0f / 2.5f, 1).hi == 3);
}

TEST_CASE("clamp bounds refuse what is no quantization", "[integer]") {
  const auto bounds = [](float s, int z, Grid g) {
    return integer::clamp_bounds(ClampRule::half_even, Activation::relu, s, z, g);
  };
  CHECK_THROWS_WITH(bounds(0.0f, 0, Grid::int8()), ContainsSubstring("scale is 0"));
  CHECK_THROWS_WITH(bounds(NAN, 0, Grid::int8()), ContainsSubstring("positive and finite"));
  CHECK_THROWS_WITH(bounds(1.0f, 128, Grid::int8()), ContainsSubstring("zero point 128"));
  CHECK_THROWS_WITH(bounds(1.0f, 0, Grid::uint8()), ContainsSubstring("grid 0..255"));
}

TEST_CASE("targets are found by name", "[integer]") {
  CHECK(targets::by_name("tflite_reference") == targets::tflite_reference);
  CHECK(targets::by_name("litert_default") == targets::litert_default);
  CHECK(targets::by_name("onnxruntime") == targets::onnxruntime);
  CHECK(targets::by_name("tflite_micro") == targets::tflite_micro);
  CHECK(std::string(targets::tflite_micro.runtime).find("not measured") != std::string::npos);
  CHECK_THROWS_WITH(targets::by_name("tflite"),
                    ContainsSubstring("there are tflite_reference, litert_default, onnxruntime, tflite_micro"));
}

}  // namespace clamp_test
