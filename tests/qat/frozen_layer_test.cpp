// A folded layer against the same layer in double on the tape: batch norm with given statistics on the product of the
// dequantized codes, and a mask taken from what the codes are defined to be.

#include <stet/integer/layer.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/qat/frozen_layer.hpp>
#include <stet/qat/lsq_range.hpp>

#include "layer_surrogate.hpp"
#include "support/catch.hpp"

namespace frozen_layer_test {

using namespace stet;
using namespace stet_test;

namespace {

constexpr float eps = 1e-3f;

struct Case {
  LayerKind kind;
  std::int64_t channels;
  bool per_channel, norm, bias;
  integer::Activation activation;
};

integer::Requantization rule_of(LayerKind kind) {
  const Target& t = targets::litert_default;
  return kind == LayerKind::depthwise ? t.depthwise : kind == LayerKind::linear ? t.linear : t.convolution;
}

FrozenLayer folded_layer(const LayerFixture& f, const Case& c, const QParams& out) {
  const NormView norm{f.gamma.span(), f.beta.span(), f.mean.span(), f.variance.span(), eps};
  const std::span<const float> bias = c.bias ? f.bias.span() : std::span<const float>();
  FrozenLayer layer;
  layer.per_channel = c.per_channel;
  std::vector<float> k;
  for (std::size_t i = 0; c.norm && i < f.gamma.span().size(); ++i) {
    layer.k.push_back(norm.factor(i));
    layer.mean.push_back(static_cast<double>(f.mean.span()[i]) - (c.bias ? static_cast<double>(bias[i]) : 0.0));
    layer.inverse_std.push_back(1.0 / std::sqrt(static_cast<double>(f.variance.span()[i]) + static_cast<double>(eps)));
    if (!c.per_channel) k.push_back(static_cast<float>(norm.factor(i)));
  }
  const int axis = f.product.channel_axis();
  layer.weights = quantize_weights(f.w, axis, symmetric(8, c.per_channel), k);
  layer.folded = fold("layer", layer.weights, axis, c.per_channel, bias, c.norm ? &norm : nullptr,
                      affine(f.x.params), affine(out));
  layer.requantizer = integer::layer_requantizer(targets::litert_default, rule_of(f.kind), affine(f.x.params),
                                                 layer.folded.weight_scale, layer.folded.bias.span(), affine(out), c.activation);
  return layer;
}

int check_case(const Case& c, std::uint64_t seed) {
  Rng rng(seed);
  LayerFixture f(c.kind, c.channels, rng);
  const QParams out = fixture_output(f, c.activation);
  const FrozenLayer layer = folded_layer(f, c, out);
  const int axis = f.product.channel_axis();

  Parameter w{f.w}, bias{f.bias}, gamma{f.gamma}, beta{f.beta};
  Tape tape;
  const Var<QTensor> x = tape.variable(f.x);
  FrozenParameters p{tape.parameter(w)};
  if (c.bias) p.bias = tape.parameter(bias);
  if (c.norm) p.gamma = tape.parameter(gamma);
  if (c.norm) p.beta = tape.parameter(beta);
  AnyLearnedRange range = lsq();
  range.begin(out);
  p.output = {&range, "layer"};
  Range observed;
  const Var<QTensor> y = frozen_layer(f.product, x, p, layer, out, &observed);

  // What runs, in real numbers, decides which elements pass.
  Tape real;
  const auto rx = real.variable(real_values(f.x));
  const std::vector<double> ones(static_cast<std::size_t>(c.channels), 1.0);
  Tensor<double> folded = f.real_product(rx, real.constant(real_weights({layer.folded.weights, layer.folded.weight_scale}, axis, ones))).value();
  double lo = 1e300, hi = -1e300;
  for (std::size_t i = 0; i < folded.span().size(); ++i) {
    const std::size_t ch = i % static_cast<std::size_t>(c.channels);
    double& v = folded.edit()[i];
    v += static_cast<double>(layer.folded.bias.span()[ch]) * static_cast<double>(f.x.params.scale[0]) *
         static_cast<double>(layer.folded.weight_scale[c.per_channel ? ch : 0]);
    lo = std::min(lo, v);
    hi = std::max(hi, v);
  }
  const OutputCodes bounds = output_codes(out, c.activation);
  const Passing passing = expected_codes(folded, bounds, y.value().codes);
  CHECK(passing.wrong == 0);
  CHECK(static_cast<double>(observed.lo) == Approx(lo).epsilon(1e-5));
  CHECK(static_cast<double>(observed.hi) == Approx(hi).epsilon(1e-5));

  // The surrogate.
  const auto rw = real.variable(real_weights(layer.weights, axis, c.norm && !c.per_channel ? layer.k : ones));
  const auto rgamma = real.variable(doubles(f.gamma)), rbeta = real.variable(doubles(f.beta));
  Tensor<double> centre(Shape{c.channels});  // of the sums without the convolution's bias
  for (std::size_t i = 0; i < centre.span().size(); ++i) centre.edit()[i] = c.norm ? layer.mean[i] : 0.0;
  const auto sums = f.real_product(rx, rw);
  const auto ry = c.norm ? batch_norm_frozen(sums, rgamma, rbeta, centre, doubles(f.variance), static_cast<double>(eps)) : sums;

  const Tensor<float> dy = random_gradient(y.shape(), rng, passing);
  const Tensor<double> g = masked(dy, passing);
  tape.backward(y, dy);
  real.backward(ry, g);
  CHECK(relative_error(tape.gradient(x), real.gradient(rx)) < 1e-4);
  CHECK(relative_error(w.gradient, real.gradient(rw)) < 1e-4);
  CHECK(static_cast<double>(range.parameters()[0]->gradient[0]) ==
        Approx(log_scale_gradient(dy, y.value(), g, folded)).epsilon(1e-3).margin(1e-3));
  if (c.norm) {
    CHECK(relative_error(gamma.gradient, real.gradient(rgamma)) < 1e-4);
    CHECK(relative_error(beta.gradient, real.gradient(rbeta)) < 1e-4);
    // The surrogate is linear in gamma, so one difference is its derivative.
    Tensor<double> difference = Tensor<double>::zeros(Shape{c.channels});
    Tape other;
    Tensor<double> moved = doubles(f.gamma);
    for (double& v : moved.edit()) v += 1.0;
    const auto up = batch_norm_frozen(other.constant(sums.value()), other.constant(moved), other.constant(rbeta.value()),
                                      centre, doubles(f.variance), static_cast<double>(eps));
    for (std::int64_t i = 0; i < g.size(); ++i) {
      difference.edit()[static_cast<std::size_t>(i % c.channels)] += g[i] * (up.value()[i] - ry.value()[i]);
    }
    CHECK(relative_error(gamma.gradient, difference) < 1e-4);
  }
  if (c.bias) {
    Tensor<double> dbias = Tensor<double>::zeros(Shape{c.channels});
    for (std::int64_t i = 0; i < g.size(); ++i) {
      const auto ch = static_cast<std::size_t>(i % c.channels);
      dbias.edit()[ch] += g[i] * (c.norm ? layer.k[ch] : 1.0);
    }
    CHECK(relative_error(bias.gradient, dbias) < 1e-4);
  }
  return passing.clipped;
}

}  // namespace

TEST_CASE("frozen layer: codes and gradients are those of the float layer with given statistics") {
  std::uint64_t seed = 100;
  int clipped[4] = {};
  for (const LayerKind kind : {LayerKind::conv2d, LayerKind::grouped, LayerKind::depthwise, LayerKind::linear}) {
    for (const std::int64_t channels : {1, 3, 10, 16, 33}) {
      if (kind == LayerKind::grouped && channels % 2 != 0) continue;
      for (const int form : {0, 1, 2, 3}) {
        for (const int i : {0, 1, 2, 3}) {
          const integer::Activation activation = tested_activations[i];
          const Case c{kind, channels, form % 2 == 0, form < 2, ++seed % 3 != 0, activation};
          INFO("kind " << static_cast<int>(kind) << ", channels " << channels << ", per channel " << c.per_channel
                       << ", batch norm " << c.norm << ", bias " << c.bias << ", activation "
                       << integer::name(activation));
          clipped[i] += check_case(c, seed);
        }
      }
    }
  }
  for (const int count : clipped) CHECK(count > 1000);
}

TEST_CASE("frozen layer: nothing is recorded where nothing wants a gradient", "[bits]") {
  Rng rng(1);
  LayerFixture f(LayerKind::conv2d, 10, rng);
  const QParams out = fixture_output(f, integer::Activation::relu);
  const FrozenLayer layer = folded_layer(f, {LayerKind::conv2d, 10, true, true, true, integer::Activation::relu}, out);
  Tape tape;
  const FrozenParameters constants{tape.constant(f.w)}, variables{tape.variable(f.w)};
  const Var<QTensor> plain = frozen_layer(f.product, tape.constant(f.x), constants, layer, out, nullptr);
  const Var<QTensor> recorded = frozen_layer(f.product, tape.constant(f.x), variables, layer, out, nullptr);
  CHECK_FALSE(plain.wanted());
  CHECK(recorded.wanted());
  CHECK(same_values(plain.value().codes, recorded.value().codes));
}

TEST_CASE("frozen layer: a channel with gamma 0 still learns gamma and beta") {
  Rng rng(2);
  for (const bool per_channel : {true, false}) {
    LayerFixture f(LayerKind::conv2d, 3, rng);
    f.gamma.edit()[1] = 0.0f;
    const QParams out = QParams::per_tensor(0.02f, 0);
    const FrozenLayer layer = folded_layer(f, {LayerKind::conv2d, 3, per_channel, true, false, integer::Activation::none}, out);
    Parameter w{f.w}, gamma{f.gamma}, beta{f.beta};
    Tape tape;
    FrozenParameters p{tape.parameter(w)};
    p.gamma = tape.parameter(gamma);
    p.beta = tape.parameter(beta);
    const Var<QTensor> y = frozen_layer(f.product, tape.constant(f.x), p, layer, out, nullptr);
    tape.backward(y, normal(y.shape(), rng, 1.0));
    const std::int64_t inner = w.value.size() / 3;
    for (std::int64_t i = inner; i < 2 * inner; ++i) CHECK(w.gradient[i] == 0.0f);
    CHECK(gamma.gradient[1] != 0.0f);
    CHECK(std::isfinite(gamma.gradient[1]));
    CHECK(beta.gradient[1] != 0.0f);
  }
}

}  // namespace frozen_layer_test
