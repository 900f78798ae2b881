#pragma once
// Product: what convolution, depthwise convolution and linear layer have in common on codes. A layer's normalization
// and rounding do not depend on which of them it is.

#include <stet/core/lanes.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/quant/qtensor.hpp>

#include <cstdint>
#include <span>

namespace stet {

/// A bilinear operator on codes and weight codes, with both of its gradients.
class Product {
 public:
  static Product conv2d(const ConvOptions& options) { return Product(Kind::conv2d, options); }
  static Product depthwise(const ConvOptions& options) { return Product(Kind::depthwise, options); }
  static Product linear() { return Product(Kind::linear, {}); }

  /// Axis of the weights that counts output channels.
  [[nodiscard]] int channel_axis() const { return kind_ == Kind::depthwise ? 3 : 0; }

  /// Errors:    Errc::shape as the float operators
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const {
    if (kind_ == Kind::linear) {
      require(x.rank() == 2 && w.rank() == 2 && x[1] == w[1], Errc::shape,
              "linear: input {} does not fit weights {} ([out,in])", x, w);
      return {x[0], w[0]};
    }
    const Window window = this->window(x, w);
    return {x[0], window.h.out, window.w.out, w[channel_axis()]};
  }

  /// Exact accumulators, tile by tile, without bias.
  /// Formula:   acc = sum q_w * (q_x - z_x), padded taps contribute nothing
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const {
    const std::int32_t z = x.params.zero_point[0];
    switch (kind_) {
      case Kind::conv2d:
        integer::convolve(x.codes, z, integer::ConvolutionWeights(w, options_.groups), window(x.shape(), w.shape()), sink);
        return;
      case Kind::depthwise:
        integer::depthwise(x.codes, z, integer::DepthwiseWeights(w, x.shape()[3]), window(x.shape(), w.shape()), sink);
        return;
      case Kind::linear: integer::linear(x.codes, z, integer::ConvolutionWeights(w), sink); return;
    }
  }

  /// Gradient of the input in real units.
  /// Formula:   dx = transpose of the product with float(q_w), applied to `steps`
  /// Units:     steps: gradient of the layer's real sums times the weight scale of the channel
  [[nodiscard]] Tensor<float> pull_input(const Tensor<float>& steps, const Tensor<std::int8_t>& w, const Shape& x) const {
    Tensor<float> real(w.shape());
    {
      float* to = real.edit().data();
      const std::int8_t* from = w.data();
      lanes(w.size(), [=](std::int64_t i) { to[i] = static_cast<float>(from[i]); });
    }
    switch (kind_) {
      case Kind::conv2d: return conv2d_backward_input(steps, real, window(x, w.shape()), options_.groups, x);
      case Kind::depthwise: return depthwise_conv2d_backward_input(steps, real, window(x, w.shape()), x);
      case Kind::linear: return linear_backward_input(steps, real);
    }
    fail(Errc::range, "Product: unknown kind");
  }

  /// Gradient of the weights.
  /// Formula:   dw = factor[c] * sum steps * (q_x - z_x)
  [[nodiscard]] Tensor<float> pull_weight(const QTensor& x, const Tensor<float>& steps, const Shape& w,
                                          std::span<const float> factor) const {
    const std::int32_t z = x.params.zero_point[0];
    Tensor<float> dw;
    switch (kind_) {
      case Kind::conv2d: dw = conv2d_backward_weight(x.codes, steps, window(x.shape(), w), options_.groups, z); break;
      case Kind::depthwise:
        dw = depthwise_conv2d_backward_weight(x.codes, steps, window(x.shape(), w), z);
        break;
      case Kind::linear: dw = linear_backward_weight(x.codes, steps, z); break;
    }
    const std::int64_t inner = w.product(channel_axis() + 1, w.rank());
    const std::int64_t channels = w[channel_axis()];
    float* to = dw.edit().data();
    for (std::int64_t i = 0; i < dw.size(); ++i) to[i] *= factor[static_cast<std::size_t>(i / inner % channels)];
    return dw;
  }

 private:
  enum class Kind { conv2d, depthwise, linear };
  Product(Kind kind, const ConvOptions& options) : kind_(kind), options_(options) {}

  [[nodiscard]] Window window(const Shape& x, const Shape& w) const {
    return make_window(kind_ == Kind::conv2d ? "conv2d" : "depthwise_conv2d", x[1], x[2],
                       Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), options_.stride, options_.dilation,
                       options_.padding);
  }

  Kind kind_;
  ConvOptions options_;
};

}  // namespace stet
