#pragma once
// Pooling as tables of C.

#include <stet/io/c/program_layer.hpp>
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

inline void program_of_pool(const char* kernel, const Window& v, integer::Bounds b, ProgramWriter& w) {
  w.use(kernel);
  const std::int64_t channels = w.site().in().shape[2];
  const std::string p = window_of(w, v, channels, channels);
  w.statement(formatted("stet_{}({}, {}, {}, {}, {});", kernel, p, b.lo, b.hi, w.in(), w.out()));
}
inline void program(const graph::op::MaxPool& o, ProgramWriter& w) {
  program_of_pool("max_pool", window(o, w.site().in().shape), w.site().resolve(o), w);
}
inline void program(const graph::op::AveragePool& o, ProgramWriter& w) {
  program_of_pool("average_pool", window(o, w.site().in().shape), w.site().resolve(o).bounds, w);
}
inline void program(const graph::op::GlobalAveragePool& o, ProgramWriter& w) {
  const integer::MeanParameters p = w.site().resolve(o);
  const std::string of = formatted("{}, {}, {}, ", p.count, w.site().in().shape[2], w.in()),
                    ends = formatted("{}, {}, {});", p.bounds.lo, p.bounds.hi, w.out());
  switch (p.rule) {
    case integer::MeanRule::integer:
      w.use("mean");
      return w.statement(formatted("stet_mean({}{}, {}, {}, {}, {}", of, p.z_in, p.m.multiplier, p.m.shift, p.z_out, ends));
    case integer::MeanRule::float_half_even:
      w.use("mean_float");
      return w.statement(formatted("stet_mean_float({}{}, {}, {}", of, real(p.scale), real(p.offset), ends));
    case integer::MeanRule::float_centred:
      w.use("mean_centred");
      return w.statement(formatted("stet_mean_centred({}{}, {}, {}, {}", of, p.z_in, real(p.scale), p.z_out, ends));
  }
}

}  // namespace stet::c
