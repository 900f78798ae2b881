#pragma once
// Operators that move values without changing them.

#include <stet/operators/reduction/graph.hpp>

namespace stet::graph::op {

/// Values side by side along one dimension, which counts without the batch.
struct Concat {
  static constexpr std::string_view name = "concat";
  static constexpr auto form = IntegerForm::moves;
  int axis = 0;
};

/// Zeros around an image. Shapes:    [H,W,C] -> [H+top+bottom,W+left+right,C]
struct Pad {
  static constexpr std::string_view name = "pad";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  int top = 0, bottom = 0, left = 0, right = 0;
};

/// The same elements under another shape (without the batch).
struct Reshape {
  static constexpr std::string_view name = "reshape";
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  Shape shape;
};

/// All elements of a sample in one dimension.
struct Flatten {
  static constexpr std::string_view name = "flatten";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::none;
};

/// Dimensions in another order. Shapes:    output dimension i is input dimension axes[i], without the batch
struct Transpose {
  static constexpr std::string_view name = "transpose";
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  std::vector<int> axes;
};

inline std::string attributes(const Concat& o) { return formatted("axis {}", o.axis); }
inline std::string attributes(const Pad& o) { return formatted("{},{},{},{}", o.top, o.bottom, o.left, o.right); }
inline std::string attributes(const Reshape&) { return ""; }
inline std::string attributes(const Transpose& o) { return "axes " + str(o.axes); }

inline Shape infer(const Concat& o, Shapes in) {
  require(!in.empty(), Errc::shape, "concat: wants at least one input");
  require(o.axis >= 0 && o.axis < in[0].rank(), Errc::range,
          "concat: axis {} does not exist in {} (without the batch)", o.axis, in[0]);
  std::int64_t total = 0;
  for (const Shape& x : in) {
    require(x.rank() == in[0].rank() && x.with(o.axis, 0) == in[0].with(o.axis, 0), Errc::shape,
            "concat: shapes must agree except along axis {}; got {} and {}", o.axis, in[0], x);
    total += x[o.axis];
  }
  return in[0].with(o.axis, total);
}
inline Shape infer(const Pad& o, Shapes in) {
  const Shape& x = expect_image("pad", in);
  require(o.top >= 0 && o.bottom >= 0 && o.left >= 0 && o.right >= 0, Errc::range,
          "pad: {},{},{},{} must not be negative", o.top, o.bottom, o.left, o.right);
  return {x[0] + o.top + o.bottom, x[1] + o.left + o.right, x[2]};
}
inline Shape infer(const Reshape& o, Shapes in) {
  expect_inputs("reshape", 1, in);
  require(o.shape.elements() == in[0].elements(), Errc::shape, "reshape: {} has {} elements, {} has {}", in[0],
          in[0].elements(), o.shape, o.shape.elements());
  return o.shape;
}
inline Shape infer(const Flatten&, Shapes in) {
  expect_inputs("flatten", 1, in);
  return {in[0].elements()};
}
inline Shape infer(const Transpose& o, Shapes in) {
  expect_inputs("transpose", 1, in);
  const Shape& x = in[0];
  Shape out = x;
  unsigned seen = 0;
  bool fits = static_cast<int>(o.axes.size()) == x.rank();
  for (int i = 0; fits && i < x.rank(); ++i) {
    const int axis = o.axes[static_cast<std::size_t>(i)];
    fits = axis >= 0 && axis < x.rank() && (seen >> axis & 1u) == 0;
    if (!fits) break;
    seen |= 1u << axis;
    out = out.with(i, x[axis]);
  }
  if (!fits) {
    fail(Errc::range, "transpose: axes {} must name each dimension of {} once (without the batch)", str(o.axes), x);
  }
  return out;
}
/// The operator that integers know in its place.
inline std::optional<Reshape> as_integer(const Flatten&, Shapes, const Shape& out) { return Reshape{out}; }
inline Obstacle no_integer_form(const Flatten&) { return {.what = "a flatten among integers", .remedy = "use reshape"}; }

}  // namespace stet::graph::op
