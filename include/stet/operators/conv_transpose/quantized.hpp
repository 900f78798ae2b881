#pragma once
// The transposed convolution on codes, on the tape.

#include <stet/graph/match.hpp>
#include <stet/integer/conv_transpose.hpp>
#include <stet/ops/conv_transpose.hpp>
#include <stet/qat/product.hpp>

#include <memory>

namespace stet::detail {

class ConvTransposeProduct final : public ProductRule {
 public:
  explicit ConvTransposeProduct(const ConvTransposeOptions& options) : options_(options) {}

  [[nodiscard]] int channel_axis() const override { return graph::op::ConvTranspose::channel_axis; }
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const override {
    const Window v = window(x, w);
    return {x[0], v.h.in, v.w.in, w[0]};
  }
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const override {
    const integer::ConvTransposeWeights packed(w);
    integer::conv_transpose(x.codes, x.params.zero_point[0], packed, window(x.shape(), w.shape()), sink);
  }
  [[nodiscard]] Tensor<float> backward_input(const Tensor<float>& dy, const Tensor<float>& w, const Shape& x) const override {
    return conv_transpose_backward_input(dy, w, window(x, w.shape()));
  }
  [[nodiscard]] Tensor<float> backward_weight(const QTensor& x, const Tensor<float>& dy, const Shape& w) const override {
    Tensor<float> steps(x.shape());
    float* to = steps.edit().data();
    lanes(x.codes.size(), [to, from = x.codes.data(), z = x.params.zero_point[0]](std::int64_t i) {
      to[i] = static_cast<float>(static_cast<std::int32_t>(from[i]) - z);
    });
    return conv_transpose_backward_weight(steps, dy, window(x.shape(), w));
  }

 private:
  [[nodiscard]] Window window(const Shape& x, const Shape& w) const {
    return conv_transpose_window(x, w, nullptr, options_);
  }

  ConvTransposeOptions options_;
};

inline Product product_of(const graph::op::ConvTranspose& o) {
  const ConvTransposeOptions options{.stride = o.stride, .padding = o.padding};
  return Product(std::make_shared<ConvTransposeProduct>(options));
}

}  // namespace stet::detail
