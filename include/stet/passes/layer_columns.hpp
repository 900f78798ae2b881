#pragma once
// LayerColumns: a layer with weights as products of matrices, for passes that look for better codes of its weights.

#include <stet/core/im2col.hpp>
#include <stet/core/lanes.hpp>
#include <stet/graph/match.hpp>
#include <stet/quant/qtensor.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace stet::detail {

// Where the weights of a layer lie that are multiplied with the same columns: output o of group g is the sum over d of
// weight offset(g, o, d) times column d.
struct LayerMatrix {
  std::int64_t groups = 1, outputs = 1, depth = 1;  // outputs and depth of one group
  std::int64_t output_step = 1, depth_step = 1;     // in elements of the weights

  [[nodiscard]] std::int64_t channel(std::int64_t g, std::int64_t o) const { return g * outputs + o; }
  [[nodiscard]] std::int64_t offset(std::int64_t g, std::int64_t o, std::int64_t d) const {
    return channel(g, o) * output_step + d * depth_step;
  }
};

// Matrix and columns of an operator for an input x [N,...]; one overload per layer.
struct ColumnPlan {
  LayerMatrix matrix;
  ColumnGeometry columns;
  bool transposed = false;
};

inline ColumnPlan column_plan(const graph::op::Conv2D& o, const Shape& x, const Shape& w) {
  const std::int64_t outputs = w[0] / o.groups, depth = w.product(1, 4);
  return {{o.groups, outputs, depth, depth, 1}, {window(o, x.unbatched()), x[0], x[3], 0, w[3]}};
}
inline ColumnPlan column_plan(const graph::op::DepthwiseConv2D& o, const Shape& x, const Shape& w) {
  return {{x[3], w[3] / x[3], w[1] * w[2], 1, w[3]}, {window(o, x.unbatched()), x[0], x[3], 0, 1}};
}
inline ColumnPlan column_plan(const graph::op::Linear&, const Shape& x, const Shape& w) {
  const WindowAxis one{1, 1, 1, 1, 1, 0};
  return {{1, w[0], w[1], w[1], 1}, {{one, one}, x.elements() / w[1], w[1], 0, w[1]}};
}
inline ColumnPlan column_plan(const graph::op::ConvTranspose& o, const Shape& x, const Shape& w) {
  const std::int64_t depth = w.product(1, 4);
  return {{1, w[0], depth, depth, 1}, {window(o, x.unbatched()), x[0], x[3], 0, x[3]}, true};
}

// Columns of the input codes of one batch: a row per output pixel, as real values in steps of the input.
class LayerColumns {
 public:
  LayerColumns(const graph::Operator& op, const Shape& x, const Shape& w)
      : plan_(graph::match(op, [&](const auto& o) -> ColumnPlan {
          if constexpr (std::decay_t<decltype(o)>::form == graph::IntegerForm::layer) {
            return column_plan(o, x, w);
          } else {
            fail(Errc::unsupported, "{} has no weights", graph::op::kind(o));
          }
        })) {}

  [[nodiscard]] const LayerMatrix& matrix() const { return plan_.matrix; }
  [[nodiscard]] std::int64_t rows() const {
    const Window& w = plan_.columns.window;
    return plan_.transposed ? plan_.columns.batch * w.h.in * w.w.in : plan_.columns.rows();
  }
  // Rows [first, first + count) for a group: code - zero point; 0 where a tap lies outside.
  void read(const QTensor& x, std::int64_t group, std::int64_t first, std::int64_t count, float* to) const {
    const auto zero = static_cast<std::int8_t>(x.params.zero_point[0]);
    const std::int64_t depth = matrix().depth;
    std::vector<std::int8_t> codes(static_cast<std::size_t>(count * depth), zero);
    if (plan_.transposed) {
      gather(x.codes.data(), first, count, codes.data());
    } else {
      ColumnGeometry g = plan_.columns;
      g.first_channel = group * g.group_channels;
      im2col(g, x.codes.data(), first, count, zero, codes.data(), depth);
    }
    lanes(count * depth, [to, from = codes.data(), z = static_cast<float>(zero)](std::int64_t i) {
      to[i] = static_cast<float>(from[i]) - z;
    });
  }

 private:
  // The taps of pixels of a transposed convolution's result: those input pixels that add to it.
  void gather(const std::int8_t* x, std::int64_t first, std::int64_t count, std::int8_t* to) const {
    const ColumnGeometry& g = plan_.columns;
    const auto& [h, w] = g.window;
    const auto source = [](const WindowAxis& a, std::int64_t at, std::int64_t tap) {
      const std::int64_t from = at + a.before - tap;
      return from >= 0 && from % a.stride == 0 && from / a.stride < a.out ? from / a.stride : std::int64_t{-1};
    };
    for (std::int64_t r = first; r < first + count; ++r) {
      const std::int64_t n = r / (h.in * w.in), y = r / w.in % h.in, column = r % w.in;
      for (std::int64_t ky = 0; ky < h.kernel; ++ky) {
        for (std::int64_t kx = 0; kx < w.kernel; ++kx, to += g.channels) {
          const std::int64_t iy = source(h, y, ky), ix = source(w, column, kx);
          if (iy < 0 || ix < 0) continue;
          const std::int8_t* from = x + ((n * h.out + iy) * w.out + ix) * g.channels;
          for (std::int64_t c = 0; c < g.channels; ++c) to[c] = from[c];
        }
      }
    }
  }

  ColumnPlan plan_;
};

}  // namespace stet::detail
