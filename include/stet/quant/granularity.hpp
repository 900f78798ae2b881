#pragma once
// Granularity: which elements share one scale and zero point.

#include <stet/core/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace stet {

/// Which elements of a tensor share quantization parameters.
/// Shapes:    per_tensor: x any -> scale [1]; per_channel(axis): x [.., C at axis, ..] -> scale [C];
///            per_group(size): x [.., K] -> scale [elements/size], groups of `size` neighbours along the last axis
struct Granularity {
  enum class Kind { per_tensor, per_channel, per_group };
  Kind kind = Kind::per_tensor;
  int axis = 0;            ///< of per_channel
  std::int64_t group = 0;  ///< of per_group

  static constexpr Granularity per_tensor() { return {}; }
  static constexpr Granularity per_channel(int axis) { return {Kind::per_channel, axis, 0}; }
  static constexpr Granularity per_row() { return per_channel(0); }     ///< of a matrix [rows, columns]
  static constexpr Granularity per_column() { return per_channel(1); }  ///< of a matrix [rows, columns]
  static constexpr Granularity per_group(std::int64_t size) { return {Kind::per_group, 0, size}; }
  friend constexpr bool operator==(const Granularity&, const Granularity&) = default;
};

/// Text such as "per channel of axis 0".
inline std::string describe(const Granularity& g) {
  if (g.kind == Granularity::Kind::per_channel) return formatted("per channel of axis {}", g.axis);
  if (g.kind == Granularity::Kind::per_group) return formatted("per group of {}", g.group);
  return "per tensor";
}

/// Order in which elements meet their scales: element i of a row-major tensor uses scale (i / inner) % count.
struct ScaleMap {
  std::int64_t inner = 1, count = 1;
  [[nodiscard]] std::int64_t index(std::int64_t element) const { return element / inner % count; }
  /// Calls f(k, first, last) for each run [first, last) of neighbours that use scale k, in order of memory: for loops over
  /// all elements, in which index() would divide for every one of them.
  template <class F>
  void runs(std::int64_t elements, F&& f) const {
    std::int64_t k = 0;
    for (std::int64_t first = 0; first < elements; first += inner) {
      f(static_cast<std::size_t>(k), first, first + inner);
      if (++k == count) k = 0;
    }
  }
};

/// The map of a granularity over a shape.
/// Errors:    Errc::shape if the axis does not exist or the group size does not divide the last dimension
inline ScaleMap scale_map(const Granularity& g, const Shape& shape) {
  switch (g.kind) {
    case Granularity::Kind::per_tensor: return {shape.elements() > 0 ? shape.elements() : 1, 1};
    case Granularity::Kind::per_channel: {
      require(g.axis >= 0 && g.axis < shape.rank(), Errc::shape, "per_channel: axis {} does not exist in {}", g.axis,
              shape);
      return {shape.product(g.axis + 1, shape.rank()), shape[g.axis]};
    }
    case Granularity::Kind::per_group: {
      require(g.group > 0 && shape.rank() > 0 && shape.back() % g.group == 0, Errc::shape,
              "per_group: group size {} does not divide the last dimension of {}", g.group, shape);
      return {g.group, shape.elements() / g.group};
    }
  }
  fail(Errc::range, "Granularity: unknown kind");
}

}  // namespace stet
