// Real zero points against PyTorch.
#include <stet/lab/real_zero_point.hpp>

#include "support/golden.hpp"

#include <limits>

namespace real_zero_point_test {

using namespace stet;

TEST_CASE("scale and real zero point of a range equal PyTorch's", "[bits]") {
  int tables = 0;
  for (const auto& c : load_golden("qparams")) {
    if (c.params.at("kind") != "table_real_zero_point") continue;
    ++tables;
    const auto lo = c.inputs("min").as<float>();
    const auto hi = c.inputs("max").as<float>();
    std::vector<float> scale, zero_point;
    for (std::size_t i = 0; i < lo.size(); ++i) {
      const RealOffsetQParams p = choose_real_offset(std::vector<Range>{{lo[i], hi[i]}}, Grid::uint8());
      scale.push_back(p.scale[0]);
      zero_point.push_back(p.zero_point[0]);
    }
    check_golden(c, "scale", scale);
    check_golden(c, "zero_point", zero_point);
  }
  CHECK(tables == 1);
}

TEST_CASE("fake_quantize with real zero points equals PyTorch, value and gradient", "[bits]") {
  int checked = 0;
  for (const auto& c : load_golden("fake_quant_per_channel")) {
    if (!c.name.starts_with("real_zero_point")) continue;
    INFO(c.name);
    ++checked;
    const RealOffsetQParams p{Grid{c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>()},
                              Granularity::per_channel(c.params.at("axis").get<int>()), c.inputs("scale").as<float>(),
                              c.inputs("zero_point").as<float>()};
    const Shape shape(std::span<const std::int64_t>(c.inputs("x").shape));
    const auto x = c.inputs("x").as<float>();
    const auto dy = c.inputs("dy").as<float>();
    std::vector<float> y(x.size()), dx(x.size());
    fake_quantize(x, shape, p, y);
    fake_quantize_backward(x, dy, shape, p, dx);
    check_golden(c, "y", y);
    check_golden(c, "dx", dx);
  }
  CHECK(checked == 2);
}

TEST_CASE("real zero points: what cannot be quantized is refused") {
  std::vector<float> x(4), y(4);
  RealOffsetQParams p;
  CHECK_NOTHROW(fake_quantize(x, Shape{4}, p, y));
  p.zero_point[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(fake_quantize(x, Shape{4}, p, y), Error);
  p.zero_point[0] = 0.25f;
  p.scale[0] = 0;
  CHECK_THROWS_AS(fake_quantize(x, Shape{4}, p, y), Error);
  p.scale = {1, 1};
  CHECK_THROWS_AS(fake_quantize(x, Shape{4}, p, y), Error);
  CHECK_THROWS_AS(choose_real_offset(std::span<const Range>{}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_real_offset(std::vector<Range>{{1, -1}}, Grid::int8()), Error);
}

}  // namespace real_zero_point_test
