// All shipped learned ranges obey their laws; broken ones are caught.
#include <stet/qat/any_learned_range.hpp>
#include <stet/qat/lsq_plus_range.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/min_max_range.hpp>
#include <stet/qat/pact_range.hpp>
#include <stet/qat/tqt_range.hpp>
#include <stet/testing/learned_range_laws.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

namespace learned_range_laws_test {

using namespace stet;
using namespace stet::testing;
using stet_test::normal;

namespace {

template <class Range, class Options>
void check_laws(const Options& options, const Shape& shape, const LearnedRangePromises& promises = {}) {
  Range range(options, shape), other(options, shape);
  range.initialize(normal(shape, 1));
  other.initialize(normal(shape, 2));
  const LawReport report = check_learned_range_laws(range, other, promises);
  INFO(report.str());
  CHECK(report.ok());
  if (options.granularity == Granularity::per_tensor()) {
    const LawReport erased = check_learned_range_laws(AnyLearnedRange(range), AnyLearnedRange(other), {}, {.rounds = 5});
    INFO(erased.str());
    CHECK(erased.ok());
  }
}

bool names_law(const LawReport& report, const std::string& law) {
  for (const Broken& b : report.broken) {
    if (b.law.find(law) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("shipped learned ranges obey the laws") {
  const LearnedRangePromises plain{.gradient_factor = 1.0};
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_group(4)}) {
    const Shape shape{6, 32};
    for (const bool log_scale : {true, false}) {
      for (const GradientScale scale : {GradientScale::none, GradientScale::count_and_steps, GradientScale::count,
                                        GradientScale::scale_and_steps}) {
        check_laws<LsqRange>(
            LsqOptions{.grid = Grid::narrow(3), .granularity = g, .log_scale = log_scale, .gradient_scale = scale},
            shape, scale == GradientScale::none ? plain : LearnedRangePromises{});
      }
      check_laws<LsqPlusRange>(LsqPlusOptions{.granularity = g, .log_scale = log_scale}, shape);
      check_laws<LsqPlusRange>(
          LsqPlusOptions{.granularity = g, .log_scale = log_scale, .gradient_scale = GradientScale::none}, shape, plain);
    }
    check_laws<TqtRange>(TqtOptions{.granularity = g}, shape);
    check_laws<TqtRange>(TqtOptions{.grid = Grid::activation(4), .granularity = g, .zero_point = -128}, shape);
    for (const bool rounding : {true, false}) {
      check_laws<MinMaxRange>(MinMaxRangeOptions{.granularity = g, .rounding_term = rounding}, shape, plain);
      check_laws<MinMaxRange>(MinMaxRangeOptions{.grid = Grid::unsigned_bits(2), .granularity = g}, shape);
    }
  }
  const LawReport pact = check_learned_range_laws(PactRange(), PactRange({.alpha = 2.0f}), plain);
  INFO(pact.str());
  CHECK(pact.ok());
  const LawReport fixed = check_learned_range_laws(FixedRange{QParams::per_tensor(0.1f, 3)}, FixedRange{});
  INFO(fixed.str());
  CHECK(fixed.ok());
}

namespace {

// No guard: the scale is the parameter, whatever it became; NaN gradients go through; the gradient replaces.
struct Unguarded {
  Parameter scale{Tensor<float>::filled({1}, 1.0f)};
  std::vector<Parameter*> parameters() { return {&scale}; }
  QParams qparams() const { return QParams::per_tensor(scale.value[0], 0); }
  ScaleGradientRule rule() const { return {}; }
  void pull(std::span<const double> ds, std::span<const double>) {
    scale.gradient = Tensor<float>::filled({1}, static_cast<float>(ds[0]) + 1.0f);
  }
  void clamp_parameters() {}
  bool begin(const QParams&) { return true; }
  template <class F>
  void fields(F&&) {}
};

}  // namespace

TEST_CASE("a learned range without guards is caught") {
  Unguarded other;
  other.scale.value = Tensor<float>::filled({1}, 2.0f);
  const LawReport report = check_learned_range_laws(Unguarded{}, other);
  INFO(report.str());
  for (const char* law : {"usable for any parameter values", "zero gradients", "pull adds", "Errc::range and changes",
                          "Errc::shape and changes", "NaN is Errc::range", "a step against any gradient",
                          "fields() carry the state", "leaves finite", "begins where another one stands"}) {
    INFO(law);
    CHECK(names_law(report, law));
  }
}

}  // namespace learned_range_laws_test
