#pragma once
// Broadcasting: shapes are aligned at their last axes, and an axis of size 1 (or a missing one) is repeated.

#include <stet/core/error.hpp>
#include <stet/core/shape.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace stet {

/// Whether two shapes broadcast: aligned at their last axes they are equal, or one is 1.
inline bool broadcasts(const Shape& a, const Shape& b) {
  for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i) {
    const std::int64_t da = a[a.rank() - i], db = b[b.rank() - i];
    if (da != db && da != 1 && db != 1) return false;
  }
  return true;
}

/// Shape that two operands have after broadcasting.
/// Errors:    Errc::shape if an axis differs and neither is 1
/// Source:    NumPy user guide, Broadcasting
inline Shape broadcast_shape(std::string_view op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dims{};
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const std::int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    require(da == db || da == 1 || db == 1, Errc::shape, "{}: shapes {} and {} do not broadcast, axis {} has {} and {}",
            op, a, b, i, da, db);
    dims[static_cast<std::size_t>(i)] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank)));
}

namespace detail {

/// Row-major strides of an operand inside the broadcast shape: 0 where it is repeated.
inline std::array<std::int64_t, Shape::max_rank> broadcast_strides(const Shape& operand, const Shape& whole) {
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t stride = 1;
  for (int i = operand.rank() - 1; i >= 0; --i) {
    const int axis = i + whole.rank() - operand.rank();
    strides[static_cast<std::size_t>(axis)] = operand[i] == 1 ? 0 : stride;
    stride *= operand[i];
  }
  return strides;
}

/// Two operands seen as a loop over `outer` runs of `inner` elements; axes that run alike are merged into the run. In a
/// run an operand stands still or goes on by one: its step.
struct BroadcastRuns {
  Shape whole;
  std::array<std::int64_t, Shape::max_rank> a, b;
  int outer_rank = 0;
  std::int64_t outer = 1, inner = 1, a_step = 0, b_step = 0;

  BroadcastRuns(const Shape& shape, const Shape& left, const Shape& right)
      : whole(shape), a(broadcast_strides(left, shape)), b(broadcast_strides(right, shape)), outer_rank(shape.rank()) {
    while (outer_rank > 0) {
      const auto i = static_cast<std::size_t>(outer_rank - 1);
      const std::int64_t size = whole[outer_rank - 1];
      if (size != 1) {
        if (inner == 1) {
          a_step = a[i];
          b_step = b[i];
        } else if (a[i] != a_step * inner || b[i] != b_step * inner) {
          break;
        }
        inner *= size;
      }
      --outer_rank;
    }
    outer = whole.product(0, outer_rank);
  }
  /// Offsets of a run in both operands.
  [[nodiscard]] std::array<std::int64_t, 2> offsets(std::int64_t run) const {
    std::array<std::int64_t, 2> offset{};
    for (int i = outer_rank - 1; i >= 0; --i) {
      const std::int64_t index = run % whole[i];
      run /= whole[i];
      offset[0] += index * a[static_cast<std::size_t>(i)];
      offset[1] += index * b[static_cast<std::size_t>(i)];
    }
    return offset;
  }
};

}  // namespace detail

}  // namespace stet
