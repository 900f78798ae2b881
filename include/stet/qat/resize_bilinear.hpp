#pragma once
// Bilinear interpolation of codes, with its gradient.

#include <stet/autograd/tape.hpp>
#include <stet/integer/resize_bilinear.hpp>
#include <stet/ops/resize_bilinear.hpp>
#include <stet/qat/qvar.hpp>

#include <cstdint>
#include <utility>

namespace stet {

/// Codes of images interpolated.
/// Shapes:    x [N,H,W,C] -> codes [N,rows,columns,C]
/// Rounding:  as the target, see integer::resize_bilinear
/// Gradient:  the transposed interpolation with the exact weights; straight-through both roundings (STE)
inline Var<QTensor> resize_bilinear(const Var<QTensor>& x, const integer::ResizeParameters& p, Interpolation exact) {
  const Shape shape{x.shape()[0], static_cast<std::int64_t>(p.rows.size()), static_cast<std::int64_t>(p.columns.size()), x.shape()[3]};
  QTensor y{Tensor<std::int8_t>(shape), x.value().params};
  integer::resize_bilinear(x.value().codes, p, y.codes.edit());
  return record(std::move(y), std::tie(x), [exact = std::move(exact), input = x.shape()](const Tensor<float>& dy, const auto& dx) {
    dx.add(resize_bilinear_backward(dy, exact, input));
  });
}

}  // namespace stet
