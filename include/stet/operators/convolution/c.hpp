#pragma once
// Convolutions as tables of C.

#include <stet/io/c/program_layer.hpp>
#include <stet/io/c/weights_writer.hpp>

#include <string>

namespace stet::c {

inline std::string tiles(const Window& w) {
  return pair(w.w.stride, w.h.stride) + ", " + pair(w.w.before, w.h.before) + ", " + pair(w.w.dilation, w.h.dilation);
}
inline void write(const graph::op::Conv2D& o, WeightsWriter& w) {
  const integer::Bounds b = w.layer(o, "STET_CONV");
  w.params("cmsis_nn_conv_params", w.offsets() + ", " + tiles(window(o, w.site().in().shape)) + ", " + bounds(b));
}
inline void write(const graph::op::DepthwiseConv2D& o, WeightsWriter& w) {
  const integer::Bounds b = w.layer(o, "STET_DEPTHWISE_CONV");
  w.params("cmsis_nn_dw_conv_params",
           formatted("{}, {}, {}, {}", w.offsets(), o.multiplier, tiles(window(o, w.site().in().shape)), bounds(b)));
}

inline void program(const graph::op::Conv2D& o, ProgramWriter& w) {
  std::string l;
  const std::string kernel = layer(o, w, "convolve", l);
  const Shape &x = w.site().in().shape, &y = w.site().out().shape;
  const std::string p = window_of(w, window(o, x), x[2], y[2]);
  w.scratch(cmsis_scratch_of_convolution(std::int64_t{o.kernel.height} * o.kernel.width * x[2]));
  w.checked(formatted("stet_{}({}, {}, {}, {}, {})", kernel, p, l, o.groups, w.in(), w.out()));
}
inline void program(const graph::op::DepthwiseConv2D& o, ProgramWriter& w) {
  std::string l;
  const std::string kernel = layer(o, w, "depthwise", l);
  const Shape &x = w.site().in().shape, &y = w.site().out().shape;
  const std::string p = window_of(w, window(o, x), x[2], y[2]);
  w.scratch(cmsis_scratch_of_depthwise(std::int64_t{o.kernel.height} * o.kernel.width, x[2]));
  w.checked(formatted("stet_{}({}, {}, {}, {})", kernel, p, l, w.in(), w.out()));
}

}  // namespace stet::c
