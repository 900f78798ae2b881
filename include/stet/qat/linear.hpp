#pragma once
// Linear layers on codes, with the gradients of training.

#include <stet/integer/convolution.hpp>
#include <stet/ops/linear.hpp>
#include <stet/qat/product.hpp>

#include <cstdint>
#include <memory>

namespace stet {

namespace detail {

class LinearProduct final : public ProductRule {
 public:
  [[nodiscard]] int channel_axis() const override { return 0; }
  [[nodiscard]] Shape output_shape(const Shape& x, const Shape& w) const override {
    require(x.rank() >= 2 && w.rank() == 2 && x.back() == w[1], Errc::shape,
            "linear: input {} does not fit weights {} ([out,in])", x, w);
    return x.with(x.rank() - 1, w[0]);
  }
  void accumulate(const QTensor& x, const Tensor<std::int8_t>& w, integer::AccumulatorSink sink) const override {
    integer::linear(x.codes, x.params.zero_point[0], integer::ConvolutionWeights(w), sink);
  }
  [[nodiscard]] Tensor<float> backward_input(const Tensor<float>& dy, const Tensor<float>& w, const Shape& x) const override {
    return linear_backward_input(rows(dy), w).reshaped(x);
  }
  [[nodiscard]] Tensor<float> backward_weight(const QTensor& x, const Tensor<float>& dy, const Shape&) const override {
    return linear_backward_weight(rows(x.codes), rows(dy), x.params.zero_point[0]);
  }

 private:
  template <class T>
  static Tensor<T> rows(const Tensor<T>& x) {
    return x.reshaped({x.shape().product(0, x.shape().rank() - 1), x.shape().back()});
  }
};

}  // namespace detail

/// Products of codes [N,..,in] with weights [out,in].
inline Product linear_product() { return Product(std::make_shared<detail::LinearProduct>()); }

}  // namespace stet
