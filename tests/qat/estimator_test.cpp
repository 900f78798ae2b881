// Straight-through estimators: where the gradient passes.
#include <stet/lab/soft_estimators.hpp>
#include <stet/qat/estimator.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/pact_estimator.hpp>
#include <stet/quant/fake_quantize.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace estimator_test {

using namespace stet;

static_assert(Estimator<Ste> && Estimator<ClippedSte>);
static_assert(Estimator<EwgsEstimator> && Estimator<PactEstimator> && Estimator<TanhEstimator> &&
              Estimator<DsqEstimator> && Estimator<SigmoidEstimator>);
static_assert(!Estimator<int>);

namespace {

// What an estimator makes of gradients at single values.
template <class E>
std::vector<float> pull(const E& estimator, const std::vector<float>& x, const std::vector<float>& dy,
                        const QParams& p) {
  const Shape shape{static_cast<std::int64_t>(x.size())};
  const Tensor<float> dx = estimator
                               .pull(Tensor<float>(shape, std::span<const float>(dy)),
                                     Kept{{}, Tensor<float>(shape, std::span<const float>(x))}, p)
                               .dx;
  return {dx.span().begin(), dx.span().end()};
}

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("the plain estimator is the identity and costs no copy") {
  const Tensor<float> dy({2, 2}, {1, -2, 3, -4});
  const Pulled pulled = Ste{}.pull(dy, {}, QParams::per_tensor(1, 0));
  CHECK(pulled.dx.data() == dy.data());
}

TEST_CASE("the clipped estimator equals fake_quantize_backward for each mask", "[bits]") {
  const QParams p = QParams::per_tensor(0.5f, -3, Grid::signed_bits(4));
  Tensor<float> x(Shape{7, 9}), dy(Shape{7, 9});
  for (std::size_t i = 0; i < 63; ++i) {
    x.edit()[i] = static_cast<float>(static_cast<int>(i) - 31) * 0.25f;
    dy.edit()[i] = static_cast<float>(i) + 1;
  }
  for (const ClipMask mask : {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
    const ClippedSte estimator{mask};
    Kept kept{Tensor<std::uint32_t>(Shape{2}), {}};
    Tensor<std::int8_t> codes(x.shape());
    encode(x.span(), x.shape(), p, estimator.mask(), codes.edit(), kept.pass.edit());
    Tensor<float> want(x.shape());
    fake_quantize_backward(x.span(), dy.span(), p, want.edit(), mask);
    const Tensor<float> got = estimator.pull(dy, kept, p).dx;
    CHECK(got.shape() == x.shape());
    CHECK(std::equal(got.span().begin(), got.span().end(), want.span().begin()));
  }
}

TEST_CASE("the clipped estimator refuses pass bits of another tensor") {
  const Kept kept{Tensor<std::uint32_t>::zeros({1}), {}};
  const QParams p = QParams::per_tensor(1, 0);
  CHECK_THROWS_WITH(ClippedSte{}.pull(Tensor<float>::zeros({40}), kept, p),
                    Catch::Matchers::ContainsSubstring("needs 2 words of pass bits, got 1"));
}

TEST_CASE("EWGS scales each gradient by the rounding error in its direction") {
  const QParams p = QParams::per_tensor(0.5f, 1, Grid::signed_bits(3));  // codes -4..3: -2.5 .. 1
  // Errors in steps: 0.25, 0.25, -0.25, 0, 0; then the ends, and beyond.
  const std::vector<float> x{0.125f, 0.125f, 0.375f, 0.5f, -0.5f, 1.0f, -2.5f, 1.01f, -9.0f, inf, -inf, not_a_number};
  const std::vector<float> dy{2, -2, 2, 3, -3, 1, 1, 1, 1, 1, 1, 1};
  const std::vector<float> want{2 * 1.1f, -2 * 0.9f, 2 * 0.9f, 3, -3, 1, 1, 0, 0, 0, 0, 0};
  const auto got = pull(EwgsEstimator(0.4), x, dy, p);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(got[i] - want[i]) < 1e-6f);
  CHECK(pull(EwgsEstimator(0), x, dy, p) == std::vector<float>{2, -2, 2, 3, -3, 1, 1, 0, 0, 0, 0, 0});
}

TEST_CASE("PACT's rule: the upper end is clipped, the lower one passes") {
  const QParams p = QParams::per_tensor(0.5f, 0, Grid::unsigned_bits(2));  // 0 .. 1.5
  CHECK(pull(PactEstimator{}, {-0.1f, 0, 0.7f, 1.5f, 2, inf, not_a_number}, {1, 2, 3, 4, 5, 6, 7}, p) ==
        std::vector<float>{0, 2, 3, 0, 0, 0, 0});
}

TEST_CASE("soft staircases: steepest between two codes, flat on them, 0 beyond the range and at NaN") {
  const QParams p = QParams::per_tensor(1.0f, 0, Grid::signed_bits(4));
  const std::vector<float> x{0.5f, 1.0f, -9, 99, inf, -inf, not_a_number}, ones(7, 1.0f);
  const auto tanh = pull(TanhEstimator(4), x, ones, p), dsq = pull(DsqEstimator(0.4), x, ones, p),
             sigmoid = pull(SigmoidEstimator(4), x, ones, p);
  // T / (2 tanh(T/2)) in the middle between two codes.
  CHECK(std::abs(static_cast<double>(tanh[0]) - 2 / std::tanh(2.0)) < 1e-6);
  CHECK(std::abs(static_cast<double>(tanh[1]) - 2 * (1 - std::pow(std::tanh(2.0), 2)) / std::tanh(2.0)) < 1e-6);
  CHECK(std::abs(static_cast<double>(dsq[0]) - 0.5 * std::log(4.0) / 0.6) < 1e-6);  // tanh(T/2) = 1 - alpha
  double sum = 0;  // of the slopes of all 15 sigmoids, whose thresholds are -7.5 .. 6.5
  for (double threshold = -7.5; threshold < 7; threshold += 1) {
    sum += 4 * std::pow(2 * std::cosh(2 * (0.5 - threshold)), -2);
  }
  CHECK(std::abs(static_cast<double>(sigmoid[0]) - sum) < 1e-6);
  for (std::size_t i = 2; i < 7; ++i) {
    CHECK(tanh[i] == 0);
    CHECK(dsq[i] == 0);
    CHECK(std::abs(sigmoid[i]) < 0.02f);
  }
  CHECK(sigmoid[6] == 0);
}

TEST_CASE("estimators refuse options outside their domain, and an input that was not kept") {
  CHECK_THROWS_WITH(EwgsEstimator(2.0), Catch::Matchers::ContainsSubstring("delta 2 must be in [0, 2)"));
  CHECK_THROWS_AS(EwgsEstimator(-0.1), Error);
  CHECK_THROWS_AS(EwgsEstimator(std::numeric_limits<double>::quiet_NaN()), Error);
  CHECK_THROWS_WITH(DsqEstimator(1.0), Catch::Matchers::ContainsSubstring("alpha 1 must be in (0, 1)"));
  CHECK_THROWS_WITH(TanhEstimator(0.0), Catch::Matchers::ContainsSubstring("temperature 0 must be in (0, 100]"));
  CHECK_THROWS_WITH(SigmoidEstimator(0.1), Catch::Matchers::ContainsSubstring("temperature 0.1 must be in [0.5, 100]"));
  const Tensor<float> dy = Tensor<float>::zeros({4});
  const QParams p = QParams::per_tensor(1, 0);
  CHECK_THROWS_WITH(EwgsEstimator{}.pull(dy, {}, p),
                    Catch::Matchers::ContainsSubstring("EwgsEstimator: gradient [4] needs the input it belongs to"));
  CHECK_THROWS_AS(DsqEstimator{}.pull(dy, {}, p), Error);
  CHECK_THROWS_AS(TanhEstimator{}.pull(dy, {}, p), Error);
  CHECK_THROWS_AS(SigmoidEstimator{}.pull(dy, {}, p), Error);
  CHECK_THROWS_AS(PactEstimator{}.pull(dy, {}, p), Error);
}

}  // namespace estimator_test
