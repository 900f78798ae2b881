#pragma once
// The transposed convolution as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::ConvTranspose& o, WeightsWriter& w) {
  const integer::Bounds b = w.layer(o, "STET_TRANSPOSE_CONV");
  const Window v = window(o, w.site().in().shape);
  // How much more of the result is cut off behind than before.
  const auto more = [](const WindowAxis& a) { return std::max<std::int64_t>((a.out - 1) * a.stride + a.kernel - a.in, 0) - 2 * a.before; };
  w.params("cmsis_nn_transpose_conv_params",
           w.offsets() + ", " + pair(v.w.stride, v.h.stride) + ", " + pair(v.w.before, v.h.before) + ", " + pair(more(v.w), more(v.h)) +
               ", " + pair(1, 1) + ", " + bounds(b));
}

}  // namespace stet::c
