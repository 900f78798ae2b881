// PyTorch's fused moving-average operator: its routine for scales, and ten steps with switches.
#include <stet/lab/fused_moving_average.hpp>

#include "support/golden.hpp"

#include <limits>

namespace fused_moving_average_test {

using namespace stet;

namespace {

Grid grid_of(const GoldenCase& c) {
  return Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
}

const float inf = std::numeric_limits<float>::infinity();

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Equal bits are the goal for every array, whatever tolerance the set grants.
std::string difference(const GoldenCase& c, const std::string& key, const std::vector<float>& got) {
  GoldenCase strict = c;
  strict.expected_entries[key].tolerance = "exact";
  return stet_test::golden_difference<float>(strict, key, got);
}

}  // namespace

TEST_CASE("the fused routine's scales and zero points equal PyTorch's", "[bits]") {
  int tables = 0;
  for (const auto& c : load_golden("fused_moving_average")) {
    if (!c.params.contains("kind")) continue;
    INFO(c.name);
    ++tables;
    const auto lo = c.inputs("min").as<float>();
    const auto hi = c.inputs("max").as<float>();
    std::vector<float> scale;
    std::vector<std::int32_t> zero_point;
    for (std::size_t i = 0; i < lo.size(); ++i) {
      const QParams p =
          choose_qparams_fused(Range{lo[i], hi[i]}, grid_of(c), {.symmetric = c.params.at("symmetric").get<bool>()});
      scale.push_back(p.scale[0]);
      zero_point.push_back(p.zero_point[0]);
    }
    check_golden(c, "scale", scale);
    check_golden(c, "zero_point", zero_point);
  }
  CHECK(tables == 10);
}

TEST_CASE("ten steps with switches equal PyTorch's, bit for bit", "[bits]") {
  int checked = 0;
  for (const auto& c : load_golden("fused_moving_average")) {
    if (c.params.contains("kind")) continue;
    INFO(c.name);
    ++checked;
    const GoldenArray array = c.inputs("x");
    const Shape steps(std::span<const std::int64_t>(array.shape));
    const Shape shape = steps.unbatched();
    const bool per_channel = !c.params.at("axis").is_null();
    FusedMovingAverage q(grid_of(c),
                         {.symmetric = c.params.at("symmetric").get<bool>(),
                          .granularity = per_channel ? Granularity::per_channel(0) : Granularity::per_tensor()},
                         c.params.at("averaging_constant").get<float>());
    const auto x = array.as<float>();
    const auto dy = c.inputs("dy").as<float>();
    const auto observer_on = c.inputs("observer_on").as<int>();
    const auto fake_quant_on = c.inputs("fake_quant_on").as<int>();
    const auto n = static_cast<std::size_t>(shape.elements());
    const auto scales = per_channel ? static_cast<std::size_t>(shape[0]) : 1;
    std::vector<float> ys, dxs, los, his, scale;
    std::vector<std::int32_t> zero_point;
    for (std::size_t t = 0; t < observer_on.size(); ++t) {
      q.observing = observer_on[t] != 0;
      q.quantizing = fake_quant_on[t] != 0;
      const std::span<const float> xt(x.data() + t * n, n), dyt(dy.data() + t * n, n);
      std::vector<float> y(n), dx(n);
      q.forward(xt, shape, y);
      q.backward(xt, dyt, shape, dx);
      append(ys, y);
      append(dxs, dx);
      // Until the first batch and the first quantizing step: what PyTorch's buffers start with.
      const auto ranges = q.observer().empty() ? std::vector<Range>(scales, {inf, -inf}) : q.observer().ranges();
      for (const Range& r : ranges) {
        los.push_back(r.lo);
        his.push_back(r.hi);
      }
      append(scale, q.has_qparams() ? q.qparams().scale : std::vector<float>(scales, 1.0f));
      append(zero_point, q.has_qparams() ? q.qparams().zero_point : std::vector<std::int32_t>(scales, 0));
    }
    CHECK(difference(c, "y", ys) == "");
    CHECK(difference(c, "dx", dxs) == "");
    CHECK(difference(c, "min", los) == "");
    CHECK(difference(c, "max", his) == "");
    CHECK(difference(c, "scale", scale) == "");
    check_golden(c, "zero_point", zero_point);
  }
  CHECK(checked == 10);
}

TEST_CASE("the fused routine treats small and one-sided ranges by rules of its own", "[bits]") {
  CHECK(choose_qparams_fused(Range{0, 0}, Grid::uint8()).scale[0] == 0.1f);
  CHECK(choose_qparams_fused(Range{0, 1e-4f}, Grid::uint8()).scale[0] == 6.1e-5f);
  const QParams one_sided = choose_qparams_fused(Range{0, 255}, Grid::uint8(), {.symmetric = true});
  CHECK(one_sided.scale[0] == 1.0f);  // affine: symmetric needs both signs
  CHECK(one_sided.zero_point[0] == 0);
  CHECK(choose_qparams_fused(Range{-128, 1}, Grid::int8(), {.symmetric = true}).scale[0] == 1.0f);   // 128 steps below
  CHECK(choose_qparams_fused(Range{-1, 127}, Grid::int8(), {.symmetric = true}).scale[0] == 1.0f);   // 127 above
}

TEST_CASE("the fused operator refuses what PyTorch lets through, and then has not moved") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float max = std::numeric_limits<float>::max();
  CHECK_THROWS_AS(choose_qparams_fused(Range{nan, 1}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams_fused(Range{1, 0}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams_fused(Range{-max, max}, Grid::range(0, 1)), Error);
  CHECK_THROWS_AS(choose_qparams_fused(std::span<const Range>{}, Grid::int8()), Error);
  CHECK_THROWS_AS(choose_qparams_fused(std::vector<Range>(2), Grid::int8()), Error);
  CHECK_THROWS_AS(FusedMovingAverage(Grid::int8(), {}, 0.0f), Error);

  FusedMovingAverage q(Grid::int8());
  std::vector<float> x{1, -2, 3}, y(3), small(2);
  q.observing = false;
  CHECK_THROWS_AS(q.forward(x, Shape{3}, y), Error);
  CHECK_THROWS_AS(q.backward(x, x, Shape{3}, y), Error);
  CHECK_THROWS_AS(q.qparams(), Error);
  q.observing = true;
  CHECK_THROWS_AS(q.forward(x, Shape{3}, small), Error);
  CHECK(q.observer().empty());
  q.forward(x, Shape{3}, y);
  const QParams before = q.qparams();
  x[1] = nan;
  CHECK_THROWS_AS(q.forward(x, Shape{3}, y), Error);
  CHECK(q.observer().batches() == 1);
  CHECK(q.qparams() == before);
  q.quantizing = false;
  CHECK_THROWS_AS(q.backward(x, x, Shape{3}, small), Error);
}

}  // namespace fused_moving_average_test
