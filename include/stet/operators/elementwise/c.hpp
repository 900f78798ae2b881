#pragma once
// Sums, differences and products as tables of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

#include <string>

namespace stet::c {

// What CMSIS-NN has no function for has a name of its own, so that nobody takes it for what it has.
inline std::string maybe_broadcast(const char* name, const WeightsWriter& w) {
  const NodeSite& s = w.site();
  return std::string(name) + (s.in(0).shape == s.in(1).shape ? "" : "_BROADCAST");
}
inline void sum(const char* name, const integer::AddParameters& p, WeightsWriter& w) {
  w.row.op = maybe_broadcast(name, w);
  w.params("stet_add_params", formatted("{}, {}, {}, {}, {}, {}, 20, {}, {}, {}, {}, {}", -p.z1, p.m1.multiplier, p.m1.shift,
                                        -p.z2, p.m2.multiplier, p.m2.shift, p.z_out, p.m_out.multiplier, p.m_out.shift,
                                        p.bounds.lo, p.bounds.hi));
}
inline void write(const graph::op::Add& o, WeightsWriter& w) { sum("STET_ADD", w.site().resolve(o), w); }
inline void write(const graph::op::Sub& o, WeightsWriter& w) { sum("STET_SUB", w.site().resolve(o), w); }
inline void write(const graph::op::Mul& o, WeightsWriter& w) {
  const integer::MultiplyParameters p = w.site().resolve(o);
  w.row.op = maybe_broadcast("STET_MUL", w);
  w.params("stet_mul_params", formatted("{}, {}, {}, {}, {}, {}, {}", -p.z1, -p.z2, p.z_out, p.m.multiplier, p.m.shift,
                                        p.bounds.lo, p.bounds.hi));
}

inline void program_of_sum(const integer::AddParameters& p, ProgramWriter& w) {
  const bool once = p.rule == integer::AddRule::xnnpack;
  w.use(once ? "add_once" : "add");
  const std::string bounds_of = formatted("{}, {}", p.bounds.lo, p.bounds.hi);
  const std::string params =
      once ? w.parameters("stet_sum_once", "sum", formatted("{}, {}, {}, {}, {}, {}", p.f1, p.f2, p.constant, p.shift, p.z_out, bounds_of), 7 * 4)
           : w.parameters("stet_sum", "sum",
                          formatted("{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}", p.z1, p.m1.multiplier, p.m1.shift, p.z2, p.m2.multiplier,
                                    p.m2.shift, p.subtract ? -1 : 1, p.z_out, p.m_out.multiplier, p.m_out.shift, bounds_of),
                          12 * 4);
  pairs(w, formatted("stet_{}({}, ", once ? "add_once" : "add", params));
}
inline void program(const graph::op::Add& o, ProgramWriter& w) { program_of_sum(w.site().resolve(o), w); }
inline void program(const graph::op::Sub& o, ProgramWriter& w) { program_of_sum(w.site().resolve(o), w); }
inline void program(const graph::op::Mul& o, ProgramWriter& w) {
  const integer::MultiplyParameters p = w.site().resolve(o);
  const bool in_float = p.rule == integer::MultiplyRule::xnnpack;
  w.use(in_float ? "multiply_float" : "multiply");
  const std::string ends = formatted("{}, {}", p.bounds.lo, p.bounds.hi);
  const std::string params =
      in_float ? w.parameters("stet_product_float", "product", formatted("{}, {}, {}, {}, {}", p.z1, p.z2, p.z_out, real(p.scale), ends), 6 * 4)
               : w.parameters("stet_product", "product",
                              formatted("{}, {}, {}, {}, {}, {}", p.z1, p.z2, p.z_out, p.m.multiplier, p.m.shift, ends), 7 * 4);
  pairs(w, formatted("stet_{}({}, ", in_float ? "multiply_float" : "multiply", params));
}

}  // namespace stet::c
