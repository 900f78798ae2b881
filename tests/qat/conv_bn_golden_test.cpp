// Convolution, batch norm and ReLU with fake-quantized weights: composed of operators on the tape it is PyTorch's
// ConvBnReLU2d, and the live layer on codes is that composition.
#include <stet/ops/activation.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/qat/convolution.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/live_layer.hpp>
#include <stet/quant/choose_qparams.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/nchw.hpp"

namespace conv_bn_golden_test {

using namespace stet;
using stet_test::channels_first;
using stet_test::channels_last;
using stet_test::tensor;

namespace {

using Real = Var<Tensor<float>>;

// 1/x, which stet does not have: a user's operator needs nothing but record().
Real reciprocal(const Real& x) {
  Tensor<float> y = detail::map(x.value(), [](float v) { return 1.0f / v; });
  return record(y, std::tie(x), [y](const Tensor<float>& dy, auto dx) {
    dx.add(detail::map(dy, y, [](float d, float v) { return -d * v * v; }));
  });
}

// The layer of a case with arrays in stet's order. Weights of a depthwise layer may lie in either of two orders:
// [C,kh,kw,1], for conv2d with groups, or [1,kh,kw,C], for depthwise_conv2d.
struct Layer {
  Layer(const GoldenCase& c, bool as_depthwise)
      : depthwise(as_depthwise),
        grid(Grid::range(c.params.at("quant_min").get<int>(), c.params.at("quant_max").get<int>())),
        weight_eps(c.params.at("weight_eps").get<float>()),
        norm{.eps = c.params.at("bn_eps").get<double>(), .momentum = c.params.at("bn_momentum").get<double>()},
        options{.stride = c.params.at("stride").get<int>(),
                .padding = Padding::of(c.params.at("padding").get<int>()),
                .groups = as_depthwise ? 1 : c.params.at("groups").get<int>()},
        x(channels_last(tensor<float>(c.inputs("x")))),
        weight(from_golden(tensor<float>(c.inputs("weight")))),
        gamma(tensor<float>(c.inputs("gamma"))),
        beta(tensor<float>(c.inputs("beta"))),
        mean(tensor<float>(c.inputs("running_mean"))),
        variance(tensor<float>(c.inputs("running_var"))),
        bias(c.has_input("bias") ? tensor<float>(c.inputs("bias")) : Tensor<float>::zeros(gamma.shape())) {}

  Tensor<float> from_golden(const Tensor<float>& w) const {
    const int order[] = {1, 2, 3, 0};
    return depthwise ? transpose_forward<float>(w, order) : channels_last(w);
  }
  template <class T>
  Tensor<T> to_golden(const Tensor<T>& w) const {
    const int order[] = {3, 0, 1, 2};
    return depthwise ? transpose_forward<T>(w, order) : channels_first(w);
  }
  int channel_axis() const { return depthwise ? 3 : 0; }
  // One number per output channel, to be multiplied with weights.
  Real beside_weights(const Real& k) const { return depthwise ? k : reshape(k, {k.value().size(), 1, 1, 1}); }

  // 1/sqrt(running_var + eps)
  Tensor<float> inverse_deviation() const {
    return detail::map(variance, [eps = static_cast<float>(norm.eps)](float v) { return 1.0f / std::sqrt(v + eps); });
  }
  QParams weight_params(const Tensor<float>& scaled, const Granularity& granularity) const {
    return choose_qparams(min_max(scaled, granularity), grid,
                          {.symmetric = true, .eps = weight_eps, .granularity = granularity});
  }

  bool depthwise;
  Grid grid;
  float weight_eps;
  BatchNormOptions norm;
  ConvOptions options;
  Tensor<float> x, weight, gamma, beta, mean, variance, bias;
};

// How batch norm is composed.
struct Phase {
  bool batch_statistics = true;  ///< of the batch (moving the running ones), else the running ones
  bool fused = false;            ///< with ReLU in one operator
};

// relu(batch_norm(conv(x, fq(w*k)) / k + bias)); p are the parameters of w*k.
Real conv_bn_relu(Layer& layer, const Real& x, const Real& scaled, const QParams& p, const Real& k, const Real& bias,
                  const Real& gamma, const Real& beta, const Phase& phase) {
  const Real w = fake_quantize(scaled, p);
  const Real conv = layer.depthwise
                        ? depthwise_conv2d(x, w, {.stride = layer.options.stride, .padding = layer.options.padding})
                        : conv2d(x, w, layer.options);
  const Real u = add(mul(conv, reciprocal(k)), bias);
  const Clamp clamp = phase.fused ? Clamp::relu : Clamp::none;
  const Real y = phase.batch_statistics
                     ? batch_norm_clamp(u, gamma, beta, layer.mean, layer.variance, clamp, layer.norm)
                     : batch_norm_frozen(u, gamma, beta, layer.mean, layer.variance, layer.norm.eps, clamp);
  return phase.fused ? y : relu(y);
}

void check_case(const GoldenCase& c, bool depthwise, bool fused) {
  Layer layer(c, depthwise);
  const auto phase = c.params.at("phase").get<std::string>();
  Tape tape;
  const auto x = tape.variable(layer.x), weight = tape.variable(layer.weight);
  const auto gamma = tape.variable(layer.gamma), beta = tape.variable(layer.beta), bias = tape.variable(layer.bias);
  // The scale factor depends on gamma: that is one of the two ways on which its gradient comes.
  const auto k = mul(gamma, tape.constant(layer.inverse_deviation()));
  const auto scaled = mul(weight, layer.beside_weights(k));

  const Granularity granularity = Granularity::per_channel(layer.channel_axis());
  const QParams p = layer.weight_params(scaled.value(), granularity);
  check_golden(c, "weight_scale", p.scale);
  check_golden(c, "weight_codes", layer.to_golden(quantize(scaled.value(), p).codes).span());
  if (layer.grid.lo == -layer.grid.hi) {
    CHECK(weight_qparams(scaled.value(), granularity, layer.grid) == p);  // no scale is as small as any eps
  }

  const auto y = conv_bn_relu(layer, x, scaled, p, k, bias, gamma, beta, {phase == "train", fused});
  check_golden(c, "y", channels_first(y.value()).span());
  if (phase == "eval") return;
  tape.backward(y, channels_last(tensor<float>(c.inputs("dy"))));
  check_golden(c, "dx", channels_first(tape.gradient(x)).span());
  check_golden(c, "dweight", layer.to_golden(tape.gradient(weight)).span());
  check_golden(c, "dgamma", tape.gradient(gamma).span());
  check_golden(c, "dbeta", tape.gradient(beta).span());
  if (c.has_input("bias")) check_golden(c, "dbias", tape.gradient(bias).span());
  if (phase == "frozen") return;
  check_golden(c, "running_mean_after", layer.mean.span());
  check_golden(c, "running_var_after", layer.variance.span());
}

// Checks values by the bound that the golden set has for sums in another order.
void check_close(const std::string& what, const Tensor<float>& got, const Tensor<float>& want) {
  CAPTURE(what);
  REQUIRE(got.shape() == want.shape());
  float largest = 1, difference = 0;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::fabs(want[i]));
    difference = std::max(difference, std::fabs(got[i] - want[i]));
  }
  CHECK(difference <= 1e-5f * largest);
}

// The live layer and the composition, both from the codes of x. What is not PyTorch's: the scale factor is a constant
// (PyTorch's gamma also gets the gradient of the rounding errors of w*k), and y is rounded to codes.
void check_live(const GoldenCase& c, bool depthwise, bool per_channel) {
  Layer composed(c, depthwise), live(c, depthwise);
  const QParams x_params = choose_qparams(min_max(composed.x.span()), Grid::int8());
  const auto dy = channels_last(tensor<float>(c.inputs("dy")));

  Tape one;
  const auto x1 = one.variable(composed.x), w1 = one.variable(composed.weight);
  const auto gamma1 = one.variable(composed.gamma), beta1 = one.variable(composed.beta);
  const auto k = mul(one.constant(composed.gamma), one.constant(composed.inverse_deviation()));
  const auto scaled = mul(w1, composed.beside_weights(k));
  const QParams p = composed.weight_params(
      scaled.value(), per_channel ? Granularity::per_channel(composed.channel_axis()) : Granularity::per_tensor());
  const auto y =
      conv_bn_relu(composed, fake_quantize(x1, x_params), scaled, p, k, one.constant(composed.bias), gamma1, beta1, {});
  one.backward(y, dy);

  const QParams y_params = choose_qparams(Range{0, min_max(y.value().span()).hi}, Grid::int8());
  const float step = y_params.scale[0];
  const OutputCodes out{step, y_params.zero_point[0], y_params.zero_point[0], y_params.grid.hi, true};
  int bits = 2;
  while (Grid::narrow(bits) != live.grid) ++bits;
  Tape two;
  const auto x2 = two.variable(live.x), w2 = two.variable(live.weight);
  const LiveNorm norm{two.variable(live.gamma),
                      two.variable(live.beta),
                      &live.mean,
                      &live.variance,
                      live.bias.span(),
                      static_cast<float>(live.norm.eps),
                      static_cast<float>(live.norm.momentum)};
  const auto codes = live_layer(depthwise ? depthwise_product(live.options) : conv2d_product(live.options),
                                quantize(x2, x_params), w2, symmetric(bits, per_channel), norm, out, y_params, nullptr);
  two.backward(codes, dy);

  const Tensor<float> value = dequantize(codes.value());
  REQUIRE(value.shape() == y.shape());
  float difference = 0;
  for (std::int64_t i = 0; i < value.size(); ++i) difference = std::max(difference, std::fabs(value[i] - y.value()[i]));
  CHECK(difference <= 0.501f * step);
  check_close("dx", two.gradient(x2), one.gradient(x1));
  check_close("dweight", two.gradient(w2), one.gradient(w1));
  check_close("dgamma", two.gradient(norm.gamma), one.gradient(gamma1));
  check_close("dbeta", two.gradient(norm.beta), one.gradient(beta1));
  check_close("running mean", live.mean, composed.mean);
  check_close("running variance", live.variance, composed.variance);
}

}  // namespace

TEST_CASE("convolution, batch norm and ReLU on scaled weights match PyTorch's ConvBnReLU2d", "[qat]") {
  const bool fused = GENERATE(false, true);
  int cases = 0;
  for (const GoldenCase& c : load_golden("conv_bn_qat")) {
    CAPTURE(c.name, fused);
    ++cases;
    check_case(c, false, fused);
    if (c.name.starts_with("depthwise")) check_case(c, true, fused);
  }
  CHECK(cases == 15);
}

// The arrays of the set themselves cannot be compared with: their x are no codes.
TEST_CASE("the live layer on codes is the composition that matches PyTorch", "[qat]") {
  const bool per_channel = GENERATE(true, false);
  int cases = 0;
  for (const GoldenCase& c : load_golden("conv_bn_qat")) {
    if (c.params.at("phase") != "train" || c.params.at("quant_min") == -128) continue;  // weight codes are narrow
    CAPTURE(c.name, per_channel);
    ++cases;
    check_live(c, false, per_channel);
    if (c.name.starts_with("depthwise")) check_live(c, true, per_channel);
  }
  CHECK(cases == 4);
}

}  // namespace conv_bn_golden_test
