#pragma once
// Linear layers as tables of C.

#include <stet/io/c/program_layer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Linear& o, WeightsWriter& w) {
  const integer::Bounds b = w.layer(o, "STET_FULLY_CONNECTED");
  w.params("cmsis_nn_fc_params",
           formatted("{}, 0, {}, {}", -w.site().in().codes.zero_point, w.site().out().codes.zero_point, bounds(b)));
}

// A convolution by a kernel of one pixel, whose pixels are the rows.
inline void program(const graph::op::Linear& o, ProgramWriter& w) {
  std::string l;
  const std::string kernel = layer(o, w, "convolve", l);
  const std::int64_t inputs = w.site().in().shape.back(), rows = w.site().in().shape.elements() / inputs;
  const Window v{{1, 1, 1, 1, 1, 0}, {rows, rows, 1, 1, 1, 0}};
  const std::string p = window_of(w, v, inputs, w.site().out().shape.back());
  w.scratch(cmsis_scratch_of_convolution(inputs));
  w.checked(formatted("stet_{}({}, {}, 1, {}, {})", kernel, p, l, w.in(), w.out()));
}

}  // namespace stet::c
