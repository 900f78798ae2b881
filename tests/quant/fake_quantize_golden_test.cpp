// fake_quantize and its backward against PyTorch, bit for bit.
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/quantize.hpp>

#include "support/golden.hpp"

namespace fake_quantize_golden_test {

using namespace stet;

namespace {

Shape shape_of(const GoldenArray& a) { return Shape(std::span<const std::int64_t>(a.shape)); }

Grid grid_of(const GoldenCase& c) {
  return Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
}

void check_case(const GoldenCase& c, const QParams& p) {
  const Shape shape = shape_of(c.inputs("x"));
  const auto x = c.inputs("x").as<float>();
  const auto dy = c.inputs("dy").as<float>();
  std::vector<float> y(x.size());
  std::vector<float> dx(x.size());
  fake_quantize(x, shape, p, y);
  check_golden(c, "y", y);
  fake_quantize_backward(x, dy, shape, p, dx);
  check_golden(c, "dx", dx);

  // The codes are the same function: fake_quantize = dequantize of quantize, and encode makes the same mask.
  std::vector<std::int32_t> codes(x.size());
  std::vector<float> through(x.size());
  quantize(x, shape, p, codes);
  dequantize(codes, shape, p, through);
  CHECK(through == y);
  std::vector<std::uint32_t> pass(static_cast<std::size_t>(bit_words(shape.elements())));
  std::vector<float> kept(x.size());
  if (p.grid.fits_int8()) {
    std::vector<std::int8_t> encoded(x.size());
    encode(x, shape, p, ClipMask::rounded_inclusive, encoded, pass);
    CHECK(std::equal(encoded.begin(), encoded.end(), codes.begin()));
    keep_where(dy.data(), pass.data(), shape.elements(), kept.data());
    check_golden(c, "dx", kept);
  }
  if (c.has_expected("mask")) {
    const std::vector<float> ones(x.size(), 1.0f);
    std::vector<float> mask(x.size());
    fake_quantize_backward(x, ones, shape, p, mask);
    check_golden(c, "mask", mask);
  }
}

}  // namespace

TEST_CASE("fake_quantize per tensor equals PyTorch, value and gradient", "[bits]") {
  const auto cases = load_golden("fake_quant_per_tensor");
  CHECK(cases.size() == 49);
  for (const auto& c : cases) {
    INFO(c.name);
    check_case(
        c, QParams::per_tensor(c.params.at("scale").get<float>(), c.params.at("zero_point").get<int>(), grid_of(c)));
  }
}

TEST_CASE("fake_quantize per channel equals PyTorch on every axis, value and gradient", "[bits]") {
  int checked = 0;
  for (const auto& c : load_golden("fake_quant_per_channel")) {
    if (c.name.starts_with("real_zero_point")) continue;
    INFO(c.name);
    check_case(c, QParams{grid_of(c), Granularity::per_channel(c.params.at("axis").get<int>()),
                          c.inputs("scale").as<float>(), c.inputs("zero_point").as<std::int32_t>()});
    ++checked;
  }
  CHECK(checked == 29);
}

}  // namespace fake_quantize_golden_test
