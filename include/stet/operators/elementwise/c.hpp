#pragma once
// Sums, differences and products as tables of C.

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

}  // namespace stet::c
