// Straight-through estimators: where the gradient passes.
#include <stet/qat/estimator.hpp>
#include <stet/quant/fake_quantize.hpp>

#include "support/catch.hpp"

using namespace stet;

static_assert(Estimator<Ste> && Estimator<ClippedSte>);
static_assert(!Estimator<int>);

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
