// fold(): integers that the target executes, equal to float batch norm up to one output step.

#include <stet/core/random.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/qat/fold.hpp>

#include "../support/catch.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace fold_test {

using namespace stet;

namespace {

struct Layer {
  Tensor<float> w;
  std::vector<float> gamma, beta, mean, variance, bias;
  Affine in, out;
  NormView norm() const { return {gamma, beta, mean, variance, 1e-5f}; }
};

Layer random_layer(Rng& rng, std::int64_t channels, std::int64_t depth) {
  Layer layer;
  layer.w = Tensor<float>(Shape{channels, 1, 1, depth});
  for (float& w : layer.w.edit()) w = static_cast<float>(rng.normal() * 0.2);
  for (std::int64_t c = 0; c < channels; ++c) {
    layer.gamma.push_back(static_cast<float>(rng.normal()));
    layer.beta.push_back(static_cast<float>(rng.normal()));
    layer.mean.push_back(static_cast<float>(rng.normal()));
    layer.variance.push_back(static_cast<float>(std::exp(2.0 * rng.normal())));
    layer.bias.push_back(static_cast<float>(rng.normal()));
  }
  layer.in = {0.02f, -128};
  layer.out = {0.03f, 0};
  return layer;
}

// Real output of the folded layer for given input codes, without rounding to the output grid.
double folded_value(const LayerConstants& f, const Layer& layer, std::int64_t c, const std::vector<int>& q) {
  const auto depth = static_cast<std::int64_t>(q.size());
  std::int64_t acc = f.bias[c];
  for (std::int64_t i = 0; i < depth; ++i) {
    acc += std::int64_t{f.weights[c * depth + i]} * (q[static_cast<std::size_t>(i)] - layer.in.zero_point);
  }
  const float s = f.scale(static_cast<std::size_t>(c));
  return static_cast<double>(acc) * static_cast<double>(layer.in.scale) * static_cast<double>(s);
}

double float_value(const WeightCodes& w, const Layer& layer, std::int64_t c, const std::vector<int>& q,
                   bool per_channel) {
  const auto ci = static_cast<std::size_t>(c);
  const auto depth = static_cast<std::int64_t>(q.size());
  double u = 0;
  for (std::int64_t i = 0; i < depth; ++i) {
    u += static_cast<double>(w.codes[c * depth + i]) * (q[static_cast<std::size_t>(i)] - layer.in.zero_point);
  }
  u *= static_cast<double>(layer.in.scale) * static_cast<double>(w.scale[per_channel ? ci : 0]);
  const double k = layer.norm().factor(ci);
  const double centred = static_cast<double>(layer.bias[ci]) - static_cast<double>(layer.mean[ci]);
  return (per_channel ? u * k : u) + centred * k + static_cast<double>(layer.beta[ci]);
}

}  // namespace

TEST_CASE("folded integers equal float batch norm within an eighth of an output step", "[bits]") {
  Rng rng(7);
  for (const bool per_channel : {true, false}) {
    for (int round = 0; round < 20; ++round) {
      Layer layer = random_layer(rng, 8, 27);
      std::vector<float> k;
      for (std::size_t c = 0; c < 8; ++c) k.push_back(static_cast<float>(layer.norm().factor(c)));
      const NormView norm = layer.norm();
      const WeightCodes w = quantize_weights(layer.w, 0, symmetric(8, per_channel), per_channel ? std::vector<float>{} : k);
      const LayerConstants f = fold("test", w, 0, per_channel, layer.bias, &norm, layer.in, layer.out);
      for (std::int64_t c = 0; c < 8; ++c) {
        std::vector<int> q(27);
        for (int& v : q) v = static_cast<int>(rng.below(256)) - 128;
        const double got = folded_value(f, layer, c, q);
        const double want = float_value(w, layer, c, q, per_channel);
        INFO("channel " << c << " per channel " << per_channel);
        CHECK(std::fabs(got - want) < 0.126 * 0.03);
      }
    }
  }
}

TEST_CASE("codes survive the fold: only signs of channels with negative gamma change", "[bits]") {
  Rng rng(3);
  const Layer layer = random_layer(rng, 16, 9);
  const NormView norm = layer.norm();
  const WeightCodes w = quantize_weights(layer.w, 0, symmetric(8));
  const LayerConstants f = fold("test", w, 0, true, layer.bias, &norm, layer.in, layer.out);
  for (std::int64_t c = 0; c < 16; ++c) {
    const int sign = layer.gamma[static_cast<std::size_t>(c)] < 0 ? -1 : 1;
    for (std::int64_t i = 0; i < 9; ++i) CHECK(f.weights[c * 9 + i] == sign * w.codes[c * 9 + i]);
    const double k = std::fabs(norm.factor(static_cast<std::size_t>(c)));
    CHECK(f.weight_scale[static_cast<std::size_t>(c)] ==
          static_cast<float>(static_cast<double>(w.scale[static_cast<std::size_t>(c)]) * k));
  }
}

TEST_CASE("dead and tiny channels keep their bias within a step and their multiplier in range", "[bits]") {
  Rng rng(11);
  for (int round = 0; round < 200; ++round) {
    Layer layer = random_layer(rng, 4, 9);
    layer.gamma[0] = 0.0f;
    for (std::size_t i = 0; i < 9; ++i) layer.w.edit()[9 + i] = 0.0f;
    layer.gamma[2] = static_cast<float>(std::exp2(-40.0 * rng.uniform()));
    layer.variance[3] = static_cast<float>(std::exp2(20.0 * rng.uniform()));
    for (float& b : layer.beta) b *= static_cast<float>(std::exp2(12.0 * rng.uniform()));
    const NormView norm = layer.norm();
    const WeightCodes w = quantize_weights(layer.w, 0, symmetric(8));
    const LayerConstants f = fold("test", w, 0, true, layer.bias, &norm, layer.in, layer.out);
    for (std::int64_t c = 0; c < 4; ++c) {
      std::vector<int> q(9);
      for (int& v : q) v = static_cast<int>(rng.below(256)) - 128;
      const double limit = 16384.0 * 0.03;
      const double m = static_cast<double>(layer.in.scale) * static_cast<double>(f.weight_scale[static_cast<std::size_t>(c)]) /
                       static_cast<double>(layer.out.scale);
      CHECK(m > std::exp2(-32));
      CHECK(m < 256.0);
      const double got = folded_value(f, layer, c, q);
      const double want = float_value(w, layer, c, q, true);
      INFO("channel " << c << " of round " << round << ": " << got << " for " << want);
      // On the output grid, which is all that is seen of it.
      const auto seen = [&](double v) { return std::clamp(v, -limit, limit) / 0.03; };
      CHECK(std::fabs(std::clamp(seen(got), -300.0, 300.0) - std::clamp(seen(want), -300.0, 300.0)) < 1.0);
    }
  }
}

TEST_CASE("accumulators with bias always fit 32 bits after the fold", "[bits]") {
  Layer layer;
  layer.w = Tensor<float>::filled({1, 1, 1, 66000}, 1.0f);
  layer.in = {1.0f, -128};
  layer.out = {4.0f, 0};
  const std::vector<float> bias{3e6f};
  const WeightCodes w = quantize_weights(layer.w, 0, symmetric(8));
  const LayerConstants f = fold("test", w, 0, true, bias, nullptr, layer.in, layer.out);
  double reach = std::fabs(static_cast<double>(f.bias[0]));
  for (const std::int8_t q : f.weights.span()) reach += 255.0 * std::abs(q);
  CHECK(reach < 2147483647.0);
}

TEST_CASE("weight codes always fit the packed product, per channel and per tensor", "[bits]") {
  constexpr std::int64_t depth = 66312;  // the first at which equal weights of 8 bits do not
  const integer::ConvolutionWeights fits(Tensor<std::int8_t>::filled({1, depth - 1}, 127));
  CHECK_THROWS_AS(integer::ConvolutionWeights(Tensor<std::int8_t>::filled({1, depth}, 127)), Error);
  Tensor<float> w = Tensor<float>::filled({2, depth}, 0.5f);
  for (std::int64_t i = 0; i < depth; i += 2) w.edit()[static_cast<std::size_t>(depth + i)] = 0.0f;
  for (const bool per_channel : {true, false}) {
    const WeightCodes q = quantize_weights(w, 0, symmetric(8, per_channel));
    CHECK_NOTHROW(integer::ConvolutionWeights(q.codes));
    CHECK(q.codes[0] == 64);
    CHECK(q.codes[depth + 1] == (per_channel ? 127 : 64));  // half of them are zero: this channel fits as it is
    CHECK(static_cast<float>(q.codes[0]) * q.scale[0] == Approx(0.5f).epsilon(0.01));
    CHECK(static_cast<float>(q.codes[depth + 1]) * q.scale.back() == Approx(0.5f).epsilon(0.01));
  }
  const WeightCodes q = quantize_weights(w.reshaped({1, depth, 1, 2}), 3, symmetric(8));
  CHECK_NOTHROW(integer::DepthwiseWeights(q.codes, 2));
  const WeightCodes binary = quantize_weights(Tensor<float>::filled({1, 2 * depth}, -0.5f), 0, symmetric(1));
  CHECK(binary.codes[0] * binary.scale[0] == -0.5f);
  CHECK_NOTHROW(integer::ConvolutionWeights(binary.codes));
}

TEST_CASE("low-bit codes are stored as large as int8 allows", "[bits]") {
  for (int bits = 2; bits <= 8; ++bits) {
    const Tensor<float> w({1, 4}, {1.0f, -1.0f, 0.4f, 0.0f});
    const WeightCodes codes = quantize_weights(w, 0, symmetric(bits));
    const int top = (1 << (bits - 1)) - 1;
    CHECK(codes.codes[0] > 63);
    CHECK(codes.codes[0] == -codes.codes[1]);
    CHECK(codes.codes[0] % top == 0);
    CHECK(static_cast<float>(codes.codes[0]) * codes.scale[0] == Approx(1.0f));
  }
}

TEST_CASE("fold refuses what no target can run, naming layer and channel") {
  const Tensor<float> w({1, 2}, {100.0f, -50.0f});
  const WeightCodes codes = quantize_weights(w, 0, symmetric(8));
  const std::vector<float> bias{0.0f};
  try {
    (void)fold("head", codes, 0, true, bias, nullptr, {1.0f, 0}, {1e-3f, 0});
    FAIL("expected an error");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::range);
    CHECK(std::string(e.what()).find("head: channel 0") != std::string::npos);
  }
  const std::vector<float> broken{std::nanf("")};
  CHECK_THROWS_AS(fold("head", codes, 0, true, broken, nullptr, {1.0f, 0}, {1.0f, 0}), Error);
}

TEST_CASE("scales, zero points and statistics that cannot be are refused: no loop without end, no overflow") {
  Rng rng(3);
  const Layer good = random_layer(rng, 4, 6);
  constexpr float inf = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  constexpr std::int32_t top = std::numeric_limits<std::int32_t>::max(),
                         bottom = std::numeric_limits<std::int32_t>::min();
  for (const bool per_channel : {true, false}) {
    const WeightCodes weights = quantize_weights(good.w, 0, symmetric(8, per_channel));
    const auto refused = [&](const Layer& layer, const WeightCodes& w) {
      const NormView norm = layer.norm();
      try {
        (void)fold("layer", w, 0, per_channel, layer.bias, &norm, layer.in, layer.out);
      } catch (const Error& e) {
        return e.code() == Errc::range && std::string(e.what()).find("layer") != std::string::npos;
      }
      return false;
    };
    CHECK_FALSE(refused(good, weights));
    for (const float scale : {-3.4e38f, -1.0f, -0.0f, 0.0f, 1e-40f, inf, -inf, none}) {
      INFO(scale);
      Layer layer = good;
      layer.out.scale = scale;
      CHECK(refused(layer, weights));
      layer = good;
      layer.in.scale = scale;
      CHECK(refused(layer, weights));
      if (scale == 1e-40f) continue;  // a weight scale may be that small: its channel is dead
      WeightCodes w = weights;
      w.scale[0] = scale;
      CHECK(refused(good, w));
    }
    for (const std::int32_t zero : {top, bottom, -129, 128}) {
      Layer layer = good;
      layer.in.zero_point = zero;
      CHECK(refused(layer, weights));
    }
    for (const float value : {inf, -inf, none}) {
      for (std::vector<float> Layer::*const field :
           {&Layer::gamma, &Layer::beta, &Layer::mean, &Layer::variance, &Layer::bias}) {
        Layer layer = good;
        (layer.*field)[2] = value;
        CHECK(refused(layer, weights));
      }
    }
    Layer layer = good;
    layer.variance[1] = -1e-3f;
    CHECK(refused(layer, weights));
    // A dead channel whose fine step underflows.
    layer = good;
    layer.in.scale = 3e38f;
    layer.out.scale = 1e-38f;
    CHECK(refused(layer, {Tensor<std::int8_t>::zeros(good.w.shape()), weights.scale}));
  }
}

TEST_CASE("weights that are not finite have no codes, whoever gives the scale") {
  for (const int bits : {1, 2, 4, 8}) {
    for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      Tensor<float> w = Tensor<float>::filled({2, 3}, 0.5f);
      w.edit()[4] = value;
      CHECK_THROWS_AS(quantize_weights(w, 0, symmetric(bits)), Error);
      CHECK_THROWS_AS(quantize_weights(w, 0, symmetric(bits), {}, std::vector<float>{0.1f, 0.1f}), Error);
    }
    const Tensor<float> w = Tensor<float>::filled({2, 3}, 0.5f);
    CHECK_NOTHROW(quantize_weights(w, 0, symmetric(bits), {}, std::vector<float>{0.1f, 0.1f}));
    for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity()}) {
      CHECK_THROWS_AS(quantize_weights(w, 0, symmetric(bits), {}, std::vector<float>{0.1f, scale}), Error);
    }
  }
}

}  // namespace fold_test
