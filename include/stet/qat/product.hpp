#pragma once
// Product: what layers with weights have in common on codes. A layer's normalization and rounding do not depend on which
// of them it is.

#include <stet/core/lanes.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/quant/granularity.hpp>
#include <stet/quant/qtensor.hpp>
#include <stet/quant/scale_channels.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace stet {

/// A bilinear operator on codes and weight codes, with both of its gradients: what a kind of layer says of itself.
class ProductRule {
 public:
  virtual ~ProductRule() = default;
  /// Axis of the weights that counts output channels.
  [[nodiscard]] virtual int channel_axis() const = 0;
  /// Errors:    Errc::shape as the float operators
  [[nodiscard]] virtual Shape output_shape(const Shape& x, const Shape& w) const = 0;
  /// Exact accumulators, tile by tile, without bias.
  /// Formula:   acc = sum q_w * (q_x - z_x), padded taps contribute nothing
  virtual void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const = 0;
  /// Gradient of the input with respect to real weights w, for the gradient dy of the sums.
  [[nodiscard]] virtual Tensor<float> backward_input(const Tensor<float>& dy, const Tensor<float>& w, const Shape& x) const = 0;
  /// Gradient of the weights in steps of the input.
  /// Formula:   dw = sum dy * (q_x - z_x)
  [[nodiscard]] virtual Tensor<float> backward_weight(const QTensor& x, const Tensor<float>& dy, const Shape& w) const = 0;
};

/// Any of them, as a value.
class Product {
 public:
  explicit Product(std::shared_ptr<const ProductRule> rule) : rule_(std::move(rule)) {}

  [[nodiscard]] int channel_axis() const { return rule_->channel_axis(); }
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const { return rule_->output_shape(x, w); }
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const {
    rule_->accumulate(x, w, sink);
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
    return rule_->backward_input(steps, real, x);
  }

  /// Gradient of the weights.
  /// Formula:   dw = factor[c] * sum steps * (q_x - z_x)
  [[nodiscard]] Tensor<float> pull_weight(const QTensor& x, const Tensor<float>& steps, const Shape& w,
                                          std::span<const float> factor) const {
    Tensor<float> dw = rule_->backward_weight(x, steps, w);
    scale_channels(dw.edit(), scale_map(Granularity::per_channel(channel_axis()), w), factor);
    return dw;
  }

 private:
  std::shared_ptr<const ProductRule> rule_;
};

}  // namespace stet
