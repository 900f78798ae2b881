// Codes by PyTorch's quantize_per_tensor and quantize_per_channel, through the named roundings.
#include <stet/quant/quantize.hpp>

#include "support/golden.hpp"

namespace quantize_golden_test {

using namespace stet;

namespace {

QParams qparams_of(const GoldenCase& c) {
  const Grid grid{c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>()};
  if (!c.params.contains("axis")) {
    return QParams::per_tensor(c.params.at("scale").get<float>(), c.params.at("zero_point").get<int>(), grid);
  }
  return {grid, Granularity::per_channel(c.params.at("axis").get<int>()), c.inputs("scale").as<float>(),
          c.inputs("zero_point").as<std::int32_t>()};
}

std::vector<std::int32_t> codes_of(const GoldenCase& c, CodeRounding rounding) {
  const GoldenArray array = c.inputs("x");
  const auto x = array.as<float>();
  std::vector<std::int32_t> codes(x.size());
  quantize(x, Shape(std::span<const std::int64_t>(array.shape)), qparams_of(c), codes, rounding);
  return codes;
}

}  // namespace

TEST_CASE("PyTorch's quantize_per_* is a named rounding", "[bits]") {
  for (const auto& c : load_golden("quantize")) {
    INFO(c.name);
    if (c.has_expected("q_fake_quantize")) {  // the tie cases where all three differ
      check_golden(c, "q_fake_quantize", codes_of(c, CodeRounding::round_then_shift));
      check_golden(c, "q_per_tensor", codes_of(c, CodeRounding::fused_shift_then_round));
      check_golden(c, "q_per_channel", codes_of(c, CodeRounding::shift_then_round));
      continue;
    }
    const bool fused = !c.params.contains("axis") && c.params.at("quant_max").get<std::int64_t>() <= 255;
    const auto codes = codes_of(c, fused ? CodeRounding::fused_shift_then_round : CodeRounding::shift_then_round);
    check_golden(c, "q", codes);
    if (c.has_expected("dequantized")) {
      std::vector<float> y(codes.size());
      dequantize(codes, Shape(std::span<const std::int64_t>(c.inputs("x").shape)), qparams_of(c), y);
      check_golden(c, "dequantized", y);
    }
  }
}

}  // namespace quantize_golden_test
