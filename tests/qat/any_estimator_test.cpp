// AnyEstimator: a value that behaves as the estimator inside.
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/fake_quantize.hpp>

#include "support/catch.hpp"

#include <algorithm>

namespace any_estimator_test {

using namespace stet;

namespace {

// Doubles the gradient where x is positive: a user's estimator that wants x and has no name.
struct TwiceWherePositive {
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_exclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams&) const {
    Tensor<float> dx = dy;
    for (std::int64_t i = 0; i < dy.size(); ++i) dx.edit()[static_cast<std::size_t>(i)] *= kept.x[i] > 0 ? 2.0f : 1.0f;
    return {dx};
  }
};

Tensor<float> gradient(const AnyEstimator& estimator, const Tensor<float>& x, const Tensor<float>& dy) {
  Tape tape;
  const auto v = tape.variable(x);
  tape.backward(fake_quantize(v, QParams::per_tensor(0.1f, 0, Grid::signed_bits(4)), estimator), dy);
  return tape.gradient(v);
}

bool equal(const Tensor<float>& a, std::initializer_list<float> b) {
  return std::equal(a.span().begin(), a.span().end(), b.begin(), b.end());
}

}  // namespace

static_assert(Estimator<AnyEstimator> && Estimator<TwiceWherePositive>);

TEST_CASE("AnyEstimator does on the tape what the estimator inside does") {
  const Tensor<float> x({4}, {-5, -0.2f, 0.2f, 5}), dy({4}, {1, 2, 3, 4});
  CHECK(equal(gradient(Ste{}, x, dy), {1, 2, 3, 4}));
  CHECK(equal(gradient(ClippedSte{}, x, dy), {0, 2, 3, 0}));
  CHECK(equal(gradient(AnyEstimator(), x, dy), {0, 2, 3, 0}));
  CHECK(equal(gradient(TwiceWherePositive{}, x, dy), {1, 2, 6, 8}));
}

TEST_CASE("AnyEstimator answers for the estimator inside") {
  const AnyEstimator clipped = ClippedSte{ClipMask::raw_inclusive}, own = TwiceWherePositive{};
  CHECK((clipped.needs_mask() && !clipped.needs_input() && clipped.mask() == ClipMask::raw_inclusive));
  CHECK((own.needs_input() && !own.needs_mask() && own.mask() == ClipMask::raw_exclusive));
  CHECK(clipped.name() == "clipped_ste(raw_inclusive)");
  CHECK(own.name() == "custom");
  CHECK(AnyEstimator(Ste{}).name() == "ste");
  AnyEstimator copy = own;
  copy = clipped;
  REQUIRE(copy.get<ClippedSte>() != nullptr);
  CHECK(copy.get<ClippedSte>()->policy == ClipMask::raw_inclusive);
  CHECK(copy.get<Ste>() == nullptr);
  CHECK(own.get<TwiceWherePositive>() != nullptr);
}

}  // namespace any_estimator_test
