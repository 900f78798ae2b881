#pragma once
// Convolutions on codes, on the tape.

#include <stet/graph/match.hpp>
#include <stet/qat/convolution.hpp>

namespace stet::detail {

inline Product product_of(const graph::op::Conv2D& o) {
  return conv2d_product({.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups});
}
inline Product product_of(const graph::op::DepthwiseConv2D& o) {
  return depthwise_product({.stride = o.stride, .padding = o.padding, .dilation = o.dilation});
}

}  // namespace stet::detail
