// A layer with live batch norm against the same layer in double on the tape: product of the dequantized codes, batch
// norm with batch statistics, and a mask taken from what the codes are defined to be.

#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/qat/live_layer.hpp>
#include <stet/qat/lsq_range.hpp>

#include "layer_surrogate.hpp"
#include "support/catch.hpp"

namespace live_layer_test {

using namespace stet;
using namespace stet_test;

namespace {

struct Case {
  LayerKind kind;
  std::int64_t channels;
  bool per_channel;
  integer::Activation activation;
};

// Returns how many elements were clipped.
int check_case(const Case& c, std::uint64_t seed) {
  Rng rng(seed);
  LayerFixture f(c.kind, c.channels, rng);
  const AnyScheme scheme = symmetric(8, c.per_channel);
  const QParams out = fixture_output(f, c.activation);
  const OutputCodes bounds = output_codes(out, c.activation);

  Parameter w{f.w}, gamma{f.gamma}, beta{f.beta};
  Tensor<float> mean = f.mean, variance = f.variance;
  Tape tape;
  const Var<QTensor> x = tape.variable(f.x);
  const LiveNorm norm{tape.parameter(gamma), tape.parameter(beta), &mean, &variance, f.bias.span(), 1e-3f, 0.1f};
  Range observed;
  AnyLearnedRange range = lsq();
  range.begin(out);
  const Var<QTensor> y = live_layer(f.product, x, tape.parameter(w), scheme, norm, bounds, out, &observed,
                                    {{}, {&range, "layer"}});

  // The surrogate.
  std::vector<float> k(static_cast<std::size_t>(c.channels), 1.0f);
  if (!c.per_channel) {
    for (std::size_t i = 0; i < k.size(); ++i) {
      k[i] = f.gamma.span()[i] / std::sqrt(f.variance.span()[i] + 1e-3f);
    }
  }
  const WeightCodes codes = quantize_weights(f.w, f.product.channel_axis(), scheme,
                                             c.per_channel ? std::span<const float>() : std::span<const float>(k));
  Tape real;
  const auto rx = real.variable(real_values(f.x));
  const auto rw = real.variable(real_weights(codes, f.product.channel_axis(), k));
  const auto rgamma = real.variable(doubles(f.gamma)), rbeta = real.variable(doubles(f.beta));
  Tensor<double> rmean = doubles(f.mean), rvariance = doubles(f.variance);
  const auto ry = batch_norm(f.real_product(rx, rw), rgamma, rbeta, rmean, rvariance, {.eps = 1e-3f, .momentum = 0.1f});

  // Codes are those of the real values, except where these lie on the border between two codes.
  const Passing passing = expected_codes(ry.value(), bounds, y.value().codes);
  CHECK(passing.wrong == 0);
  const Tensor<float> dy = random_gradient(y.shape(), rng, passing);
  tape.backward(y, dy);
  real.backward(ry, masked(dy, passing));

  CHECK(relative_error(tape.gradient(x), real.gradient(rx)) < 1e-4);
  CHECK(relative_error(w.gradient, real.gradient(rw)) < 1e-4);
  CHECK(relative_error(gamma.gradient, real.gradient(rgamma)) < 1e-4);
  CHECK(relative_error(beta.gradient, real.gradient(rbeta)) < 1e-4);
  const double dlog = log_scale_gradient(dy, y.value(), masked(dy, passing), ry.value());
  CHECK(static_cast<double>(range.parameters()[0]->gradient[0]) == Approx(dlog).epsilon(1e-3).margin(1e-3));
  // Running statistics, with the bias of the convolution in the mean.
  for (std::int64_t i = 0; i < c.channels; ++i) rmean.edit()[static_cast<std::size_t>(i)] += 0.1 * static_cast<double>(f.bias[i]);
  CHECK(relative_error(mean, rmean) < 1e-5);
  CHECK(relative_error(variance, rvariance) < 1e-5);
  // What the observer is told: the range before activation and clamping.
  double lo = 1e300, hi = -1e300;
  for (const double v : ry.value().span()) {
    lo = std::min(lo, v);
    hi = std::max(hi, v);
  }
  CHECK(static_cast<double>(observed.lo) == Approx(lo).epsilon(1e-5));
  CHECK(static_cast<double>(observed.hi) == Approx(hi).epsilon(1e-5));
  return passing.clipped;
}

}  // namespace

TEST_CASE("live layer: codes, statistics and gradients are those of the float layer on the same codes") {
  std::uint64_t seed = 0;
  int clipped[4] = {};
  for (const LayerKind kind : {LayerKind::conv2d, LayerKind::grouped, LayerKind::depthwise, LayerKind::linear}) {
    for (const std::int64_t channels : {1, 3, 10, 16, 33}) {
      if (kind == LayerKind::grouped && channels % 2 != 0) continue;
      for (const bool per_channel : {true, false}) {
        for (const int i : {0, 1, 2, 3}) {
          const integer::Activation activation = tested_activations[i];
          INFO("kind " << static_cast<int>(kind) << ", channels " << channels << ", per channel " << per_channel
                       << ", activation " << integer::name(activation));
          clipped[i] += check_case({kind, channels, per_channel, activation}, ++seed);
        }
      }
    }
  }
  for (const int count : clipped) CHECK(count > 1000);
}

TEST_CASE("live layer: a channel with gamma 0 and per-tensor weights gives beta, and gamma's gradient leads out of it") {
  Rng rng(5);
  LayerFixture f(LayerKind::conv2d, 3, rng);
  f.gamma.edit()[1] = 0.0f;
  f.beta.edit()[1] = 0.5f;
  Parameter w{f.w}, gamma{f.gamma}, beta{f.beta};
  Tensor<float> mean = f.mean, variance = f.variance;
  const QParams out = QParams::per_tensor(0.02f, 0);
  Tape tape;
  const Var<QTensor> x = tape.variable(f.x);
  const LiveNorm norm{tape.parameter(gamma), tape.parameter(beta), &mean, &variance};
  const Var<QTensor> y = live_layer(f.product, x, tape.parameter(w), symmetric(8, false), norm,
                                    output_codes(out, integer::Activation::none), out, nullptr);
  for (std::int64_t i = 1; i < y.value().codes.size(); i += 3) CHECK(y.value().codes[i] == 25);
  tape.backward(y, Tensor<float>::filled(y.shape(), 1.0f));
  const std::int64_t inner = w.value.size() / 3;
  for (std::int64_t i = inner; i < 2 * inner; ++i) CHECK(w.gradient[i] == 0.0f);
  // dgamma = (sum g*u - mean*sum g)/sigma with u of the float weights, as in a frozen layer.
  double sum = 0.0;
  Tape real;
  const Tensor<double> u = f.real_product(real.constant(real_values(f.x)), real.constant(doubles(f.w))).value();
  for (std::int64_t i = 1; i < u.size(); i += 3) sum += u[i] - static_cast<double>(f.mean[1]);
  CHECK(static_cast<double>(gamma.gradient[1]) ==
        Approx(sum / std::sqrt(static_cast<double>(f.variance[1]) + 1e-5)).epsilon(1e-4));
  CHECK(beta.gradient[1] == static_cast<float>(y.value().codes.size() / 3));
  CHECK(mean[1] == f.mean[1]);
  CHECK(variance[1] == f.variance[1]);
  CHECK(mean[0] != f.mean[0]);
}

TEST_CASE("live layer: one value per channel cannot be normalized") {
  Rng rng(6);
  LayerFixture f(LayerKind::linear, 3, rng);
  Tape tape;
  Tensor<float> mean = f.mean, variance = f.variance;
  const Tensor<std::int8_t> one(Shape{1, f.x.shape()[1]}, f.x.codes.span().first(static_cast<std::size_t>(f.x.shape()[1])));
  const LiveNorm norm{tape.constant(f.gamma), tape.constant(f.beta), &mean, &variance};
  const QParams out = QParams::per_tensor(0.02f, 0);
  CHECK_THROWS_WITH(live_layer(f.product, tape.constant(QTensor{one, f.x.params}), tape.constant(f.w), symmetric(8), norm,
                               output_codes(out, integer::Activation::none), out, nullptr),
                    Catch::Matchers::ContainsSubstring("at least two values per channel"));
  CHECK(same_values(mean, f.mean));
}

}  // namespace live_layer_test
