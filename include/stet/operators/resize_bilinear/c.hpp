#pragma once
// Bilinear interpolation as a table of C.

#include <stet/io/c/program_writer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::ResizeBilinear& o, WeightsWriter& w) {
  const Shape& x = w.site().in().shape;
  const integer::FixedSteps rows(x[0], o.height, o.coordinates), columns(x[1], o.width, o.coordinates);
  w.row.op = "STET_RESIZE_BILINEAR";
  w.params("stet_resize_bilinear_params", formatted("{}, {}, {}, {}", rows.step, rows.first, columns.step, columns.first));
}

inline void program(const graph::op::ResizeBilinear& o, ProgramWriter& w) {
  const integer::ResizeParameters p = w.site().resolve(o);
  const auto table = [&](const char* what, const std::vector<integer::FixedPosition>& positions) {
    std::vector<std::string> rows;
    for (const integer::FixedPosition& at : positions) rows.push_back(formatted("{{{}, {}, {}}}", at.lo, at.hi, at.weight));
    return w.array("stet_position", what, rows, 12);
  };
  w.use("resize");
  const std::string rows = table("rows", p.rows), columns = table("columns", p.columns);
  w.statement(formatted("stet_resize({}, {}, {}, {}, {}, {}, {}, {}, {});", p.rows.size(), p.columns.size(), w.site().in().shape[1],
                        w.site().in().shape[2], integer::weight_bits(p.rule), rows, columns, w.in(), w.out()));
}

}  // namespace stet::c
