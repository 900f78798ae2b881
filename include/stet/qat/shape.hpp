#pragma once
// Operators that move codes: reshape, concat, pad, transpose, upsample, slice, dropout.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/core/random.hpp>
#include <stet/ops/map.hpp>
#include <stet/ops/shape.hpp>
#include <stet/ops/upsample.hpp>
#include <stet/qat/elementwise.hpp>
#include <stet/qat/qvar.hpp>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace stet {

/// The same codes under another shape.
inline Var<QTensor> reshape(const Var<QTensor>& x, const Shape& shape) {
  return record(QTensor{x.value().codes.reshaped(shape), x.value().params}, std::tie(x),
                [input = x.shape()](const Tensor<float>& dy, const auto& dx) { dx.add(dy.reshaped(input)); });
}

/// Codes of one scale and zero point side by side along `axis` (which counts the batch).
/// Errors:    Errc::state if the parts have different quantization parameters; Errc::shape as concat_forward
inline Var<QTensor> concat(const Var<QTensor>& a, const Var<QTensor>& b, int axis) {
  require(a.value().params == b.value().params, Errc::state, "concat: parts must share scale and zero point");
  const std::array<Tensor<std::int8_t>, 2> parts{a.value().codes, b.value().codes};
  return record(QTensor{concat_forward<std::int8_t>(parts, axis), a.value().params}, std::tie(a, b),
                [axis, sa = a.shape(), sb = b.shape()](const Tensor<float>& dy, const auto& da, const auto& db) {
                  if (da.wanted()) da.add(concat_backward(dy, axis, 0, sa));
                  if (db.wanted()) db.add(concat_backward(dy, axis, sa[axis], sb));
                });
}

/// Codes surrounded by the zero point, which stands for real 0.
inline Var<QTensor> pad(const Var<QTensor>& x, std::vector<Margin> margins) {
  const auto zero = static_cast<std::int8_t>(x.value().params.zero_point[0]);
  QTensor y{pad_forward<std::int8_t>(x.value().codes, margins, zero), x.value().params};
  return record(std::move(y), std::tie(x),
                [margins = std::move(margins), input = x.shape()](const Tensor<float>& dy, const auto& dx) {
                  dx.add(pad_backward<float>(dy, margins, input));
                });
}

/// Codes with their dimensions reordered (the order counts the batch).
inline Var<QTensor> transpose(const Var<QTensor>& x, std::vector<int> order) {
  std::vector<int> inverse(order.size());
  QTensor y{transpose_forward<std::int8_t>(x.value().codes, order), x.value().params};
  for (std::size_t i = 0; i < order.size(); ++i) inverse[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  return record(std::move(y), std::tie(x), [inverse = std::move(inverse)](const Tensor<float>& dy, const auto& dx) {
    dx.add(transpose_forward<float>(dy, inverse));
  });
}

/// Codes repeated by whole factors of height and width.
inline Var<QTensor> upsample(const Var<QTensor>& x, Pair factor) {
  return record(QTensor{upsample_forward(x.value().codes, factor), x.value().params}, std::tie(x),
                [factor, input = x.shape()](const Tensor<float>& dy, const auto& dx) { dx.add(upsample_backward(dy, factor, input)); });
}

/// Some codes of an axis (which counts the batch).
inline Var<QTensor> slice(const Var<QTensor>& x, int axis, const Progression& part) {
  return record(
      QTensor{slice_forward(x.value().codes, axis, part), x.value().params}, std::tie(x),
      [axis, part, input = x.shape()](const Tensor<float>& dy, const auto& dx) { dx.add(slice_backward(dy, axis, part, input)); });
}

/// Dropout on codes in training: dropped elements become the zero point, and the scale grows by 1/(1-rate), so that
/// the mean of the real values stays.
/// Gradient:  dx = dy/(1-rate) where the element was kept, else 0
/// Errors:    Errc::range if the rate is not in [0, 1)
inline Var<QTensor> dropout(const Var<QTensor>& x, double rate, Rng& rng) {
  require(rate >= 0.0 && rate < 1.0, Errc::range, "dropout: rate {} must be in [0, 1)", rate);
  if (rate == 0.0) return x;
  QTensor y = x.value();
  const auto zero = static_cast<std::int8_t>(y.params.zero_point[0]);
  const auto grow = static_cast<float>(1.0 / (1.0 - rate));
  y.params.scale[0] *= grow;
  Tensor<std::uint32_t> kept = Tensor<std::uint32_t>::zeros(Shape{bit_words(y.codes.size())});
  const auto codes = y.codes.edit();
  const auto bits = kept.edit();
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (rng.uniform() < rate) {
      codes[i] = zero;
    } else {
      bits[i / 32] |= 1u << (i % 32);
    }
  }
  return record(std::move(y), std::tie(x), [kept, grow](const Tensor<float>& dy, const auto& dx) {
    dx.add(detail::map(detail::kept(dy, kept), [grow](float g) { return grow * g; }));
  });
}

}  // namespace stet
