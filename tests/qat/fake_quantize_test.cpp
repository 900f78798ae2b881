// Quantization on the tape: values as on tensors, gradients as the estimator says.
#include <stet/core/random.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/quant/stochastic_rounding.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace fake_quantize_test {

using namespace stet;
using stet_test::normal;
using stet_test::equal;

namespace {

// A user's scheme in 20 lines: codes are exponents, values sign * scale * 2^-k. Not affine.
struct Logarithmic {
  QParams qparams(std::span<const Range> ranges) const {
    return {Grid::int8(), {}, {ranges[0].absmax() > 0 ? ranges[0].absmax() : 1.0f}, {0}};
  }
  void encode(std::span<const float> x, const Shape&, const QParams& p, ClipMask, std::span<std::int8_t> codes,
              std::span<std::uint32_t> pass) const {
    for (auto& word : pass) word = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float magnitude = std::abs(x[i]) / p.scale[0];
      const int k = magnitude > 0x1p-7f ? static_cast<int>(std::lround(-std::log2(magnitude))) : 7;
      const int level = k >= 7 ? 0 : 8 - (k < 0 ? 0 : k);
      codes[i] = static_cast<std::int8_t>(x[i] < 0 ? -level : level);
      if (magnitude <= 1) pass[i / 32] |= 1u << (i % 32);
    }
  }
  void decode(std::span<const std::int8_t> codes, const Shape&, const QParams& p, std::span<float> y) const {
    for (std::size_t i = 0; i < y.size(); ++i) {
      const int level = std::abs(codes[i]);
      const float value = level == 0 ? 0.0f : std::ldexp(p.scale[0], level - 8);
      y[i] = codes[i] < 0 ? -value : value;
    }
  }
};
static_assert(Scheme<Logarithmic> && !AffineScheme<Logarithmic>);
static_assert(AffineScheme<Int8PerChannel> && AffineScheme<Int8Activation> && AffineScheme<WideIntN>);

}  // namespace

TEST_CASE("with given parameters: value and gradient as the functions on tensors", "[bits]") {
  const Tensor<float> x = normal({9, 7}, 1), dy = normal({9, 7}, 2);
  for (const Grid& grid : {Grid::signed_bits(4), Grid::uint8(), Grid::unsigned_bits(16)}) {
    const QParams p = QParams::per_tensor(0.2f, grid.lo + 5, grid);
    Tape tape;
    const auto v = tape.variable(x);
    const auto y = fake_quantize(v, p);
    tape.backward(y, dy);
    Tensor<float> dx(x.shape());
    fake_quantize_backward(x.span(), dy.span(), p, dx.edit());
    CHECK(equal(y.value(), fake_quantize(x, p)));
    CHECK(equal(tape.gradient(v), dx));
  }
}

TEST_CASE("with a scheme: parameters come from the value's own range", "[bits]") {
  const Tensor<float> w = normal({8, 3, 3, 4}, 3), dy = normal({8, 3, 3, 4}, 4);
  Tape tape;
  const auto v = tape.variable(w);
  const auto wq = fake_quantize(v, Int8PerChannel{});
  CHECK(equal(wq.value(), fake_quantize(w, weight_qparams(w, Granularity::per_channel(0)))));
  tape.backward(wq, dy);
  CHECK(equal(tape.gradient(v), dy));  // absmax/127 clips nothing
}

TEST_CASE("fake_quantize is dequantize of quantize on the tape too", "[bits]") {
  const Tensor<float> x = normal({5, 11}, 5), dy = normal({5, 11}, 6);
  const QParams p = choose_qparams(Range{-0.7f, 1.1f}, Grid::int8());
  Tape one, two;
  const auto a = one.variable(x);
  const auto b = two.variable(x);
  const auto y = fake_quantize(a, p);
  const Var<QTensor> q = quantize(b, p);
  const auto z = dequantize(q);
  CHECK(q.shape() == x.shape());
  CHECK(q.value().params == p);
  CHECK(equal(y.value(), z.value()));
  one.backward(y, dy);
  two.backward(z, dy);
  CHECK(equal(one.gradient(a), two.gradient(b)));
}

TEST_CASE("the plain estimator lets the gradient of clipped values stand") {
  const Tensor<float> x({3}, {-100, 0.1f, 100}), dy({3}, {1, 2, 3});
  Tape tape;
  const auto v = tape.variable(x);
  tape.backward(fake_quantize(v, QParams::per_tensor(0.1f, 0), Ste{}), dy);
  CHECK(equal(tape.gradient(v), dy));
}

TEST_CASE("a user's scheme that is not affine trains on the tape") {
  const Tensor<float> x({4}, {1.0f, -0.4f, 0.001f, 0.26f});
  Tape tape;
  const auto v = tape.variable(x);
  const auto y = fake_quantize(v, Logarithmic{});
  CHECK(equal(y.value(), Tensor<float>({4}, {1.0f, -0.5f, 0.0f, 0.25f})));
  tape.backward(y, Tensor<float>::filled({4}, 1));
  CHECK(equal(tape.gradient(v), Tensor<float>::filled({4}, 1)));
}

TEST_CASE("stochastic rounding on the tape: other values in each step, the gradient of rounding to nearest") {
  const Tensor<float> w = normal({8, 32}, 7), dy = normal({8, 32}, 8);
  StochasticRounding scheme(IntN(4), 3);
  const float scale = scheme.qparams(min_max(w, {})).scale[0];
  std::vector<Tensor<float>> values;
  for (std::uint64_t step = 0; step < 2; ++step) {
    scheme.step = step;
    Tape tape;
    const auto v = tape.variable(w);
    const auto y = fake_quantize(v, scheme);
    values.push_back(y.value());
    for (std::int64_t i = 0; i < w.size(); ++i) CHECK(std::abs(y.value()[i] - w[i]) < scale);
    tape.backward(y, dy);
    CHECK(equal(tape.gradient(v), dy));
  }
  CHECK_FALSE(equal(values[0], values[1]));
  scheme.training = false;
  Tape tape;
  CHECK(equal(fake_quantize(tape.constant(w), scheme).value(), fake_quantize(tape.constant(w), IntN(4)).value()));
}

TEST_CASE("what cannot be quantized is an error") {
  Tape tape;
  const auto bad = tape.constant(Tensor<float>({2}, {1, std::numeric_limits<float>::quiet_NaN()}));
  CHECK_THROWS_WITH(fake_quantize(bad, Int8PerTensor{}), Catch::Matchers::ContainsSubstring("NaN or infinite"));
  const auto x = tape.constant(Tensor<float>({2}, {1, 2}));
  CHECK_THROWS_AS(fake_quantize(x, Int8PerChannel(3)), Error);
  CHECK_THROWS_AS(quantize(x, QParams::per_tensor(1, 0, Grid::uint8())), Error);
  CHECK_THROWS_AS(fake_quantize(tape.constant(Tensor<float>()), Int8PerTensor{}), Error);
}

}  // namespace fake_quantize_test
