// Mutants of the shipped estimators and learned ranges are noticed by the laws, each by the law that is meant for it.
#include <stet/lab/soft_estimators.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/lsq_plus_range.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/min_max_range.hpp>
#include <stet/qat/pact_estimator.hpp>
#include <stet/qat/pact_range.hpp>
#include <stet/qat/tqt_range.hpp>

#include "mutants.hpp"
#include "support/tensors.hpp"

namespace estimator_mutants_test {

using namespace stet;
using namespace stet::testing;
using stet_test::Mutants;

namespace {

constexpr const char* slope = "the surrogate's finite difference equals pull";
constexpr const char* mean = "inside the range the gradient has the promised mean";
constexpr const char* beyond = "beyond the range the gradient has the promised mean";

// An estimator whose gradient is changed, element by element: change(dx, dy).
template <class E>
struct Pulls : E {
  std::function<float(float dx, float dy)> change;
  Pulls(E of, std::function<float(float, float)> f) : E(std::move(of)), change(std::move(f)) {}
  Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    Pulled pulled = E::pull(dy, kept, p);
    const auto dx = pulled.dx.edit();
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = change(dx[i], dy[static_cast<std::int64_t>(i)]);
    return pulled;
  }
};
template <class E>
Pulls<E> twice(E of) {
  return {std::move(of), [](float dx, float) { return 2 * dx; }};
}
template <class E>
Pulls<E> ignoring_the_range(E of) {
  return {std::move(of), [](float dx, float dy) { return dx == 0 ? dy : dx; }};
}
template <class E>
Pulls<E> without_sign(E of) {
  return {std::move(of), [](float dx, float) { return std::abs(dx); }};
}
// The parameters of the first scale for all.
template <class E>
struct FirstScale : E {
  explicit FirstScale(E of) : E(std::move(of)) {}
  Pulled pull(const Tensor<float>& dy, const Kept& kept, QParams p) const {
    std::fill(p.scale.begin(), p.scale.end(), p.scale[0]);
    return E::pull(dy, kept, p);
  }
};
// Another mask than the one that its surrogate describes.
struct OtherMask : ClippedSte {
  ClipMask mask() const { return ClipMask::raw_inclusive; }
};

// A learned range whose gradient of the scales is changed by a factor.
template <class R>
struct Factor : R {
  double factor;
  Factor(R of, double f) : R(std::move(of)), factor(f) {}
  void pull(std::span<const double> ds, std::span<const double> dz) {
    std::vector<double> scaled(ds.begin(), ds.end());
    for (double& d : scaled) d *= factor;
    R::pull(scaled, dz);
  }
};
// The gradient of the last call only.
template <class R>
struct Replaces : R {
  explicit Replaces(R of) : R(std::move(of)) {}
  void pull(std::span<const double> ds, std::span<const double> dz) {
    for (Parameter* p : R::parameters()) p->clear_gradient();
    R::pull(ds, dz);
  }
};
template <class R>
struct ForgetsField : R {
  std::string_view forgotten;
  ForgetsField(R of, std::string_view field) : R(std::move(of)), forgotten(field) {}
  template <class F>
  void fields(F&& f) {
    R::fields([&](std::string_view of, auto& field) {
      if (of != forgotten) f(of, field);
    });
  }
};
template <class R>
struct DoesNotClamp : R {
  explicit DoesNotClamp(R of) : R(std::move(of)) {}
  void clamp_parameters() {}
};
// All scales are moved by the gradient of the first.
template <class R>
struct FirstGradient : R {
  explicit FirstGradient(R of) : R(std::move(of)) {}
  void pull(std::span<const double> ds, std::span<const double> dz) {
    R::pull(std::vector<double>(ds.size(), ds.empty() ? 0.0 : ds[0]), dz);
  }
};

template <class R>
R started(R range, std::uint64_t seed) {
  range.initialize(stet_test::normal({3, 32}, seed));
  return range;
}

}  // namespace

TEST_CASE("mutants of estimators break their laws") {
  Mutants mutants;
  const EstimatorPromises clipped{.outside = 0.0};
  const auto add = [&](const std::string& name, const auto& estimator, const EstimatorPromises& promises,
                       const char* law) { mutants.killed(name, check_estimator_laws(estimator, promises), law); };
  add("Ste, gradient times 2", twice(Ste{}), {}, slope);
  add("Ste, sign lost", without_sign(Ste{}), {}, "a negative gradient");
  add("ClippedSte, mask ignored", ignoring_the_range(ClippedSte{}), clipped, slope);
  add("ClippedSte, another mask", OtherMask{}, clipped, slope);
  add("TanhEstimator, gradient times 2", twice(TanhEstimator()), clipped, slope);
  add("TanhEstimator, range ignored", ignoring_the_range(TanhEstimator()), clipped, beyond);
  add("DsqEstimator, scale of the first channel", FirstScale<DsqEstimator>{DsqEstimator()}, clipped, slope);
  add("SigmoidEstimator, halved", Pulls<SigmoidEstimator>{SigmoidEstimator(), [](float dx, float) { return dx / 2; }},
      clipped, slope);
  add("PactEstimator, range ignored", ignoring_the_range(PactEstimator{}), clipped, slope);
  add("PactEstimator, sign lost", without_sign(PactEstimator{}), clipped, mean);
  add("EwgsEstimator, gradient times 2", twice(EwgsEstimator(0.5)), clipped, mean);
  add("EwgsEstimator, range ignored", ignoring_the_range(EwgsEstimator(0.5)), clipped, beyond);
  add("EwgsEstimator, sign lost", without_sign(EwgsEstimator(0.5)), clipped, mean);
  CHECK(mutants.count() >= 13);
}

TEST_CASE("mutants of learned ranges break their laws") {
  Mutants mutants;
  const auto add = [&]<class R>(const std::string& name, const R& range, const R& other, const char* law,
                                const LearnedRangePromises& promises = {}) {
    mutants.killed(name, check_learned_range_laws(range, other, promises), law);
  };
  const LearnedRangePromises plain{.gradient_factor = 1.0};
  const Granularity rows = Granularity::per_channel(0);
  const auto lsq = [&](std::uint64_t seed, const Granularity& g = {}) {
    return started(LsqRange({.granularity = g, .gradient_scale = GradientScale::none}, {3, 32}), seed);
  };
  const auto lsq_plus = [](std::uint64_t seed) {
    return started(LsqPlusRange({.gradient_scale = GradientScale::none}), seed);
  };
  const auto min_max = [](std::uint64_t seed) { return started(MinMaxRange(), seed); };
  const auto tqt = [](std::uint64_t seed) { return started(TqtRange(), seed); };
  add("LsqRange, gradient times 2", Factor<LsqRange>{lsq(1), 2.0}, Factor<LsqRange>{lsq(2), 2.0}, "promised factor",
      plain);
  add("LsqRange, gradient of the other sign", Factor<LsqRange>{lsq(1), -1.0}, Factor<LsqRange>{lsq(2), -1.0},
      "has the sign");
  add("LsqRange, gradients replaced", Replaces<LsqRange>{lsq(1)}, Replaces<LsqRange>{lsq(2)}, "pull adds");
  add("LsqRange, gradient of the first scale", FirstGradient<LsqRange>{lsq(1, rows)},
      FirstGradient<LsqRange>{lsq(2, rows)}, "has the sign");
  add("LsqPlusRange, offset is not kept", ForgetsField<LsqPlusRange>{lsq_plus(1), "offset"},
      ForgetsField<LsqPlusRange>{lsq_plus(2), "offset"}, "fields() carry");
  add("LsqPlusRange, gradient times 2", Factor<LsqPlusRange>{lsq_plus(1), 2.0}, Factor<LsqPlusRange>{lsq_plus(2), 2.0},
      "promised factor", plain);
  add("MinMaxRange, gradient of the other sign", Factor<MinMaxRange>{min_max(1), -1.0},
      Factor<MinMaxRange>{min_max(2), -1.0}, "has the sign");
  add("MinMaxRange, gradient times 2", Factor<MinMaxRange>{min_max(1), 2.0}, Factor<MinMaxRange>{min_max(2), 2.0},
      "promised factor", plain);
  add("PactRange, does not clamp", DoesNotClamp<PactRange>{PactRange()},
      DoesNotClamp<PactRange>{PactRange({.alpha = 2.0f})}, "leaves finite");
  add("PactRange, gradient times 2", Factor<PactRange>{PactRange(), 2.0},
      Factor<PactRange>{PactRange({.alpha = 2.0f}), 2.0}, "promised factor", plain);
  add("TqtRange, threshold is not kept", ForgetsField<TqtRange>{tqt(1), "log2_threshold"},
      ForgetsField<TqtRange>{tqt(2), "log2_threshold"}, "fields() carry");
  add("TqtRange, no gradient", Factor<TqtRange>{tqt(1), 0.0}, Factor<TqtRange>{tqt(2), 0.0}, "has the sign");
  CHECK(mutants.count() >= 12);
}

}  // namespace estimator_mutants_test
