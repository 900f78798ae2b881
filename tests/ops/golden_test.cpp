// The golden set `ops`: layers and losses of PyTorch 2.13, in float and in double.
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/pooling.hpp>

#include "ops/nchw.hpp"

namespace golden_test {

using namespace stet;
using stet_test::channels_last;
using stet_test::check_channels_last;
using stet_test::tensor;

namespace {

Pair pair_of(const GoldenValue& value) {
  return value.is_array() ? Pair(value.at(0).get<int>(), value.at(1).get<int>()) : Pair(value.get<int>());
}

template <class T>
void check_conv2d(const GoldenCase& c) {
  Tape tape;
  const auto x = tape.variable(channels_last(tensor<T>(c.inputs("x"))));
  const Tensor<T> weight = channels_last(tensor<T>(c.inputs("w")));
  const Pair padding = pair_of(c.params.at("padding"));
  const Padding p = Padding::of(padding.height, padding.height, padding.width, padding.width);
  const Pair stride = pair_of(c.params.at("stride")), dilation = pair_of(c.params.at("dilation"));
  const int groups = c.params.at("groups").get<int>();
  const auto w = tape.variable(weight);
  const bool bias = c.has_input("b");
  const auto b = tape.variable(bias ? tensor<T>(c.inputs("b")) : Tensor<T>::zeros({weight.shape()[0]}));
  const ConvOptions options{.stride = stride, .padding = p, .dilation = dilation, .groups = groups};
  const auto y = bias ? conv2d(x, w, b, options) : conv2d(x, w, options);
  tape.backward(y, channels_last(tensor<T>(c.inputs("dy"))));
  check_channels_last(c, "y", y.value());
  check_channels_last(c, "dx", tape.gradient(x));
  check_channels_last(c, "dw", tape.gradient(w));
  if (bias) check_channels_last(c, "db", tape.gradient(b));
  CHECK(tape.has_gradient(b) == bias);
}

// The same case as a depthwise convolution: weights [1,kh,kw,C*multiplier].
template <class T>
void check_depthwise(const GoldenCase& c) {
  Tape tape;
  const auto x = tape.variable(channels_last(tensor<T>(c.inputs("x"))));
  const int order[] = {1, 2, 3, 0};
  const auto w = tape.variable(transpose_forward<T>(tensor<T>(c.inputs("w")), order));
  const auto b = tape.variable(tensor<T>(c.inputs("b")));
  const Pair padding = pair_of(c.params.at("padding"));
  const auto y = depthwise_conv2d(x, w, b,
                                  {.stride = pair_of(c.params.at("stride")),
                                   .padding = Padding::of(padding.height, padding.height, padding.width, padding.width),
                                   .dilation = pair_of(c.params.at("dilation"))});
  tape.backward(y, channels_last(tensor<T>(c.inputs("dy"))));
  check_channels_last(c, "y", y.value());
  check_channels_last(c, "dx", tape.gradient(x));
  const int back[] = {3, 0, 1, 2};
  const Tensor<T> dw = transpose_forward<T>(tape.gradient(w), back);
  check_golden(c, std::is_same_v<T, float> ? "dw_f32" : "dw", dw.span());
  check_channels_last(c, "db", tape.gradient(b));
}

template <class T>
void check_linear_case(const GoldenCase& c) {
  Tape tape;
  const auto x = tape.variable(tensor<T>(c.inputs("x")));
  const auto w = tape.variable(tensor<T>(c.inputs("w")));
  const bool bias = c.has_input("b");
  const auto b = tape.variable(bias ? tensor<T>(c.inputs("b")) : Tensor<T>::zeros({w.shape()[0]}));
  const auto y = bias ? linear(x, w, b) : linear(x, w);
  tape.backward(y, tensor<T>(c.inputs("dy")));
  check_channels_last(c, "y", y.value());
  check_channels_last(c, "dx", tape.gradient(x));
  check_channels_last(c, "dw", tape.gradient(w));
  if (bias) check_channels_last(c, "db", tape.gradient(b));
}

template <class T>
void check_batch_norm_case(const GoldenCase& c) {
  Tape tape;
  const auto x = tape.variable(channels_last(tensor<T>(c.inputs("x"))));
  const auto gamma = tape.variable(tensor<T>(c.inputs("gamma")));
  const auto beta = tape.variable(tensor<T>(c.inputs("beta")));
  Tensor<T> mean = tensor<T>(c.inputs("running_mean"));
  Tensor<T> variance = tensor<T>(c.inputs("running_var"));
  const auto eps = c.params.at("eps").get<double>();
  const bool training = c.params.at("training").get<bool>();
  const auto y = training ? batch_norm(x, gamma, beta, mean, variance,
                                       {.eps = eps, .momentum = c.params.at("momentum").get<double>()})
                          : batch_norm_frozen(x, gamma, beta, mean, variance, eps);
  tape.backward(y, channels_last(tensor<T>(c.inputs("dy"))));
  check_channels_last(c, "y", y.value());
  check_channels_last(c, "dx", tape.gradient(x));
  check_channels_last(c, "dgamma", tape.gradient(gamma));
  check_channels_last(c, "dbeta", tape.gradient(beta));
  if (training) {
    check_channels_last(c, "running_mean_after", mean);
    check_channels_last(c, "running_var_after", variance);
  }
}

template <class T>
void check_pool(const GoldenCase& c) {
  Tape tape;
  const auto x = tape.variable(channels_last(tensor<T>(c.inputs("x"))));
  const PoolOptions options{.size = pair_of(c.params.at("kernel_size")),
                            .stride = pair_of(c.params.at("stride")),
                            .padding = Padding::of(c.params.at("padding").get<int>()),
                            .count_include_pad = c.params.value("count_include_pad", false)};
  const auto y = c.name.starts_with("pool_max") ? max_pool(x, options) : avg_pool(x, options);
  tape.backward(y, channels_last(tensor<T>(c.inputs("dy"))));
  check_channels_last(c, "y", y.value());
  check_channels_last(c, "dx", tape.gradient(x));
}

template <class T>
void check_cross_entropy(const GoldenCase& c) {
  Tape tape;
  const auto logits = tape.variable(tensor<T>(c.inputs("logits")));
  const auto labels = tensor<std::int32_t>(c.inputs("labels"));
  const auto loss =
      softmax_cross_entropy(logits, labels, {.label_smoothing = c.params.at("label_smoothing").get<double>()});
  tape.backward(loss);
  check_channels_last(c, "loss", loss.value());
  check_channels_last(c, "dlogits", tape.gradient(logits));
}

}  // namespace

TEMPLATE_TEST_CASE("operators match the golden set", "[ops]", float, double) {
  int cases = 0;
  for (const GoldenCase& c : load_golden("ops")) {
    CAPTURE(c.name);
    ++cases;
    if (c.name.starts_with("conv2d_")) {
      check_conv2d<TestType>(c);
    } else if (c.name.starts_with("linear_")) {
      check_linear_case<TestType>(c);
    } else if (c.name.starts_with("batch_norm_")) {
      check_batch_norm_case<TestType>(c);
    } else if (c.name.starts_with("pool_")) {
      check_pool<TestType>(c);
    } else if (c.name.starts_with("cross_entropy_")) {
      check_cross_entropy<TestType>(c);
    } else {
      --cases;  // optimizers and schedules are checked in the room that has them
    }
  }
  CHECK(cases == 21);
}

TEMPLATE_TEST_CASE("depthwise convolution matches the golden set", "[ops]", float, double) {
  for (const GoldenCase& c : load_golden("ops")) {
    if (c.name == "conv2d_depthwise") check_depthwise<TestType>(c);
  }
}

}  // namespace golden_test
