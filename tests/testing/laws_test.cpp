// All shipped schemes, observers and estimators obey their laws; broken ones are caught, with the input that shows it.
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

bool names_law(const LawReport& report, const std::string& law) {
  for (const Broken& b : report.broken) {
    if (b.law.find(law) != std::string::npos && !b.input.empty()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("shipped schemes obey the laws", "[bits]") {
  check_ok(check_scheme_laws(Int8PerTensor{}));
  for (int axis = 0; axis < 4; ++axis) check_ok(check_scheme_laws(Int8PerChannel(axis)));
  for (int bits = 2; bits <= 8; ++bits) {
    check_ok(check_scheme_laws(IntN(bits, Granularity::per_group(4))));
    check_ok(check_scheme_laws(IntN(bits, Granularity::per_channel(1))));
    check_ok(check_scheme_laws(Int8Activation(bits)));
    check_ok(check_scheme_laws(PowerOfTwoScales(bits, Granularity::per_channel(0))));
    check_ok(check_scheme_laws(PowerOfTwoScales(bits, {}, PowerOfTwo::nearest)));
  }
  for (int bits = 9; bits <= 16; ++bits) check_ok(check_scheme_laws(WideIntN(bits)));
  StochasticRounding weights(IntN(4, Granularity::per_channel(0)), 3);
  check_ok(check_scheme_laws(weights));
  check_ok(check_scheme_laws(StochasticRounding(Int8Activation{}, 4)));
  check_ok(check_scheme_laws(StochasticRounding(WideIntN(16), 5)));
  weights.training = false;
  check_ok(check_scheme_laws(weights));
}

TEST_CASE("shipped observers obey the laws") {
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(3),
                               Granularity::per_group(4)}) {
    check_ok(check_observer_laws(MinMaxObserver(g), {.order_free = true}));
    check_ok(check_observer_laws(MovingAverageObserver(g)));
    check_ok(check_observer_laws(MovingAverageObserver(g, 0.5f)));
    check_ok(check_observer_laws(LastBatchObserver(g)));
    check_ok(check_observer_laws(AnyObserver(MinMaxObserver(g)), {.order_free = true}));
  }
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
    check_ok(check_observer_laws(AnyObserver(MseObserver(g, grid, true, 64)), reaching, few));
    check_ok(check_observer_laws(PercentileObserver(g, 90.0, 64), exact, few));
    check_ok(check_observer_laws(HistogramObserver(g, grid, 64), {}, few));
    check_ok(check_observer_laws(AnyObserver(HistogramObserver(g, grid, 64)), {}, few));
    check_ok(check_observer_laws(MeanSigmaObserver(g, 1.0), {}, few));
    check_ok(check_observer_laws(AnyObserver(MeanSigmaObserver(g)), {}, few));
  }
}

TEST_CASE("shipped estimators obey the laws") {
  check_ok(check_estimator_laws(Ste{}));
  for (const ClipMask mask : {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
    check_ok(check_estimator_laws(ClippedSte{mask}));
  }
  for (const double temperature : {0.5, 1.0, 2.0, 4.0}) {
    check_ok(check_estimator_laws(TanhEstimator(temperature)));
    check_ok(check_estimator_laws(SigmoidEstimator(temperature)));
  }
  for (const double alpha : {0.2, 0.4, 0.8}) check_ok(check_estimator_laws(DsqEstimator(alpha)));
  check_ok(check_estimator_laws(PactEstimator{}));
  check_ok(check_estimator_laws(EwgsEstimator(0.5)));  // it has no surrogate; see qat/estimator_test.cpp
  check_ok(check_estimator_laws(AnyEstimator(DsqEstimator{})));
}

namespace {

// Rounds twice: once to a finer grid, then to the coarse one. Values near ties are off by more than half a scale.
struct RoundsTwice : Int8PerTensor {
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    std::vector<float> finer(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      finer[i] = std::round(x[i] / p.scale[0] * 3.0f) / 3.0f * p.scale[0] * 1.3f;
    stet::encode(finer, shape, p, mask, codes, pass);
  }
};

// Guesses a range when it saw nothing, and lets NaN and reset slip.
struct Guesses : MinMaxObserver {
  std::vector<Range> ranges() const {
    return MinMaxObserver::empty() ? std::vector<Range>{{-1, 1}} : MinMaxObserver::ranges();
  }
  bool empty() const { return false; }
  void merge(const Guesses& other) { MinMaxObserver::merge(other); }
};

// Passes the gradient of clipped values on, halved.
struct Halves : ClippedSte {
  Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    Pulled pulled = ClippedSte::pull(dy, kept, p);
    for (float& v : pulled.dx.edit()) v = v == 0.0f ? 0.5f : v;
    return pulled;
  }
};

}  // namespace

TEST_CASE("broken types are caught, with the law and the input") {
  const LawReport scheme = check_scheme_laws(RoundsTwice{});
  INFO(scheme.str());
  CHECK(names_law(scheme, "projection"));
  CHECK(names_law(scheme, "0.5 scale"));
  const LawReport observer = check_observer_laws(Guesses{});
  CHECK(names_law(observer, "reports Errc::state"));
  CHECK(names_law(observer, "reset() forgets"));
  const LawReport estimator = check_estimator_laws(Halves{});
  CHECK(names_law(estimator, "zero gradient"));
  CHECK(names_law(estimator, "surrogate"));
}
