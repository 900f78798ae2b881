#pragma once
// The one place where real numbers become codes, and the loops that bring each element together with its scale.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/quant/clip_mask.hpp>
#include <stet/quant/qparams.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

namespace stet::detail {

/// What the loops need to know about one scale, in the type of the values. Codes are counted from the zero point.
template <class T>
struct CodeRule {
  T inverse, scale, lo, hi;  // lo, hi: ends of the grid minus the zero point
  std::int32_t zero_point;
};

template <class T>
CodeRule<T> code_rule(const QParams& p, std::size_t i) {
  const T scale = static_cast<T>(p.scale[i]);
  const std::int64_t zero = p.zero_point[i];
  return {T{1} / scale, scale, static_cast<T>(p.grid.lo - zero), static_cast<T>(p.grid.hi - zero), p.zero_point[i]};
}

[[gnu::always_inline]] inline float round_clamped(float x) { return round_half_even_small(x); }
[[gnu::always_inline]] inline double round_clamped(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

/// Steps from the zero point, rounded half to even; beyond the grid one step outside it, so that nothing is lost that
/// decides code or mask. NaN counts as below. The clamp also keeps product and rounding from being contracted.
template <class T>
[[gnu::always_inline]] inline T rounded_steps(T x, const CodeRule<T>& r) {
  T t = x * r.inverse;
  t = t > r.lo - 1 ? t : r.lo - 1;  // false for NaN
  t = t < r.hi + 1 ? t : r.hi + 1;
  return round_clamped(t);
}

/// Steps inside the grid.
template <class T>
[[gnu::always_inline]] inline T clamped_steps(T v, const CodeRule<T>& r) {
  v = v > r.lo ? v : r.lo;
  return v < r.hi ? v : r.hi;
}

/// Both in one: the ends are whole numbers, so clamping before rounding changes nothing. NaN counts as below; no result is -0.
template <class T>
[[gnu::always_inline]] inline T steps_inside(T x, const CodeRule<T>& r) {
  T t = x * r.inverse;
  t = t > r.lo ? t : r.lo;  // false for NaN
  t = t < r.hi ? t : r.hi;
  return round_clamped(t);
}

/// Whether the gradient passes at x with rounded steps v.
template <ClipMask mask, class T>
[[gnu::always_inline]] inline bool passes(T x, T v, const CodeRule<T>& r) {
  if constexpr (mask == ClipMask::rounded_inclusive) {
    return static_cast<bool>(static_cast<int>(v >= r.lo) & static_cast<int>(v <= r.hi));
  } else if constexpr (mask == ClipMask::raw_inclusive) {
    return static_cast<bool>(static_cast<int>(x >= r.lo * r.scale) & static_cast<int>(x <= r.hi * r.scale));
  } else {
    return static_cast<bool>(static_cast<int>(x > r.lo * r.scale) & static_cast<int>(x < r.hi * r.scale));
  }
}

/// Calls f(constant) with the mask as a compile-time constant.
template <class F>
void with_mask(ClipMask mask, F&& f) {
  switch (mask) {
    case ClipMask::rounded_inclusive:
      return f(std::integral_constant<ClipMask, ClipMask::rounded_inclusive>());
    case ClipMask::raw_inclusive:
      return f(std::integral_constant<ClipMask, ClipMask::raw_inclusive>());
    case ClipMask::raw_exclusive:
      return f(std::integral_constant<ClipMask, ClipMask::raw_exclusive>());
  }
}

/// Rules of consecutive elements whose scales differ from one to the next, in arrays.
template <class T>
class RuleTable {
 public:
  /// Of `length` elements, a multiple of the period in which scales come again.
  RuleTable(const QParams& p, const ScaleMap& map, std::int64_t length)
      : length_(length), values_(static_cast<std::size_t>(4 * length)), zero_point_(static_cast<std::size_t>(length)) {
    T* const v = values_.data();
    std::int64_t j = 0;
    for (std::int64_t k = 0; k < map.count; ++k) {
      const CodeRule<T> r = code_rule<T>(p, static_cast<std::size_t>(k));
      for (const std::int64_t end = j + map.inner; j < end; ++j) {
        v[j] = r.inverse;
        v[j + length] = r.scale;
        v[j + 2 * length] = r.lo;
        v[j + 3 * length] = r.hi;
        zero_point_[static_cast<std::size_t>(j)] = r.zero_point;
      }
    }
    for (const std::int64_t period = j; j < length; j += period) {
      for (int array = 0; array < 4; ++array) std::copy_n(v + array * length, period, v + array * length + j);
      std::copy_n(zero_point_.begin(), period, zero_point_.begin() + j);
    }
  }
  [[nodiscard]] auto rules() const {
    return [inverse = values_.data(), n = length_, zero = zero_point_.data()](std::int64_t i) {
      const T* const v = inverse + i;
      return CodeRule<T>{v[0], v[n], v[2 * n], v[3 * n], zero[i]};
    };
  }

 private:
  std::int64_t length_;
  std::vector<T> values_;
  std::vector<std::int32_t> zero_point_;
};

/// Longest period of scales that is expanded into a RuleTable.
inline constexpr std::int64_t longest_table = 16384;
/// Elements of a table for scales that come again after `period`: whole blocks of lanes, and not few of them, where that is not long.
inline std::int64_t table_length(std::int64_t period) {
  const std::int64_t blocks = period * (lane_count / std::gcd(period, std::int64_t{lane_count}));
  const std::int64_t length = blocks * ((8 * lane_count + blocks - 1) / blocks);
  return length <= longest_table ? length : period;
}

/// Calls kernel(first, count, rules) so that every element of the tensor lies in one run; rules(i) is the CodeRule of
/// element first + i. Runs start at multiples of 32 elements if there is one scale. In parallel.
template <class T, class Kernel>
void code_loop(const Shape& shape, const QParams& p, Kernel kernel) {
  const std::int64_t n = shape.elements();
  if (n == 0) return;
  const ScaleMap map = scale_map(p.granularity, shape);
  const std::int64_t period = map.inner * map.count;
  if (map.count == 1) {
    parallel_chunks((n + 31) / 32, 32, [&](Chunk c) {
      const std::int64_t first = c.first * 32;
      const std::int64_t last = c.last * 32 < n ? c.last * 32 : n;
      vectorized([&] { kernel(first, last - first, [r = code_rule<T>(p, 0)](std::int64_t) { return r; }); });
    });
  } else if (map.inner < lane_count && period <= longest_table) {
    const std::int64_t length = std::min(table_length(period), n);  // n is a multiple of the period
    const RuleTable<T> table(p, map, length);
    parallel_chunks((n + length - 1) / length, length, [&](Chunk c) {
      vectorized([&] {
        for (std::int64_t k = c.first; k < c.last; ++k) kernel(k * length, std::min(length, n - k * length), table.rules());
      });
    });
  } else {
    parallel_chunks(n / map.inner, map.inner, [&](Chunk c) {
      vectorized([&] {
        for (std::int64_t k = c.first; k < c.last; ++k) {
          kernel(k * map.inner, map.inner,
                 [r = code_rule<T>(p, static_cast<std::size_t>(k % map.count))](std::int64_t) { return r; });
        }
      });
    });
  }
}

/// Boundary check of all functions that make or read codes.
inline void check_codes(const char* op, const Shape& shape, const QParams& p, std::size_t in, std::size_t out) {
  require(static_cast<std::int64_t>(in) == shape.elements() && in == out, Errc::shape,
          "{}: shape {} has {} elements, input has {}, output {}", op, shape, shape.elements(), in, out);
  check(op, p, shape);
  require(p.grid.lo <= p.grid.hi && p.grid.lo >= -65536 && p.grid.hi <= 65536, Errc::range,
          "{}: grid {}..{} has more than 16 bits", op, p.grid.lo, p.grid.hi);
}

inline Shape flat(std::size_t n) { return Shape{static_cast<std::int64_t>(n)}; }

}  // namespace stet::detail
