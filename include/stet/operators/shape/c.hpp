#pragma once
// Operators that move codes as tables of C.

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

}  // namespace stet::c
