// Observers against PyTorch batch by batch, and what they report.
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/observer.hpp>

#include "support/golden.hpp"

#include <limits>

namespace observer_test {

using namespace stet;

namespace {

AnyObserver observer_of(const GoldenCase& c) {
  const Granularity g = c.params.at("axis").is_null() ? Granularity::per_tensor()
                                                      : Granularity::per_channel(c.params.at("axis").get<int>());
  if (c.params.at("observer").get<std::string>().find("MovingAverage") == std::string::npos) return MinMaxObserver(g);
  const auto& constant = c.params.at("averaging_constant");
  return MovingAverageObserver(g, constant.is_null() ? 0.01f : constant.get<float>());
}

QParamsOptions options_of(const GoldenCase& c, const Granularity& granularity) {
  QParamsOptions options{.symmetric = c.params.at("symmetric").get<bool>(),
                         .eps = c.params.at("eps").get<float>(),
                         .granularity = granularity};
  if (options.symmetric && c.params.at("dtype") == "quint8" && !c.params.at("custom_range").is_null()) {
    options.symmetric_zero_point = (c.params.at("quant_min").get<int>() + c.params.at("quant_max").get<int>()) / 2;
  }
  return options;
}

const float not_a_number = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("range, scale and zero point after every batch equal PyTorch's", "[bits]") {
  int sequences = 0;
  for (const auto& c : load_golden("qparams")) {
    if (c.params.at("kind") != "sequence") continue;
    INFO(c.name);
    ++sequences;
    const GoldenArray array = c.inputs("batches");
    const auto values = array.as<float>();
    const Shape shape(std::span<const std::int64_t>(array.shape).subspan(1));
    const auto size = static_cast<std::size_t>(shape.elements());
    AnyObserver observer = observer_of(c);
    std::vector<float> lo, hi, scale;
    std::vector<std::int32_t> zero_point;
    for (std::size_t step = 0; step < values.size() / size; ++step) {
      observer.observe(std::span<const float>(values).subspan(step * size, size), shape);
      const Grid grid = Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>());
      const QParams p = choose_qparams(observer.ranges(), grid, options_of(c, observer.granularity()));
      for (const Range& r : observer.ranges()) {
        lo.push_back(r.lo);
        hi.push_back(r.hi);
      }
      scale.insert(scale.end(), p.scale.begin(), p.scale.end());
      zero_point.insert(zero_point.end(), p.zero_point.begin(), p.zero_point.end());
    }
    check_golden(c, "min", lo);
    check_golden(c, "max", hi);
    check_golden(c, "scale", scale);
    check_golden(c, "zero_point", zero_point);
  }
  CHECK(sequences == 54);
}

TEST_CASE("the last batch replaces what was seen before") {
  LastBatchObserver observer;
  observer.observe(Range{-5, 5});
  observer.observe(Range{-1, 2});
  CHECK(observer.ranges() == std::vector<Range>{{-1, 2}});
}

TEST_CASE("an observer that saw nothing says so") {
  const MovingAverageObserver observer;
  CHECK(observer.empty());
  CHECK_THROWS_WITH(observer.ranges(), Catch::Matchers::ContainsSubstring("nothing was observed"));
}

TEST_CASE("values that are not finite are counted and ignored") {
  MinMaxObserver observer(Granularity::per_channel(1));
  observer.observe(Tensor<float>({2, 2}, {1, not_a_number, -2, inf}));
  CHECK(observer.non_finite() == 2);
  CHECK(observer.empty());  // channel 1 has no finite value yet
  CHECK_THROWS_WITH(observer.ranges(), Catch::Matchers::ContainsSubstring("some channels"));
  observer.observe(Tensor<float>({2, 2}, {0, 3, 0, -inf}));
  CHECK(observer.ranges() == std::vector<Range>{{-2, 1}, {3, 3}});
  CHECK(observer.non_finite() == 3);
}

TEST_CASE("moving averages merge weighted by their batches") {
  MovingAverageObserver a, b;
  for (int i = 0; i < 3; ++i) a.observe(Range{-1, 1});
  b.observe(Range{-5, 9});
  a.merge(b);
  CHECK(a.ranges() == std::vector<Range>{{-2, 3}});
  CHECK(a.batches() == 4);
}

TEST_CASE("observers refuse what does not fit") {
  MinMaxObserver per_channel(Granularity::per_channel(0));
  per_channel.observe(Tensor<float>::zeros({2, 3}));
  CHECK_THROWS_AS(per_channel.observe(Tensor<float>::zeros({3, 3})), Error);
  CHECK_THROWS_AS(MinMaxObserver(Granularity::per_channel(2)).observe(Tensor<float>::zeros({2, 3})), Error);
  MinMaxObserver per_tensor;
  CHECK_THROWS_AS(per_tensor.observe(std::vector<Range>(2)), Error);
  CHECK_THROWS_AS(per_tensor.observe(Range{1, -1}), Error);
  CHECK_THROWS_AS(per_tensor.observe(Range{not_a_number, 1}), Error);
  CHECK_THROWS_AS(per_tensor.merge(per_channel), Error);
  CHECK_THROWS_AS(MovingAverageObserver({}, 0.0f), Error);
  CHECK_THROWS_AS(MovingAverageObserver({}, not_a_number), Error);
  AnyObserver any{MinMaxObserver()};
  CHECK_THROWS_AS(any.merge(AnyObserver(LastBatchObserver())), Error);
}

TEST_CASE("AnyObserver is a value and gives back what it holds") {
  AnyObserver a{MovingAverageObserver({}, 0.25f)};
  a.observe(Range{-1, 1});
  AnyObserver b = a;
  b.observe(Range{-3, 5});
  CHECK(a.ranges() == std::vector<Range>{{-1, 1}});
  CHECK(b.ranges() == std::vector<Range>{{-1.5f, 2}});
  REQUIRE(b.get<MovingAverageObserver>() != nullptr);
  CHECK(b.get<MovingAverageObserver>()->constant() == 0.25f);
  CHECK(b.get<MinMaxObserver>() == nullptr);
}

}  // namespace observer_test
