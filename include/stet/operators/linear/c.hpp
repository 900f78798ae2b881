#pragma once
// Linear layers as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Linear& o, WeightsWriter& w) {
  const integer::Bounds b = w.layer(o, "STET_FULLY_CONNECTED");
  w.params("cmsis_nn_fc_params",
           formatted("{}, 0, {}, {}", -w.site().in().codes.zero_point, w.site().out().codes.zero_point, bounds(b)));
}

}  // namespace stet::c
