#pragma once
// The larger or the smaller of two codes of one scale.

#include <stet/core/broadcast.hpp>
#include <stet/integer/codes.hpp>

#include <algorithm>
#include <cstdint>
#include <span>

namespace stet::integer {

/// Chooses the larger, or smaller, of codes under one scale and zero point: no rounding.
/// Shapes:    a, b broadcast to out
/// Errors:    Errc::shape if the shapes do not broadcast or out has another size
inline void extremum(const Codes& a, const Codes& b, bool largest, std::span<std::int8_t> out) {
  const Shape shape = broadcast_shape(largest ? "maximum" : "minimum", a.shape(), b.shape());
  detail::require_size("extremum", shape, out.size());
  const stet::detail::BroadcastRuns runs(shape, a.shape(), b.shape());
  std::int8_t* y = out.data();
  for (std::int64_t run = 0; run < runs.outer; ++run) {
    const auto offset = runs.offsets(run);
    const std::int8_t *l = a.data() + offset[0], *r = b.data() + offset[1];
    for (std::int64_t i = 0; i < runs.inner; ++i, ++y) {
      const std::int8_t p = l[i * runs.a_step], q = r[i * runs.b_step];
      *y = largest ? std::max(p, q) : std::min(p, q);
    }
  }
}

}  // namespace stet::integer
