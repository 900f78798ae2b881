#pragma once
// Products with a matrix, from graph to tape.

#include <stet/core/gemm.hpp>
#include <stet/core/parallel.hpp>
#include <stet/model/node_context.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/shape.hpp>

namespace stet::train_op {

namespace detail {

/// One product per sample.
/// Shapes:    op(a) [N,rows,depth], op(b) [N,depth,columns] -> [N,rows,columns]; op transposes each sample
inline Tensor<float> batch_product(Layout a_layout, Layout b_layout, const Tensor<float>& a, const Tensor<float>& b) {
  const std::int64_t rows = a.shape()[a_layout == Layout::plain ? 1 : 2];
  const std::int64_t depth = a.shape()[a_layout == Layout::plain ? 2 : 1];
  const std::int64_t columns = b.shape()[b_layout == Layout::plain ? 2 : 1];
  Tensor<float> y({a.shape()[0], rows, columns});
  float* out = y.edit().data();
  parallel_chunks(a.shape()[0], rows * depth * columns, [&](Chunk samples) {
    for (std::int64_t n = samples.first; n < samples.last; ++n) {
      gemm(a_layout, b_layout, rows, columns, depth, a.data() + n * rows * depth, a.shape()[2],
           b.data() + n * depth * columns, b.shape()[2], out + n * rows * columns, columns, false);
    }
  });
  return y;
}

/// Gradient:  da = dy b^T, db = a^T dy, per sample
inline Var<Tensor<float>> matrix_products(const Var<Tensor<float>>& a, const Var<Tensor<float>>& b) {
  return record(batch_product(Layout::plain, Layout::plain, a.value(), b.value()), std::tie(a, b),
                [a = a.value(), b = b.value()](const Tensor<float>& dy, auto da, auto db) {
                  if (da.wanted()) da.add(batch_product(Layout::plain, Layout::transposed, dy, b));
                  if (db.wanted()) db.add(batch_product(Layout::transposed, Layout::plain, a, dy));
                });
}

}  // namespace detail

inline Tensor<float> prepared_weights(const graph::op::Linear&, const Tensor<float>& weight) { return pack_linear(weight); }

inline Var<Tensor<float>> forward(const graph::op::Linear& o, NodeContext& c) {
  const Shape in = c.input().shape();
  const bool flat = in.rank() == 2;
  const Var<Tensor<float>> x = flat ? c.input() : reshape(c.input(), {in.product(0, in.rank() - 1), in.back()});
  const auto apply = [&] {
    const Var<Tensor<float>> w = c.parameter("weight");
    if (const PreparedLayer* layer = c.prepared()) {
      const Tensor<float> bias = o.bias ? c.parameter("bias").value() : Tensor<float>();
      check_linear(x.shape(), w.shape(), o.bias ? &bias.shape() : nullptr);
      return c.tape().constant(linear_packed(x.value(), layer->weights, o.units, o.bias ? &bias : nullptr, layer->tail));
    }
    return o.bias ? linear(x, w, c.parameter("bias")) : linear(x, w);
  };
  const Var<Tensor<float>> y = apply();
  return flat ? y : reshape(y, in.with(in.rank() - 1, o.units));
}

inline Var<Tensor<float>> forward(const graph::op::Matmul&, NodeContext& c) {
  const Shape in = c.input(0).shape();
  const int rank = in.rank();
  if (rank > 3) {  // the dimensions in front count as samples
    const auto matrices = [rank](const Var<Tensor<float>>& x) {
      const Shape& s = x.shape();
      return reshape(x, {s.product(0, rank - 2), s[rank - 2], s[rank - 1]});
    };
    const Var<Tensor<float>> y = detail::matrix_products(matrices(c.input(0)), matrices(c.input(1)));
    return reshape(y, in.with(rank - 1, c.input(1).shape().back()));
  }
  return detail::matrix_products(c.input(0), c.input(1));
}

}  // namespace stet::train_op
