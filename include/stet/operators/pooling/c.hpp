#pragma once
// Pooling as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void pool(const char* name, const Window& window, WeightsWriter& w) {
  const Grid& grid = w.site().out().codes.grid;
  w.row.op = name;
  w.row.filter = dims(1, window.h.kernel, window.w.kernel, 1);
  w.params("cmsis_nn_pool_params", pair(window.w.stride, window.h.stride) + ", " + pair(window.w.before, window.h.before) +
                                       ", " + bounds({grid.lo, grid.hi}));
}
inline void write(const graph::op::MaxPool& o, WeightsWriter& w) { pool("STET_MAX_POOL", window(o, w.site().in().shape), w); }
inline void write(const graph::op::AveragePool& o, WeightsWriter& w) {
  pool("STET_AVERAGE_POOL", window(o, w.site().in().shape), w);
}
inline void write(const graph::op::GlobalAveragePool& o, WeightsWriter& w) {
  const integer::MeanParameters p = w.site().resolve(o);
  w.row.op = "STET_MEAN";
  w.params("stet_mean_params", formatted("{}, {}, {}", w.offsets(), p.m.multiplier, p.m.shift));
}

}  // namespace stet::c
