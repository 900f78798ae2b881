#pragma once
// Padding of channels: its step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stet::detail {

inline EngineRun step(const graph::op::PadChannels& o, const StepSite& s) {
  const auto zero = static_cast<std::int8_t>(s.in().codes.zero_point);
  return s.unary(o, [zero](const auto& x, const graph::op::PadChannels& p, auto y) {
    std::vector<std::int64_t> before(static_cast<std::size_t>(x.shape().rank())), after = before;
    before.back() = p.before;
    after.back() = p.after;
    integer::pad(x, before, after, zero, y);
  });
}

}  // namespace stet::detail
