// Gradients of scale and zero point: PyTorch's, and LSQ's closed form.
#include <stet/core/random.hpp>
#include <stet/lab/pytorch_learnable.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/scale_gradient.hpp>

#include "support/golden.hpp"

#include <cmath>
#include <limits>

namespace scale_gradient_test {

using namespace stet;

namespace {

std::vector<float> random_values(std::size_t n, std::uint64_t seed, double size = 1.0) {
  Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(size * rng.normal());
  return x;
}

// The definition, element by element.
ScaleGradients naive(const std::vector<float>& x, const std::vector<float>& dy, const Shape& shape, const QParams& p,
                     const ScaleGradientRule& rule) {
  ScaleGradients sum{std::vector<double>(p.scale.size()), std::vector<double>(p.scale.size())};
  const ScaleMap map = scale_map(p.granularity, shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto k = static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i)));
    const double s = p.scale[k], lo = p.grid.lo - p.zero_point[k], hi = p.grid.hi - p.zero_point[k], v = x[i];
    const double code = std::nearbyint(static_cast<double>(x[i] * (1.0f / p.scale[k])));
    const bool inside = rule.mask == ClipMask::rounded_inclusive ? code >= lo && code <= hi
                        : rule.mask == ClipMask::raw_inclusive   ? v >= lo * s && v <= hi * s
                                                                 : v > lo * s && v < hi * s;
    if (inside) {
      if (rule.rounding_term) sum.scale[k] += static_cast<double>(dy[i]) * (code - v / s);
    } else {
      sum.scale[k] += static_cast<double>(dy[i]) * (v > 0 ? hi : lo);
      sum.zero_point[k] -= static_cast<double>(dy[i]) * s;
    }
  }
  return sum;
}

bool close(const std::vector<double>& a, const std::vector<double>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = std::abs(a[i] - b[i]) <= 1e-9 * (1 + std::abs(b[i]));
  return same;
}

}  // namespace

TEST_CASE("PyTorch's learnable fake quantization: value and all gradients", "[bits]") {
  const auto cases = load_golden("fake_quant_learnable");
  CHECK(cases.size() == 21);
  int truncated = 0;
  for (const auto& c : cases) {
    INFO(c.name);
    const auto x = c.inputs("x").as<float>(), dy = c.inputs("dy").as<float>();
    const auto scale = c.inputs("scale").as<float>(), zero = c.inputs("zero_point").as<float>();
    const Grid grid = Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
    Shape shape(std::span<const std::int64_t>(c.inputs("x").shape));
    Granularity granularity;
    if (c.params.contains("axis")) granularity = Granularity::per_channel(c.params.at("axis").get<int>());
    if (c.name.starts_with("negative_zero_point")) {  // of the per-channel kernel, with one channel
      shape = Shape{1, shape.elements()};
      granularity = Granularity::per_channel(0);
    }
    std::vector<float> y(x.size()), dx(x.size());
    fake_quantize(x, shape, pytorch_learnable_qparams(scale, zero, grid, granularity), y);
    check_golden(c, "y", y);
    const double factor = c.params.at("grad_factor").get<double>();
    const auto gradients = pytorch_learnable_backward(x, dy, shape, scale, zero, grid, granularity, factor, dx);
    check_golden(c, "dx", dx);
    check_golden(c, "dscale", gradients.scale);
    check_golden(c, "dzero_point", gradients.zero_point);
    if (c.has_expected("dx_per_tensor_kernel")) {
      // Recorded as information only; the tolerance is that of the same sums of the other kernel.
      const auto per_tensor = pytorch_learnable_backward(x, dy, shape, scale, zero, grid, {}, factor, dx);
      CHECK(dx == c.expected("dx_per_tensor_kernel").as<float>());
      CHECK(std::abs(per_tensor.scale[0] - c.expected("dscale_per_tensor_kernel").as<double>()[0]) <=
            c.expected_entry("dscale").tol);
      CHECK(std::abs(per_tensor.zero_point[0] - c.expected("dzero_point_per_tensor_kernel").as<double>()[0]) <=
            c.expected_entry("dzero_point").tol);
      ++truncated;
    }
    if (c.name == "ties_odd_zero_point") {  // the quirk itself, which the set records as information
      CHECK(dx == c.expected("dx").as<float>());
      CHECK(std::abs(gradients.scale[0] - c.expected("dscale").as<double>()[0]) < 1e-5);
      CHECK(std::abs(gradients.zero_point[0] - c.expected("dzero_point").as<double>()[0]) < 1e-5);
    }
  }
  CHECK(truncated == 2);
}

TEST_CASE("LSQ's closed form equals its definition for every granularity, mask and width") {
  const Shape shape{6, 5, 3, 96};
  const auto x = random_values(static_cast<std::size_t>(shape.elements()), 1, 2.0);
  const auto dy = random_values(x.size(), 2);
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(2),
                               Granularity::per_channel(3), Granularity::per_group(8), Granularity::per_group(48)}) {
    for (const Grid& grid : {Grid::narrow(2), Grid::signed_bits(4), Grid::unsigned_bits(8)}) {
      QParams p{grid, g, {}, {}};
      const std::int64_t count = scale_map(g, shape).count;
      for (std::int64_t k = 0; k < count; ++k) {
        p.scale.push_back(3.0f / static_cast<float>(grid.levels()) * (1.0f + 0.01f * static_cast<float>(k % 7)));
        p.zero_point.push_back(grid.lo < 0 ? 0 : 100);
      }
      for (const ClipMask mask : {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
        for (const bool rounding : {true, false}) {
          const ScaleGradientRule rule{mask, rounding};
          const ScaleGradients got = fake_quantize_scale_backward(x, dy, shape, p, rule);
          const ScaleGradients want = naive(x, dy, shape, p, rule);
          CHECK(close(got.scale, want.scale));
          CHECK(close(got.zero_point, want.zero_point));
        }
      }
    }
  }
}

TEST_CASE("beyond the range the gradients are the derivatives") {
  const QParams p = QParams::per_tensor(0.25f, 3, Grid::signed_bits(4));
  const std::vector<double> x{-9, -4, 5, 77, 3}, dy{1, -2, 0.5, 3, -1};  // the range is -2.75 .. 1
  const auto loss = [&](double scale, double zero) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += dy[i] * scale * ((x[i] < 0 ? -8 : 7) - zero);
    return sum;
  };
  const ScaleGradients got = fake_quantize_scale_backward(x, dy, Shape{5}, p);
  const double h = 1e-4;
  CHECK(std::abs(got.scale[0] - (loss(0.25 + h, 3) - loss(0.25 - h, 3)) / (2 * h)) < 1e-9);
  CHECK(std::abs(got.zero_point[0] - (loss(0.25, 3 + h) - loss(0.25, 3 - h)) / (2 * h)) < 1e-9);
}

TEST_CASE("the sums do not depend on the number of threads, and ends are taken as they are") {
  const Shape shape{40, 7, 250};
  const auto x = random_values(static_cast<std::size_t>(shape.elements()), 3);
  const auto dy = random_values(x.size(), 4);
  for (const int axis : {0, 2}) {
    const auto count = static_cast<std::size_t>(shape[axis]);
    const QParams p{Grid::narrow(3), Granularity::per_channel(axis), std::vector<float>(count, 0.3f),
                    std::vector<std::int32_t>(count, 0)};
    set_threads(1);
    const ScaleGradients one = fake_quantize_scale_backward(x, dy, shape, p);
    set_threads(3);
    const ScaleGradients three = fake_quantize_scale_backward(x, dy, shape, p);
    set_threads(0);
    CHECK(one.scale == three.scale);
    CHECK(one.zero_point == three.zero_point);
  }
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const QParams p = QParams::per_tensor(1.0f, 0, Grid::signed_bits(4));
  const std::vector<float> odd{nan, inf, -inf}, ones{1, 1, 1};
  for (const ClipMask mask : {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
    const ScaleGradients got = fake_quantize_scale_backward(odd, ones, Shape{3}, p, {.mask = mask});
    CHECK(got.scale[0] == -8 + 7 - 8);
    CHECK(got.zero_point[0] == -3);
  }
  CHECK(fake_quantize_scale_backward(std::vector<float>(), std::vector<float>(), Shape{0}, p).scale[0] == 0);
}

TEST_CASE("gradients of scales: sizes and values that do not fit are errors") {
  const QParams p = QParams::per_tensor(1.0f, 0);
  const std::vector<float> three(3), two(2);
  std::vector<float> dx(3);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> one{1.0f}, zero{0.0f}, none, bad{nan};
  CHECK_THROWS_WITH(fake_quantize_scale_backward(three, two, Shape{3}, p),
                    Catch::Matchers::ContainsSubstring("x has 3 elements, dy has 2"));
  CHECK_THROWS_AS(fake_quantize_scale_backward(three, three, Shape{4}, p), Error);
  CHECK_THROWS_AS(fake_quantize_scale_backward(three, three, Shape{3}, QParams::per_tensor(0.0f, 0)), Error);
  CHECK_THROWS_WITH(pytorch_learnable_qparams(one, none, Grid::int8()),
                    Catch::Matchers::ContainsSubstring("1 scales, 0 zero points"));
  CHECK_THROWS_WITH(pytorch_learnable_qparams(one, bad, Grid::int8()),
                    Catch::Matchers::ContainsSubstring("zero point 0 is NaN"));
  CHECK_THROWS_WITH(pytorch_learnable_backward(three, two, Shape{3}, one, zero, Grid::int8(), {}, 1.0, dx),
                    Catch::Matchers::ContainsSubstring("x has 3 elements, dy has 2"));
}

}  // namespace scale_gradient_test
