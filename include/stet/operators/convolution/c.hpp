#pragma once
// Convolutions as tables of C.

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

}  // namespace stet::c
