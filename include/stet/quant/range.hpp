#pragma once
// Range: the smallest and largest value of what is quantized, and how it is found.

#include <stet/core/finite.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/granularity.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace stet {

/// Smallest and largest real value.
struct Range {
  float lo = 0, hi = 0;

  [[nodiscard]] constexpr float absmax() const { return -lo > hi ? -lo : hi; }
  /// The same with 0 in it, as every grid has.
  [[nodiscard]] constexpr Range with_zero() const { return {lo < 0.0f ? lo : 0.0f, hi > 0.0f ? hi : 0.0f}; }
  [[nodiscard]] constexpr double width() const { return static_cast<double>(hi) - static_cast<double>(lo); }
  [[nodiscard]] bool finite() const { return std::isfinite(lo) && std::isfinite(hi); }
  /// Text such as -1..2.5.
  [[nodiscard]] std::string str() const { return formatted("{}..{}", lo, hi); }
  friend bool operator==(const Range&, const Range&) = default;
};

/// The smallest range that contains both.
inline Range unite(const Range& a, const Range& b) { return {b.lo < a.lo ? b.lo : a.lo, b.hi > a.hi ? b.hi : a.hi}; }

/// What a scan for the range found. The range is {+inf, -inf} while there is no finite value.
struct RangeScan {
  Range range{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  std::int64_t non_finite = 0;         ///< how many values are NaN or infinite; they are not in the range
  std::int64_t first_non_finite = -1;  ///< index of the first of them

  [[nodiscard]] bool empty() const { return range.lo > range.hi; }
};

namespace detail {

inline bool is_finite_bits(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7fffffffu) < 0x7f800000u; }

// Scans x[0..n); `offset` is added to reported indices.
inline RangeScan scan_serial(const float* x, std::int64_t n, std::int64_t offset) {
  RangeScan scan;
  std::array<float, lane_count> lo, hi;
  std::array<std::int32_t, lane_count> magnitude{};
  lo.fill(scan.range.lo);
  hi.fill(scan.range.hi);
  const auto take = [&](std::size_t lane, float v) {
    lo[lane] = v < lo[lane] ? v : lo[lane];
    hi[lane] = v > hi[lane] ? v : hi[lane];
    const auto bits = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(v) & 0x7fffffffu);
    magnitude[lane] = bits > magnitude[lane] ? bits : magnitude[lane];
  };
  std::int64_t i = 0;
  vectorized([&] {
    for (; i + lane_count <= n; i += lane_count) {
      const float* block = x + i;
      lanes(lane_count, [&](std::int64_t j) { take(static_cast<std::size_t>(j), block[j]); });
    }
  });
  for (; i < n; ++i) take(0, x[i]);
  bool finite = true;
  for (std::size_t j = 0; j < lane_count; ++j) {
    scan.range = unite(scan.range, {lo[j], hi[j]});
    finite = finite && magnitude[j] < 0x7f800000;
  }
  if (finite) return scan;
  scan = RangeScan{};
  for (i = 0; i < n; ++i) {
    if (is_finite_bits(x[i])) {
      scan.range = unite(scan.range, {x[i], x[i]});
    } else if (scan.non_finite++ == 0) {
      scan.first_non_finite = offset + i;
    }
  }
  return scan;
}

inline void join(RangeScan& total, const RangeScan& part) {
  total.range = unite(total.range, part.range);
  total.non_finite += part.non_finite;
  if (part.first_non_finite >= 0 && (total.first_non_finite < 0 || part.first_non_finite < total.first_non_finite)) {
    total.first_non_finite = part.first_non_finite;
  }
}

inline void require_finite(const char* op, const RangeScan& scan) {
  require(scan.non_finite == 0, Errc::range, "{}: {} values are NaN or infinite, the first at index {}", op,
          scan.non_finite, scan.first_non_finite);
}

}  // namespace detail

/// Finds the range of the finite values and counts the others.
inline RangeScan scan_range(std::span<const float> x) {
  const auto n = static_cast<std::int64_t>(x.size());
  if (n == 0) return {};
  const std::int64_t chunks = chunk_count(n, 1);
  std::vector<RangeScan> parts(static_cast<std::size_t>(chunks));
  parallel(chunks, [&](std::int64_t i) {
    const Chunk c = chunk_of(n, chunks, i);
    parts[static_cast<std::size_t>(i)] = detail::scan_serial(x.data() + c.first, c.size(), c.first);
  });
  RangeScan total;
  for (const RangeScan& part : parts) detail::join(total, part);
  return total;
}

namespace detail {
// Refuses what codes would hide: NaN has a code, infinities saturate.
inline void require_finite(const char* op, std::span<const float> x) {
  if (!all_finite(x)) require_finite(op, scan_range(x));
}
}  // namespace detail

/// The same per scale of a granularity; indices count from the start of the tensor.
/// Shapes:    x of `shape` -> one scan per tensor, channel or group
/// Errors:    Errc::shape if the granularity does not fit the shape or x is not of that shape
inline std::vector<RangeScan> scan_ranges(std::span<const float> x, const Shape& shape,
                                          const Granularity& granularity) {
  require(static_cast<std::int64_t>(x.size()) == shape.elements(), Errc::shape,
          "min_max: shape {} needs {} values, got {}", shape, shape.elements(), x.size());
  const ScaleMap map = scale_map(granularity, shape);
  if (map.count == 1) return {scan_range(x)};
  std::vector<RangeScan> scans(static_cast<std::size_t>(map.count));
  const std::int64_t period = map.inner * map.count;
  const std::int64_t outer = period > 0 ? shape.elements() / period : 0;
  if (map.inner > 1) {
    parallel_chunks(map.count, map.inner * outer, [&](Chunk c) {
      for (std::int64_t k = c.first; k < c.last; ++k) {
        for (std::int64_t o = 0; o < outer; ++o) {
          const std::int64_t first = o * period + k * map.inner;
          detail::join(scans[static_cast<std::size_t>(k)], detail::scan_serial(x.data() + first, map.inner, first));
        }
      }
    });
    return scans;
  }
  // Channels are neighbours: fold row by row, all channels at once.
  std::vector<float> lo(static_cast<std::size_t>(map.count), RangeScan{}.range.lo);
  std::vector<float> hi(static_cast<std::size_t>(map.count), RangeScan{}.range.hi);
  bool finite = true;
  for (std::int64_t o = 0; o < outer; ++o) {
    const float* row = x.data() + o * period;
    float* l = lo.data();
    float* h = hi.data();
    lanes(map.count, [=](std::int64_t k) {
      l[k] = row[k] < l[k] ? row[k] : l[k];
      h[k] = row[k] > h[k] ? row[k] : h[k];
    });
    finite = finite && detail::scan_serial(row, map.count, 0).non_finite == 0;
  }
  for (std::size_t k = 0; k < scans.size(); ++k) scans[k].range = {lo[k], hi[k]};
  if (finite) return scans;
  for (RangeScan& scan : scans) scan = RangeScan{};
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    detail::join(scans[static_cast<std::size_t>(map.index(i))], detail::scan_serial(x.data() + i, 1, i));
  }
  return scans;
}

/// Smallest and largest value.
/// Errors:    Errc::state if x is empty; Errc::range if a value is NaN or infinite
inline Range min_max(std::span<const float> x) {
  require(!x.empty(), Errc::state, "min_max: there are no values");
  const RangeScan scan = scan_range(x);
  detail::require_finite("min_max", scan);
  return scan.range;
}

/// Smallest and largest value per tensor, channel or group.
/// Shapes:    x of `shape` -> one range per scale of the granularity
/// Errors:    Errc::state if x is empty; Errc::range if a value is NaN or infinite; Errc::shape as scale_map
inline std::vector<Range> min_max(std::span<const float> x, const Shape& shape, const Granularity& granularity) {
  require(!x.empty(), Errc::state, "min_max: there are no values");
  const std::vector<RangeScan> scans = scan_ranges(x, shape, granularity);
  RangeScan total;
  for (const RangeScan& scan : scans) detail::join(total, scan);
  detail::require_finite("min_max", total);
  std::vector<Range> ranges;
  ranges.reserve(scans.size());
  for (const RangeScan& scan : scans) ranges.push_back(scan.range);
  return ranges;
}
inline std::vector<Range> min_max(const Tensor<float>& x, const Granularity& granularity) {
  return min_max(x.span(), x.shape(), granularity);
}

/// The nearest floats; infinite beyond them.
inline Tensor<float> to_float(std::span<const double> x) {
  Tensor<float> y(Shape{static_cast<std::int64_t>(x.size())});
  std::transform(x.begin(), x.end(), y.edit().begin(), [](double v) { return static_cast<float>(v); });
  return y;
}
/// The same of doubles: ranges are floats, the nearest to those of the values.
inline Range min_max(std::span<const double> x) { return min_max(to_float(x).span()); }
inline std::vector<Range> min_max(std::span<const double> x, const Shape& shape, const Granularity& granularity) {
  return min_max(to_float(x).span(), shape, granularity);
}
inline std::vector<Range> min_max(const Tensor<double>& x, const Granularity& granularity) {
  return min_max(x.span(), x.shape(), granularity);
}

}  // namespace stet

template <>
struct fmt::formatter<stet::Range> : stet::TextFormatter {};
