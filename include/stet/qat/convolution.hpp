#pragma once
// Convolutions on codes, with the gradients of training.

#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/qat/product.hpp>

#include <cstdint>
#include <memory>

namespace stet {

namespace detail {

inline Window product_window(const char* kind, const ConvOptions& o, const Shape& x, const Shape& w) {
  return make_window(kind, x[1], x[2], Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), o.stride, o.dilation, o.padding);
}

class ConvolutionProduct final : public ProductRule {
 public:
  explicit ConvolutionProduct(const ConvOptions& options) : options_(options) {}

  [[nodiscard]] int channel_axis() const override { return 0; }
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const override {
    const Window v = window(x, w);
    return {x[0], v.h.out, v.w.out, w[0]};
  }
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const override {
    const integer::ConvolutionWeights packed(w, options_.groups);
    integer::convolve(x.codes, x.params.zero_point[0], packed, window(x.shape(), w.shape()), sink);
  }
  [[nodiscard]] Tensor<float> backward_input(const Tensor<float>& dy, const Tensor<float>& w, const Shape& x) const override {
    return conv2d_backward_input(dy, w, window(x, w.shape()), options_.groups, x);
  }
  [[nodiscard]] Tensor<float> backward_weight(const QTensor& x, const Tensor<float>& dy, const Shape& w) const override {
    return conv2d_backward_weight(x.codes, dy, window(x.shape(), w), options_.groups, x.params.zero_point[0]);
  }

 private:
  [[nodiscard]] Window window(const Shape& x, const Shape& w) const { return product_window("conv2d", options_, x, w); }

  ConvOptions options_;
};

class DepthwiseProduct final : public ProductRule {
 public:
  explicit DepthwiseProduct(const ConvOptions& options) : options_(options) {}

  [[nodiscard]] int channel_axis() const override { return 3; }
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const override {
    const Window v = window(x, w);
    return {x[0], v.h.out, v.w.out, w[3]};
  }
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const override {
    const integer::DepthwiseWeights packed(w, x.shape()[3]);
    integer::depthwise(x.codes, x.params.zero_point[0], packed, window(x.shape(), w.shape()), sink);
  }
  [[nodiscard]] Tensor<float> backward_input(const Tensor<float>& dy, const Tensor<float>& w, const Shape& x) const override {
    return depthwise_conv2d_backward_input(dy, w, window(x, w.shape()), x);
  }
  [[nodiscard]] Tensor<float> backward_weight(const QTensor& x, const Tensor<float>& dy, const Shape& w) const override {
    return depthwise_conv2d_backward_weight(x.codes, dy, window(x.shape(), w), x.params.zero_point[0]);
  }

 private:
  [[nodiscard]] Window window(const Shape& x, const Shape& w) const {
    return product_window("depthwise_conv2d", options_, x, w);
  }

  ConvOptions options_;
};

}  // namespace detail

/// Products of codes [N,H,W,C] with weights [filters,kh,kw,C/groups].
inline Product conv2d_product(const ConvOptions& options) {
  return Product(std::make_shared<detail::ConvolutionProduct>(options));
}
/// Products of codes [N,H,W,C] with weights [1,kh,kw,C*multiplier], channel by channel.
inline Product depthwise_product(const ConvOptions& options) {
  return Product(std::make_shared<detail::DepthwiseProduct>(options));
}

}  // namespace stet
