#pragma once
// Linear layers and matrix products: plain functions on tensors, and the operators on the tape.

#include <stet/autograd/tape.hpp>
#include <stet/core/gemm.hpp>
#include <stet/core/parallel.hpp>
#include <stet/ops/record_layer.hpp>
#include <stet/ops/scale_shift.hpp>

#include <cstdint>
#include <type_traits>

namespace stet {

/// Checks the shapes of a linear layer.
/// Errors:    Errc::shape if ranks, sizes or bias do not fit
inline void check_linear(const Shape& x, const Shape& w, const Shape* bias) {
  require(x.rank() == 2, Errc::shape, "linear: input must be [N,in], got {} (flatten it first)", x);
  require(w.rank() == 2, Errc::shape, "linear: weight must be [out,in], got {}", w);
  require(x[1] == w[1], Errc::shape, "linear: weight expects {} inputs, input has {} (input {}, weight {})", w[1], x[1],
          x, w);
  require(bias == nullptr || *bias == Shape{w[0]}, Errc::shape, "linear: bias must be [{}], got {}", w[0],
          bias == nullptr ? Shape{} : *bias);
}

/// The weights of a linear layer in the order of the product kernel, for linear_packed.
/// Shapes:    w [out,in]
template <class T>
Tensor<T> pack_linear(const Tensor<T>& w) {
  return GemmRight<T>::pack(Layout::transposed, w.shape()[1], w.shape()[0], w.data(), w.shape()[1]);
}

/// linear_forward with weights that pack_linear packed, and `tail` applied to its results.
template <class T>
Tensor<T> linear_packed(const Tensor<T>& x, const Tensor<T>& packed, std::int64_t outputs, const Tensor<T>* bias,
                        const ScaleShift<T>& tail = ScaleShift<T>()) {
  const std::int64_t rows = x.shape()[0], inputs = x.shape()[1];
  Tensor<T> result(Shape{rows, outputs});
  T* y = result.edit().data();
  const GemmRight<T> right(inputs, outputs, packed);
  parallel_blocks(rows, product_block, inputs * outputs, [&](Chunk chunk) {
    T* to = y + chunk.first * outputs;
    right.product(chunk.size(), x.data() + chunk.first * inputs, inputs, to, outputs, bias == nullptr ? nullptr : bias->data());
    tail.apply(to, chunk.size() * outputs);
  });
  return result;
}

/// Applies a linear layer.
/// Formula:   y[n,o] = b[o] + sum over i of x[n,i] * w[o,i]
/// Shapes:    x [N,in], w [out,in], bias [out] or null -> y [N,out]
template <class T>
Tensor<T> linear_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias) {
  return linear_packed(x, pack_linear(w), w.shape()[0], bias);
}

/// Gradient of a linear layer with respect to its input.
/// Shapes:    dy [N,out], w [out,in] -> dx [N,in]
template <class T>
Tensor<T> linear_backward_input(const Tensor<T>& dy, const Tensor<T>& w) {
  const std::int64_t rows = dy.shape()[0], outputs = dy.shape()[1], inputs = w.shape()[1];
  Tensor<T> result(Shape{rows, inputs});
  T* dx = result.edit().data();
  const GemmRight<T> right(Layout::plain, outputs, inputs, w.data(), inputs);
  parallel_blocks(rows, product_block, inputs * outputs, [&](Chunk chunk) {
    right.product(chunk.size(), dy.data() + chunk.first * outputs, outputs, dx + chunk.first * inputs, inputs, nullptr);
  });
  return result;
}

/// Gradient of a linear layer with respect to its weights. The input may consist of 8-bit codes: then its values are
/// code - zero_point, converted tile by tile in the cache (multiply the result by the scale).
/// Shapes:    x [N,in], dy [N,out] -> dw [out,in]
template <class T, class X>
Tensor<T> linear_backward_weight(const Tensor<X>& x, const Tensor<T>& dy, std::int32_t zero_point = 0) {
  const std::int64_t rows = x.shape()[0], inputs = x.shape()[1], outputs = dy.shape()[1];
  Tensor<T> result(Shape{outputs, inputs});
  T* dw = result.edit().data();
  const std::int64_t panels = (inputs + panel_width<T> - 1) / panel_width<T>;
  // Columns of dw are cut into panels; the rows of x go through the cache a few hundred at a time.
  constexpr std::int64_t block = 256;
  parallel_chunks(panels, panel_width<T> * rows * outputs, [&](Chunk chunk) {
    Tensor<T> memory(Shape{std::min(block, rows) * panel_width<T>});
    T* panel = memory.edit().data();
    const std::int64_t start = 0;
    for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
      const std::int64_t column = p * panel_width<T>;
      const std::int64_t columns = std::min(panel_width<T>, inputs - column);
      if (rows == 0) {
        for (std::int64_t o = 0; o < outputs; ++o) std::fill_n(dw + o * inputs + column, columns, T{0});
      }
      for (std::int64_t first = 0; first < rows; first += block) {
        const std::int64_t count = std::min(block, rows - first);
        const X* from = x.data() + first * inputs + column;
        pack_panels(
            count, columns,
            [=](std::int64_t r, std::int64_t c) {
              if constexpr (std::is_same_v<T, X>) {
                return from[r * inputs + c];
              } else {
                return static_cast<T>(static_cast<std::int32_t>(from[r * inputs + c]) - zero_point);
              }
            },
            panel);
        const T* left = dy.data() + first * outputs;
        T* to = dw + column;
        product<T>(
            outputs, columns, [&](std::int64_t o) { return left + o; }, Depth{&start, 1, count, outputs},
            Panels<T>{panel, 0}, to, inputs, Start<T>{first == 0 ? nullptr : to, inputs});
      }
    }
  });
  return result;
}

namespace detail {

template <class T>
Var<Tensor<T>> record_linear(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>* b) {
  check_linear(x.shape(), w.shape(), b == nullptr ? nullptr : &b->shape());
  Tensor<T> y = linear_forward(x.value(), w.value(), b == nullptr ? nullptr : &b->value());
  auto pull = [x = x.value(), w = w.value()](const Tensor<T>& dy, const auto& dx, const auto& dw) {
    if (dx.wanted()) dx.add(linear_backward_input(dy, w));
    if (dw.wanted()) dw.add(linear_backward_weight(x, dy));
  };
  return record_layer(std::move(y), x, w, b, std::move(pull));
}

}  // namespace detail

/// Linear layer on the tape, without bias.
/// Formula:   y = x w^T
/// Shapes:    x [N,in], w [out,in] -> y [N,out]
/// Gradient:  dx = dy w; dw = dy^T x
/// Errors:    as check_linear
template <class T>
Var<Tensor<T>> linear(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w) {
  return detail::record_linear<T>(x, w, nullptr);
}

/// Linear layer on the tape, with bias.
/// Formula:   y = x w^T + b
/// Shapes:    x [N,in], w [out,in], b [out] -> y [N,out]
/// Gradient:  as without bias; db = sum over rows of dy
template <class T>
Var<Tensor<T>> linear(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& b) {
  return detail::record_linear(x, w, &b);
}

/// Matrix product on the tape.
/// Formula:   y = a b
/// Shapes:    a [M,K], b [K,N] -> y [M,N]
/// Gradient:  da = dy b^T; db = a^T dy
/// Errors:    Errc::shape if ranks or inner sizes do not fit
template <class T>
Var<Tensor<T>> matmul(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  require(a.shape().rank() == 2 && b.shape().rank() == 2, Errc::shape,
          "matmul: operands must be matrices, got {} and {}", a.shape(), b.shape());
  require(a.shape()[1] == b.shape()[0], Errc::shape, "matmul: inner sizes differ, {} times {}", a.shape(), b.shape());
  const std::int64_t rows = a.shape()[0], inner = a.shape()[1], columns = b.shape()[1];

  Tensor<T> y(Shape{rows, columns});
  T* out = y.edit().data();
  const GemmRight<T> right(Layout::plain, inner, columns, b.value().data(), columns);
  parallel_blocks(rows, product_block, inner * columns, [&](Chunk chunk) {
    right.product(chunk.size(), a.value().data() + chunk.first * inner, inner, out + chunk.first * columns, columns,
                  nullptr);
  });

  return record(std::move(y), std::tie(a, b), [a = a.value(), b = b.value()](const Tensor<T>& dy, auto da, auto db) {
    if (da.wanted()) da.add(linear_forward<T>(dy, b, nullptr));
    if (db.wanted()) db.add(linear_backward_weight(dy, a));
  });
}

}  // namespace stet
