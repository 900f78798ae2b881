// All shipped schemes, observers and estimators obey their laws, for all their parameters. A new type is one line here;
// the other schemes have tests/testing/scheme_laws_test.cpp.
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/pact_estimator.hpp>
#include <stet/qat/soft_estimators.hpp>
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

using namespace stet;
using namespace stet::testing;

namespace {

void check_ok(const LawReport& report) {
  INFO(report.str());
  CHECK(report.ok());
}

}  // namespace

TEST_CASE("shipped schemes obey the laws", "[bits]") {
  const auto bits = whole_numbers("bits", 8, 2);
  const auto rules = one_of("rounding", {PowerOfTwo::up, PowerOfTwo::nearest});
  check_ok(for_all_schemes([] { return Int8PerTensor{}; }));
  check_ok(for_all_schemes([](int axis) { return Int8PerChannel(axis); }, whole_numbers("axis", 0, 3)));
  check_ok(for_all_schemes([](int b, const Granularity& g) { return IntN(b, g); }, bits, granularities()));
  check_ok(for_all_schemes([](int b) { return WideIntN(b); }, whole_numbers("bits", 9, 16)));
  check_ok(for_all_schemes([](int b) { return Int8Activation(b); }, bits));
  check_ok(for_all_schemes([](int b, const Granularity& g, PowerOfTwo r) { return PowerOfTwoScales(b, g, r); }, bits,
                           granularities(), rules));
  check_ok(for_all_schemes([](int b) { return StochasticRounding(IntN(b, Granularity::per_channel(0)), 3); }, bits));
  check_ok(for_all_schemes([](int b) { return StochasticRounding(WideIntN(b), 5); }, whole_numbers("bits", 9, 16)));
  StochasticRounding evaluated(IntN(4, Granularity::per_channel(0)), 3);
  evaluated.training = false;
  check_ok(check_scheme_laws(evaluated));
}

TEST_CASE("shipped observers obey the laws") {
  const auto share = granularities();
  const auto constant = real_numbers("constant", 1.0f, 0.001f);
  check_ok(for_all_observers([](const Granularity& g) { return MinMaxObserver(g); }, {.order_free = true}, share));
  check_ok(for_all_observers([](const Granularity& g, float c) { return MovingAverageObserver(g, c); }, {}, share,
                             constant));
  check_ok(for_all_observers([](const Granularity& g) { return LastBatchObserver(g); }, {}, share));
  check_ok(for_all_observers([](const Granularity& g) { return AnyObserver(MinMaxObserver(g)); }, {.order_free = true},
                             share));
}

TEST_CASE("shipped observers of values obey the laws") {
  const LawOptions few{.rounds = 3};
  const ObserverPromises exact{.order_free = true};
  const ObserverPromises reaching{.order_free = true, .within = false};
  const Grid grid = Grid::signed_bits(4);
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(3),
                               Granularity::per_group(4)}) {
    for (const bool symmetric : {false, true}) {
      check_ok(check_observer_laws(MseObserver(g, grid, symmetric, 64), reaching, few));
      check_ok(check_observer_laws(EntropyObserver(g, grid, symmetric, 256), exact, few));
    }
    check_ok(check_observer_laws(PercentileObserver(g, 90.0, 64), exact, few));
    check_ok(check_observer_laws(HistogramObserver(g, grid, 64), {}, few));
    check_ok(check_observer_laws(MeanSigmaObserver(g, 1.0), {}, few));
  }
}

TEST_CASE("shipped estimators obey the laws") {
  const auto temperature = real_numbers("temperature", 1.0f, 4.0f);
  check_ok(for_all_estimators([] { return Ste{}; }));
  check_ok(for_all_estimators([](ClipMask mask) { return ClippedSte{mask}; }, clip_masks()));
  check_ok(for_all_estimators([](float t) { return TanhEstimator(static_cast<double>(t)); }, temperature));
  check_ok(for_all_estimators([](float t) { return SigmoidEstimator(static_cast<double>(t)); }, temperature));
  check_ok(for_all_estimators([](float a) { return DsqEstimator(static_cast<double>(a)); }, real_numbers("alpha", 0.4f, 0.2f)));
  check_ok(for_all_estimators([] { return PactEstimator{}; }));
  check_ok(for_all_estimators([] { return EwgsEstimator(0.5); }));  // it has no surrogate; see qat/estimator_test.cpp
  check_ok(for_all_estimators([] { return AnyEstimator(DsqEstimator{}); }));
}
