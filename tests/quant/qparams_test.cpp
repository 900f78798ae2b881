// Scales and zero points against PyTorch's observers, and the rules of stet beside them.
#include <stet/quant/choose_qparams.hpp>

#include "support/catch.hpp"
#include "support/golden.hpp"

#include <limits>

namespace qparams_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// The set says by dtype and custom range what stet says by a zero point: quint8 with an explicit range takes the middle.
QParamsOptions options_of(const GoldenCase& c) {
  QParamsOptions options{.symmetric = c.params.at("symmetric").get<bool>(), .eps = c.params.at("eps").get<float>()};
  const bool custom = !c.params.at("custom_range").is_null();
  if (options.symmetric && custom && c.params.at("dtype") == "quint8") {
    options.symmetric_zero_point = (c.params.at("quant_min").get<int>() + c.params.at("quant_max").get<int>()) / 2;
  }
  return options;
}

Grid grid_of(const GoldenCase& c) {
  return Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
}

}  // namespace

TEST_CASE("scale and zero point of a range equal PyTorch's", "[bits]") {
  for (const auto& c : load_golden("qparams")) {
    if (c.params.at("kind") != "table") continue;
    const auto lo = c.inputs("min").as<float>();
    const auto hi = c.inputs("max").as<float>();
    std::vector<float> scale;
    std::vector<std::int32_t> zero_point;
    for (std::size_t i = 0; i < lo.size(); ++i) {
      const QParams p = choose_qparams(Range{lo[i], hi[i]}, grid_of(c), options_of(c));
      scale.push_back(p.scale[0]);
      zero_point.push_back(p.zero_point[0]);
    }
    check_golden(c, "scale", scale);
    check_golden(c, "zero_point", zero_point);
  }
}

TEST_CASE("reduce_range halves both ends of a grid, rounding down") {
  for (const auto& c : load_golden("qparams")) {
    if (c.params.at("reduce_range") != true) continue;
    Grid full = c.params.at("dtype") == "quint8" ? Grid::uint8() : Grid::int8();
    if (!c.params.at("custom_range").is_null()) {
      full = Grid::range(c.params.at("custom_range").at(0).get<int>(), c.params.at("custom_range").at(1).get<int>());
    }
    CHECK(reduced(full) == grid_of(c));
    QParamsOptions options;
    options.reduce_range = true;
    CHECK(choose_qparams(Range{-1, 2}, full, options).grid == grid_of(c));
  }
}

TEST_CASE("symmetric zero points: 0 signed, 128 on 0..255, else the middle") {
  CHECK(symmetric_zero_point(Grid::int8()) == 0);
  CHECK(symmetric_zero_point(Grid::int8_narrow()) == 0);
  CHECK(symmetric_zero_point(Grid::uint8()) == 128);
  CHECK(symmetric_zero_point(Grid::unsigned_bits(4)) == 7);
  CHECK(symmetric_zero_point(Grid::activation(4)) == -121);
}

TEST_CASE("power-of-two scales: up never shrinks the range, nearest is nearest in log2", "[bits]") {
  CHECK(round_scale(0.25f, PowerOfTwo::up) == 0.25f);
  CHECK(round_scale(0.25f, PowerOfTwo::nearest) == 0.25f);
  CHECK(round_scale(0.2500001f, PowerOfTwo::up) == 0.5f);
  CHECK(round_scale(0.35f, PowerOfTwo::nearest) == 0.25f);  // below 0.25 sqrt(2) = 0.35355
  CHECK(round_scale(0.354f, PowerOfTwo::nearest) == 0.5f);
  CHECK(round_scale(1.4142135f, PowerOfTwo::nearest) == 1.0f);  // the float below sqrt(2)
  CHECK(round_scale(1.4142137f, PowerOfTwo::nearest) == 2.0f);
  CHECK(round_scale(0.3f, PowerOfTwo::no) == 0.3f);
  CHECK_THROWS_AS(round_scale(std::numeric_limits<float>::max(), PowerOfTwo::up), Error);
  const QParams p = choose_qparams(Range{-1, 3}, Grid::int8(), {.power_of_two = PowerOfTwo::up});
  CHECK(p.scale[0] == 0x1p-5f);  // 4/255 = 0.0157 -> 2^-6 = 0.015625 is below
  CHECK(p.zero_point[0] == -96);
}

TEST_CASE("weights: absmax/127 per channel, scale 1 for a channel of zeros", "[bits]") {
  const Tensor<float> w({3, 2}, {0.5f, -1.27f, 0.0f, 0.0f, 1e-30f, -1e-31f});
  const QParams p = weight_qparams(w, Granularity::per_channel(0));
  CHECK(p.grid == Grid::int8_narrow());
  CHECK(p.scale == std::vector<float>{1.27f / 127.0f, 1.0f, FLT_EPSILON});
  CHECK(p.zero_point == std::vector<std::int32_t>{0, 0, 0});
  CHECK_THROWS_AS(weight_qparams(w, Granularity::per_channel(0), Grid::int8()), Error);
}

TEST_CASE("ranges that cannot be quantized are refused") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float max = std::numeric_limits<float>::max();
  CHECK_THROWS_AS(choose_qparams(Range{nan, 1}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams(Range{0, INFINITY}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams(Range{2, 1}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams(Range{-max, max}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams(std::span<const Range>{}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams(std::vector<Range>(2), Grid::int8()), Error);  // per tensor takes one
  CHECK_THROWS_AS(choose_qparams(Range{0, 1}, Grid::int8(), {.eps = 0.0f}), Error);
  CHECK_THROWS_AS(choose_qparams(Range{0, 1}, Grid::int8(), {.symmetric = true, .symmetric_zero_point = 128}), Error);
}

TEST_CASE("grids, ranges, parameters and tensors print as text, in fmt's format strings too") {
  CHECK(fmt::format("{}", Grid::int8()) == "-128..127");
  CHECK(fmt::format("{}", Range{-1.0f, 2.5f}) == "-1..2.5");
  const QParams one = QParams::per_tensor(0.5f, 3);
  CHECK(fmt::format("{}", one) == "codes -128..127, per tensor, scale {0.5}, zero point {3}");
  CHECK(one.str() == fmt::format("{}", one));
  const QParams many{Grid::int8_narrow(), Granularity::per_channel(0), {1, 2, 3, 4, 5}, {0, 0, 0, 0, 0}};
  CHECK_THAT(many.str(), ContainsSubstring("scale {1, 2, 3, 4, ...}, zero point {0, 0, 0, 0, ...}"));
  CHECK(fmt::format("{}", Tensor<std::int8_t>({2, 2}, {1, -2, 3, 65})) == "[2,2] {1, -2, 3, 65}");
  CHECK(Tensor<float>::zeros({13}).str() == "[13] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...}");
  CHECK(Tensor<float>::zeros({0, 3}).str() == "[0,3] {}");
}

}  // namespace qparams_test
