#pragma once
// Clipping as a table of C.

#include <stet/operators/activation/c.hpp>

namespace stet::c {

inline void write(const graph::op::Clip& o, WeightsWriter& w) { clamp(w.site().resolve(o).bounds, w); }
inline void program(const graph::op::Clip& o, ProgramWriter& w) { clamp(w.site().resolve(o).bounds, w); }

}  // namespace stet::c
