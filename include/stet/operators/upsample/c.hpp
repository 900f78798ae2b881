#pragma once
// Upsampling as a table of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Upsample&, WeightsWriter& w) { w.row.op = "STET_UPSAMPLE"; }

inline void program(const graph::op::Upsample& o, ProgramWriter& w) {
  const Shape &x = w.site().in().shape, &y = w.site().out().shape;
  const std::vector<std::int64_t> from = steps_of(x), to = steps_of(y);
  copied(w, w.in(), w.out(),
         {{x[0], {from[0], o.factor.height * to[0]}}, {o.factor.height, {0, to[0]}}, {x[1], {from[1], o.factor.width * to[1]}},
          {o.factor.width, {0, to[1]}}, {x[2], {1, 1}}});
}

}  // namespace stet::c
