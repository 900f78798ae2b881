#pragma once
// Products with a matrix in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/io/tflite/writer.hpp>

#include <numeric>
#include <utility>
#include <vector>

namespace stet::tflite {

inline void write(const op::Linear&, Writer& w) {
  w.emit(Builtin::fully_connected, w.layer(w.input(), op::Linear::channel_axis, w.linear_channels()),
         {.type = OptionsType::fully_connected,
          .fused_activation = w.node().activation,
          .keep_num_dims = w.node().out.rank() > 1,
          .asymmetric_quantize_inputs = w.kind().hybrid});
}
inline void write(const op::Matmul&, Writer& w) {
  w.emit(Builtin::batch_matmul, {w.input(0), w.input(1)}, {.type = OptionsType::batch_matmul});
}

namespace detail {

inline int linear_version(const ModelInfo& m, const OperatorInfo& o) {
  const TensorInfo& weights = m.input(o, 1);
  const bool hybrid = m.input(o, 0).type == TensorType::float32 && weights.type == TensorType::int8;
  if (hybrid && weights.quantization.scale.size() > 1) return 12;
  if (o.options.quantized_bias_type != TensorType::float32) return 11;
  if (weights.type == TensorType::int4) return 10;
  if (hybrid && o.options.asymmetric_quantize_inputs) return 9;
  if (o.inputs.size() == 2) return 6;
  return o.options.keep_num_dims ? 5 : hybrid ? 3 : 1;
}

inline void read_linear(const Site& s, Importer& in) {
  s.expect_inputs(2, 3);
  s.expect_options(OptionsType::fully_connected);
  s.require(s.options().weights_format == 0, Errc::unsupported, "weights_format is {}, must be DEFAULT (0)",
            static_cast<int>(s.options().weights_format));
  int from = in.value(s, 0);
  const Shape w = s.filter(2), x = in.shape(from);
  const bool keep = s.options().keep_num_dims, rows = x.rank() != 1;
  if (rows && !keep) {
    s.require(x.elements() == w[1], Errc::unsupported,
              "reads {} (without the batch) in rows of {}, so that one sample gives several; write a Reshape before it, "
              "or keep_num_dims",
              x, w[1]);
    from = in.add(s, op::Flatten{}, {from}, "flatten");
  }
  s.require(in.shape(from).back() == w[1], Errc::shape, "weights {} do not fit the input {} (without the batch)", w,
            in.shape(from));
  in.finish_layer(s, op::Linear{.units = static_cast<int>(w[0])}, from);
}

// The product of two values, or, if the second operand is a constant, a linear layer.
inline void read_matmul(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::batch_matmul);
  const auto turned = [&](int value, const char* kind) {
    std::vector<int> axes(static_cast<std::size_t>(in.shape(value).rank()));
    std::iota(axes.begin(), axes.end(), 0);
    std::swap(axes.back(), axes[axes.size() - 2]);
    return in.add(s, op::Transpose{axes}, {value}, kind);
  };
  int a = in.value(s, 0);
  s.require(in.shape(a).rank() >= 2, Errc::unsupported,
            "multiplies {} (without the batch); only matrices are understood", in.shape(a));
  if (s.options().adj_x) a = turned(a, "left");
  if (!in.is_constant(s.index(1))) {
    int b = in.value(s, 1);
    s.require(in.shape(b).rank() == in.shape(a).rank(), Errc::unsupported,
              "multiplies {} with {} (without the batch); only matrices as many as of the other are understood", in.shape(a), in.shape(b));
    if (s.options().adj_y) b = turned(b, "right");
    return in.finish(s, op::Matmul{}, {a, b}, Activation::none);
  }
  Tensor<float> w = in.constant(s, 1);
  const Shape shape = w.shape();
  s.require(shape.rank() >= 2 && shape.elements() == shape.product(shape.rank() - 2, shape.rank()) &&
                shape.elements() > 0,
            Errc::unsupported, "the constant {} has shape {}, must be one matrix", s.input(1).name, shape);
  const std::int64_t rows = shape[shape.rank() - 2], columns = shape.back();
  if (s.options().adj_y) {
    w = w.reshaped({rows, columns});
  } else {
    Tensor<float> transposed(Shape{columns, rows});
    const auto to = transposed.edit();
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) to[static_cast<std::size_t>(c * rows + r)] = w[r * columns + c];
    }
    w = transposed;
  }
  s.require(in.shape(a).back() == w.shape()[1], Errc::shape, "the constant {} does not fit {} (without the batch)",
            shape, in.shape(a));
  const op::Linear linear{.units = static_cast<int>(w.shape()[0])};
  in.finish_layer(s, linear, a, std::move(w), {}, Activation::none);
}

}  // namespace detail

inline constexpr Row linear_rows[] = {
    {Builtin::fully_connected, reads<detail::read_linear>, 4, 7,
     "1.5.0 - 1.14.0 1.14.0 2.0.0 2.1.0 2.3.0 - 2.3.0 2.11.0 2.15.0 2.17.0", "AddFullyConnected",
     detail::linear_version},
    {Builtin::batch_matmul, {detail::read_matmul, nullptr}, 2, 3, "2.3.0 2.3.0 2.4.0", "AddBatchMatMul"}};

}  // namespace stet::tflite
