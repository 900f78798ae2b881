// The golden reader and its comparison, checked on themselves.
#include "support/golden.hpp"

#include <limits>

namespace golden_test {

TEST_CASE("every golden set can be read", "[support]") {
  std::size_t arrays = 0;
  for (const char* set :
       {"ops", "qparams", "quantize", "fake_quant_per_tensor", "fake_quant_per_channel", "conv_bn_qat", "trajectory"}) {
    for (const auto& c : load_golden(set)) {
      CAPTURE(set, c.name);
      for (const auto& [key, entry] : c.input_entries) CHECK(c.inputs(key).as<double>().size() == c.inputs(key).size());
      for (const auto& [key, entry] : c.expected_entries) {
        const auto array = c.expected(key);
        check_golden(c, key, array.as<double>());  // every array matches itself
        ++arrays;
      }
    }
  }
  CHECK(arrays > 700);
}

TEST_CASE("a golden comparison names the first difference", "[support]") {
  const auto cases = load_golden("fake_quant_per_tensor");
  const auto& c = cases.front();
  auto y = c.expected("y").as<float>();
  y[3] = std::nextafter(y[3], std::numeric_limits<float>::max());
  const auto text = stet_test::golden_difference<float>(c, "y", y);
  CHECK_THAT(text, Catch::Matchers::ContainsSubstring("y[3]"));
  CHECK_THAT(text, Catch::Matchers::ContainsSubstring("1 of"));
  y.pop_back();
  CHECK_FALSE(stet_test::golden_difference<float>(c, "y", y).empty());
}

}  // namespace golden_test
