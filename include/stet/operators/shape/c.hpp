#pragma once
// Operators that move codes as tables of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

#include <array>

namespace stet::c {

inline void write(const graph::op::Concat& o, WeightsWriter& w) {
  w.row.op = "STET_CONCAT";
  w.params("stet_concat_params", formatted("{}", 4 - w.site().out().shape.rank() + o.axis));
}
inline void write(const graph::op::Pad& o, WeightsWriter& w) {
  w.row.op = "STET_PAD";
  w.params("stet_pad_params",
           formatted("{}, {}, {}, {}, {}", o.top, o.bottom, o.left, o.right, w.site().in().codes.zero_point));
}
inline void write(const graph::op::Reshape&, WeightsWriter& w) { w.row.op = "STET_RESHAPE"; }
inline void write(const graph::op::Transpose& o, WeightsWriter& w) {
  const int rank = w.site().out().shape.rank(), before = 4 - rank;
  std::array<int, 4> axes{0, 1, 2, 3};
  for (int i = 0; i < rank; ++i) {
    axes[static_cast<std::size_t>(before + i)] = before + o.axes[static_cast<std::size_t>(i)];
  }
  w.row.op = "STET_TRANSPOSE";
  w.params("stet_transpose_params", formatted("{{{}, {}, {}, {}}}", axes[0], axes[1], axes[2], axes[3]));
}

inline void program(const graph::op::Concat& o, ProgramWriter& w) {
  const Shape& y = w.site().out().shape;
  std::int64_t first = 0;
  for (std::size_t k = 0; k < w.node().inputs.size(); ++k) {
    const Shape& x = w.site().in(k).shape;
    copied(w, w.in(k), formatted("{} + {}", w.out(), first * y.product(o.axis + 1, y.rank())), dimensions_of(x, steps_of(x), steps_of(y)));
    first += x[o.axis];
  }
}
inline void program(const graph::op::Pad& o, ProgramWriter& w) { padded(w, {o.top, o.left, 0}); }
inline void program(const graph::op::Reshape&, ProgramWriter& w) {
  w.statement(formatted("memcpy({}, {}, {});", w.out(), w.in(), w.elements()));
}
inline void program(const graph::op::Transpose& o, ProgramWriter& w) {
  const Shape& y = w.site().out().shape;
  const std::vector<std::int64_t> all = steps_of(w.site().in().shape);
  std::vector<std::int64_t> steps;
  for (int d = 0; d < y.rank(); ++d) steps.push_back(all[static_cast<std::size_t>(o.axes[static_cast<std::size_t>(d)])]);
  copied(w, w.in(), w.out(), dimensions_of(y, steps, steps_of(y)));
}

}  // namespace stet::c
