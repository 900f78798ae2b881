// All shipped schemes, observers and estimators obey their laws, for all their parameters. A new type is one line here;
// the other schemes have tests/testing/scheme_laws_test.cpp.
#include <stet/lab/soft_estimators.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/pact_estimator.hpp>
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/median_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

#include <algorithm>

namespace laws_test {

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
  const SchemePromises by_chance{.monotone = false};  // but the same codes for the same seed, step and position
  check_ok(for_all_schemes([] { return Int8PerTensor{}; }, {}));
  check_ok(for_all_schemes([](int axis) { return Int8PerChannel(axis); }, {}, whole_numbers("axis", 0, 3)));
  check_ok(for_all_schemes([](int b, const Granularity& g) { return IntN(b, g); }, {}, bits, granularities()));
  check_ok(for_all_schemes([](int b) { return WideIntN(b); }, {}, whole_numbers("bits", 9, 16)));
  check_ok(for_all_schemes([](int b) { return Int8Activation(b); }, {}, bits));
  // Rounded up, a scale is at most twice as large; to the nearest, the range may shrink by a factor of sqrt(1/2).
  check_ok(for_all_schemes([](int b, const Granularity& g) { return PowerOfTwoScales(b, g); }, {.max_error = 1.0}, bits,
                           granularities()));
  for (int b = 2; b <= 8; ++b) {
    check_ok(for_all_schemes([b](const Granularity& g) { return PowerOfTwoScales(b, g, PowerOfTwo::nearest); },
                             {.max_error = std::max(0.71, 0.293 * Grid::narrow(b).hi)}, granularities()));
  }
  check_ok(for_all_schemes([](int b) { return StochasticRounding(IntN(b, Granularity::per_channel(0)), 3); }, by_chance,
                           bits));
  check_ok(for_all_schemes([](int b) { return StochasticRounding(WideIntN(b), 5); }, by_chance,
                           whole_numbers("bits", 9, 16)));
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
  for (const float c : {1.0f, 0.25f, 0.01f}) {
    check_ok(for_all_observers([c](const Granularity& g) { return MovingAverageObserver(g, c); },
                               {.follows = static_cast<double>(c)}, share));
  }
  check_ok(for_all_observers([](const Granularity& g) { return LastBatchObserver(g); }, {.follows = 1.0}, share));
  check_ok(for_all_observers([](const Granularity& g) { return MedianObserver<>(MinMaxObserver(g)); },
                             {.order_free = true, .bounded = false}, share));
  check_ok(for_all_observers([](const Granularity& g) { return AnyObserver(MinMaxObserver(g)); }, {.order_free = true},
                             share));
}

TEST_CASE("shipped observers of values obey the laws") {
  const LawOptions few{.rounds = 12};
  const ObserverPromises exact{.order_free = true};
  const ObserverPromises reaching{.order_free = true, .within = false, .share = 0.9};
  const Grid grid = Grid::signed_bits(4);
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(3),
                               Granularity::per_group(4)}) {
    for (const bool symmetric : {false, true}) {
      check_ok(check_observer_laws(MseObserver(g, grid, symmetric, 64), reaching, few));
      check_ok(check_observer_laws(EntropyObserver(g, grid, symmetric, 256), exact, few));
    }
    check_ok(check_observer_laws(PercentileObserver(g, 90.0, 64), {.order_free = true, .share = 0.75}, few));
    check_ok(check_observer_laws(HistogramObserver(g, grid, 64), {.share = 0.9}, few));
    check_ok(check_observer_laws(MeanSigmaObserver(g, 1.0), {.share = 0.5}, few));
    check_ok(check_observer_laws(MedianObserver(PercentileObserver(g, 90.0, 64)),
                                 {.order_free = true, .share = 0.75, .bounded = false}, few));
  }
}

TEST_CASE("shipped estimators obey the laws") {
  const EstimatorPromises clipped{.outside = 0.0};
  const auto temperature = real_numbers("temperature", 1.0f, 4.0f);
  check_ok(for_all_estimators([] { return Ste{}; }, {.outside = 1.0}));
  check_ok(for_all_estimators([](ClipMask mask) { return ClippedSte{mask}; }, clipped, clip_masks()));
  check_ok(for_all_estimators([](float t) { return TanhEstimator(static_cast<double>(t)); }, clipped, temperature));
  check_ok(for_all_estimators([](float t) { return SigmoidEstimator(static_cast<double>(t)); }, clipped, temperature));
  check_ok(for_all_estimators([](float a) { return DsqEstimator(static_cast<double>(a)); }, clipped, real_numbers("alpha", 0.4f, 0.2f)));
  check_ok(for_all_estimators([] { return PactEstimator{}; }, clipped));
  check_ok(for_all_estimators([] { return EwgsEstimator(0.5); }, clipped));  // it has no surrogate; see qat/estimator_test.cpp
  check_ok(for_all_estimators([] { return AnyEstimator(DsqEstimator{}); }, clipped));
}

}  // namespace laws_test
