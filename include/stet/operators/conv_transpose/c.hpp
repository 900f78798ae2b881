#pragma once
// The transposed convolution as tables of C.

#include <stet/io/c/program_layer.hpp>
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

inline void program(const graph::op::ConvTranspose& o, ProgramWriter& w) {
  std::string l;
  const std::string kernel = layer(o, w, "transposed", l);
  // The window is that of the convolution which it turns back: its `in` is the size of this one's result.
  Window v = window(o, w.site().in().shape);
  std::swap(v.h.in, v.h.out);
  std::swap(v.w.in, v.w.out);
  const std::string p = window_of(w, v, w.site().in().shape[2], w.site().out().shape[2]);
  w.statement(formatted("stet_{}({}, {}, {}, {});", kernel, p, l, w.in(), w.out()));
}

}  // namespace stet::c
