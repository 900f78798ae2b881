#pragma once
// Walks of C programs: codes that move, and pairs of codes of operands of which either may be repeated.

#include <stet/core/broadcast.hpp>
#include <stet/io/c/program_writer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet::c {

/// Elements from one index of each dimension to the next.
inline std::vector<std::int64_t> steps_of(const Shape& s) {
  std::vector<std::int64_t> steps;
  for (int d = 0; d < s.rank(); ++d) steps.push_back(s.product(d + 1, s.rank()));
  return steps;
}
/// A walk over a shape with these steps from and to.
inline std::vector<LoopDimension> dimensions_of(const Shape& s, const std::vector<std::int64_t>& from, const std::vector<std::int64_t>& to) {
  std::vector<LoopDimension> all;
  for (int d = 0; d < s.rank(); ++d) all.push_back({s[d], {from[static_cast<std::size_t>(d)], to[static_cast<std::size_t>(d)]}});
  return all;
}

/// Copies codes along a walk.
inline void copied(ProgramWriter& w, const std::string& from, const std::string& to, const std::vector<LoopDimension>& dimensions) {
  w.walk(dimensions, [&](const Loops& l) {
    if (l.step(0) == 1 && l.step(1) == 1) return formatted("memcpy({}, {}, {});", l.at(to, 1), l.at(from, 0), l.run());
    w.use("copy");
    return formatted("stet_copy({}, {}, {}, {}, {});", l.run(), l.at(from, 0), l.step(0), l.at(to, 1), l.step(1));
  });
}

/// The input inside a frame of its zero point, so many before it in each dimension.
inline void padded(ProgramWriter& w, const std::vector<std::int64_t>& before) {
  const Shape &x = w.site().in().shape, &y = w.site().out().shape;
  const std::vector<std::int64_t> to = steps_of(y);
  std::int64_t first = 0;
  for (std::size_t d = 0; d < before.size(); ++d) first += before[d] * to[d];
  w.statement(formatted("memset({}, {}, {});", w.out(), w.site().in().codes.zero_point, w.elements()));
  copied(w, w.in(), formatted("{} + {}", w.out(), first), dimensions_of(x, steps_of(x), to));
}

/// A kernel on two operands that broadcast; `call` is its beginning up to the number of elements.
inline void pairs(ProgramWriter& w, const std::string& call) {
  const Shape &a = w.site().in(0).shape, &b = w.site().in(1).shape, &y = w.site().out().shape;
  const auto of_a = stet::detail::broadcast_strides(a, y), of_b = stet::detail::broadcast_strides(b, y);
  const std::vector<std::int64_t> of_y = steps_of(y);
  std::vector<LoopDimension> dimensions;
  for (int d = 0; d < y.rank(); ++d) {
    const auto i = static_cast<std::size_t>(d);
    dimensions.push_back({y[d], {of_a[i], of_b[i], of_y[i]}});
  }
  w.walk(dimensions, [&](const Loops& l) {
    return formatted("{}{}, {}, {}, {}, {}, {});", call, l.run(), l.at(w.in(0), 0), l.step(0), l.at(w.in(1), 1), l.step(1), l.at(w.out(), 2));
  });
}

}  // namespace stet::c
