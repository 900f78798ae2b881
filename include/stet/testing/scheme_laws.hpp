#pragma once
// Laws of Scheme and AffineScheme, and what a scheme promises beyond them.

#include <stet/testing/scheme_cases.hpp>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::testing {

/// What a scheme promises beyond the common laws. The defaults are what a scheme that rounds to nearest keeps.
struct SchemePromises {
  bool covers = true;      ///< what lies inside the range that was asked for is at most max_error off; of ranges only
  bool monotone = true;    ///< of two values with one scale, the larger one does not become the smaller one
  bool repeatable = true;  ///< same input, same codes; false for a scheme that draws random numbers in each call
  bool negative = true;    ///< the range below 0 counts; false for schemes of values that are not negative
  /// Affine: in steps of the range asked for over its grid, by default what largest_error() says, else half a step.
  /// Others: as a part of the range's largest magnitude, by default a half.
  std::optional<double> max_error{};
};

namespace detail {

// What is expected of element i, if it is not so.
using Wrong = std::function<std::optional<std::string>(const SchemeCase&, const QParams&, const Coded&, std::size_t i)>;

inline std::string text(const Coded& made, std::size_t i) {
  return formatted("code {}, value {}, pass bit {}", made.codes[i], made.values[i],
                     int{test_bit(made.pass.data(), static_cast<std::int64_t>(i))});
}

// A law about single elements.
inline Law<SchemeCase> element_law(const ErasedScheme& scheme, std::string name, Wrong wrong) {
  return {std::move(name), [&scheme, wrong = std::move(wrong)](const SchemeCase& c) -> std::optional<Fault> {
            const QParams p = scheme.qparams(c);
            const Coded made = scheme.code(c.x, c.shape, p);
            for (std::size_t i = 0; i < c.x.size(); ++i) {
              const std::optional<std::string> expected = wrong(c, p, made, i);
              if (!expected) continue;
              return Fault{formatted("x[{}] = {}", i, c.x[i]), *expected, text(made, i)};
            }
            return std::nullopt;
          }};
}

inline std::size_t scale_of(const ErasedScheme& scheme, const SchemeCase& c, std::size_t i) {
  return static_cast<std::size_t>(scale_map(scheme.granularity, c.shape).index(static_cast<std::int64_t>(i)));
}

inline std::optional<Fault> unrepeated(const ErasedScheme& scheme, const SchemeCase& c) {
  const QParams p = scheme.qparams(c);
  if (scheme.qparams(c) != p) return Fault{"qparams() twice", "the same parameters", "others the second time"};
  const Coded once = scheme.code(c.x, c.shape, p), again = scheme.code(c.x, c.shape, p);
  if (once == again) return std::nullopt;
  std::size_t i = 0;
  while (i + 1 < c.x.size() && once.codes[i] == again.codes[i] && once.values[i] == again.values[i]) ++i;
  return Fault{formatted("x[{}] = {}", i, c.x[i]), text(once, i) + " both times", text(again, i)};
}

inline std::optional<Fault> unordered(const ErasedScheme& scheme, const SchemeCase& c) {
  const QParams p = scheme.qparams(c);
  const std::vector<float> values = scheme.code(c.x, c.shape, p).values;
  std::vector<std::size_t> order(c.x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(scale_of(scheme, c, a), c.x[a]) < std::pair(scale_of(scheme, c, b), c.x[b]);
  });
  for (std::size_t n = 1; n < order.size(); ++n) {
    const std::size_t a = order[n - 1], b = order[n];
    if (scale_of(scheme, c, a) != scale_of(scheme, c, b)) continue;
    if (c.x[a] == c.x[b] ? values[a] == values[b] : values[a] <= values[b]) continue;
    return Fault{formatted("x[{}] = {} and x[{}] = {}", a, c.x[a], b, c.x[b]),
                 c.x[a] == c.x[b] ? "the same value" : "values in the same order",
                 formatted("{} and {}", values[a], values[b])};
  }
  return std::nullopt;
}

// Whether the zero point does not follow the range, so that a grid is laid over both sides of 0.
inline bool is_symmetric(const ErasedScheme& scheme) {
  const auto zero_point = [&](const Range& r) {
    SchemeCase c{shapes_for(scheme.granularity).front(), {}, {}, {}};
    c.ranges.assign(static_cast<std::size_t>(scale_map(scheme.granularity, c.shape).count), r);
    return scheme.qparams(c).zero_point.at(0);
  };
  return zero_point({0, 1}) == zero_point({-1, 0});
}

// The largest error inside a range that was asked for. Ranges that are narrower than the smallest scale count as that.
inline double allowed_error(const ErasedScheme& scheme, const Range& asked, double max_error, bool symmetric) {
  double unit = asked.absmax();
  if (scheme.grid) {
    const double steps = scheme.grid->hi - scheme.grid->lo;
    const double width = static_cast<double>(asked.hi) - static_cast<double>(asked.lo);
    unit = symmetric ? unit / (steps / 2) : width / steps;
  }
  return max_error * std::max(unit, static_cast<double>(FLT_EPSILON));
}

inline std::optional<Fault> uncovered(const ErasedScheme& scheme, const SchemeCase& c, const SchemePromises& promises) {
  const double max_error = promises.max_error.value_or(scheme.grid ? scheme.largest_error : 0.5);
  const bool symmetric = scheme.grid && is_symmetric(scheme);
  const QParams p = scheme.qparams(c);
  enum class Where { values, lower_ends, upper_ends };
  for (const Where where : {Where::values, Where::lower_ends, Where::upper_ends}) {
    std::vector<Range> asked(c.x.size());
    std::vector<float> x(c.x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Range& r = c.ranges.at(scale_of(scheme, c, i));
      asked[i] = unite(r, {0, 0});
      if (!promises.negative) asked[i].lo = 0;
      x[i] = where == Where::values ? c.x[i] : where == Where::lower_ends ? r.lo : r.hi;
      x[i] = std::clamp(x[i], asked[i].lo, asked[i].hi);
    }
    const Coded made = scheme.code(x, c.shape, p);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double at = x[i], limit = allowed_error(scheme, asked[i], max_error, symmetric);
      if (std::abs(at - static_cast<double>(made.values[i])) <= limit + 0x1p-22 * (std::abs(at) + limit)) continue;
      return Fault{formatted("{} in place of x[{}], inside the range {}..{}", x[i], i, asked[i].lo, asked[i].hi),
                   formatted("a value within {:.9g} of it", limit), text(made, i)};
    }
  }
  return std::nullopt;
}

// Of a scheme that chooses from values: coding them must be better than leaving them out.
inline std::optional<Fault> worthless(const ErasedScheme& scheme, const SchemeCase& c) {
  const std::vector<float> values = scheme.code(c.seen, c.shape, scheme.qparams(c)).values;
  double error = 0, zeros = 0, largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = c.seen[i], e = x - static_cast<double>(values[i]);
    error += e * e;
    zeros += x * x;
    largest = std::max(largest, std::abs(x));
  }
  if (largest < 0x1p-10 || error < zeros) return std::nullopt;  // smaller ones may vanish
  return Fault{"the values themselves", formatted("a sum of squared errors below {:.9g}, that of zeros", zeros),
               formatted("{:.9g}", error)};
}

// A quarter of a step inside, a quarter beyond and one and a half beyond either end.
inline std::optional<Fault> wrong_pass_bits(const ErasedScheme& scheme, const SchemeCase& c) {
  const QParams p = scheme.qparams(c);
  for (const double beyond : {-0.25, 0.25, 1.5}) {
    for (const bool upper : {false, true}) {
      std::vector<float> x(c.x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t k = scale_of(scheme, c, i);
        const double steps = upper ? p.grid.hi - p.zero_point.at(k) + beyond : p.grid.lo - p.zero_point.at(k) - beyond;
        x[i] = static_cast<float>(steps * static_cast<double>(p.scale.at(k)));
      }
      for (const ClipMask mask : {ClipMask::rounded_inclusive, ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
        const bool expected = beyond < (mask == ClipMask::rounded_inclusive ? 0.5 : 0.0);
        const Coded made = scheme.code_under(x, c.shape, p, mask);
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (test_bit(made.pass.data(), static_cast<std::int64_t>(i)) == expected) continue;
          return Fault{formatted("{} in place of x[{}], {} steps beyond the {} code, mask {}", x[i], i, beyond,
                                   upper ? "highest" : "lowest", text_of(mask)),
                       formatted("pass bit {}", int{expected}), formatted("pass bit {}", int{!expected})};
        }
      }
    }
  }
  return std::nullopt;
}

inline std::vector<Law<SchemeCase>> scheme_laws(const ErasedScheme& scheme, const SchemePromises& promises) {
  using Expected = std::optional<std::string>;
  std::vector<Law<SchemeCase>> laws;
  laws.push_back(
      element_law(scheme, "decode o encode is a projection",
                  [&scheme](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
                    const float again = scheme.code(made.values, c.shape, p).values[i];
                    if (again == made.values[i]) return {};
                    return formatted("{} again when it is coded once more, not {}", made.values[i], again);
                  }));
  if (promises.repeatable) {
    laws.push_back({"same input, same codes", [&scheme](const SchemeCase& c) { return unrepeated(scheme, c); }});
    laws.push_back({"codes do not depend on the mask policy", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                      const QParams p = scheme.qparams(c);
                      const auto codes = scheme.code(c.x, c.shape, p).codes;
                      for (const ClipMask mask : {ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
                        const auto others = scheme.code_under(c.x, c.shape, p, mask).codes;
                        for (std::size_t i = 0; i < codes.size(); ++i) {
                          if (others[i] == codes[i]) continue;
                          return Fault{formatted("x[{}] = {}", i, c.x[i]), formatted("code {}", codes[i]),
                                       formatted("code {} under another mask", others[i])};
                        }
                      }
                      return std::nullopt;
                    }});
  }
  laws.push_back({"NaN never passes its gradient", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                    std::vector<float> x = c.x;
                    for (std::size_t i = 0; i < x.size(); i += 2) x[i] = std::numeric_limits<float>::quiet_NaN();
                    const auto pass = scheme.code(x, c.shape, scheme.qparams(c)).pass;
                    for (std::size_t i = 0; i < x.size(); i += 2) {
                      if (!test_bit(pass.data(), static_cast<std::int64_t>(i))) continue;
                      return Fault{formatted("x[{}] = NaN in place", i), "pass bit 0", "pass bit 1"};
                    }
                    return std::nullopt;
                  }});
  if (promises.monotone) {
    laws.push_back({"order is kept", [&scheme](const SchemeCase& c) { return unordered(scheme, c); }});
  }
  if (scheme.from_values) {
    laws.push_back(
        {"coding values is better than zeros", [&scheme](const SchemeCase& c) { return worthless(scheme, c); }});
  } else if (promises.covers) {
    laws.push_back({"inside the range that was asked for the error is at most max_error",
                    [&scheme, promises](const SchemeCase& c) { return uncovered(scheme, c, promises); }});
  }
  if (scheme.grid) {
    laws.push_back(
        element_law(scheme, "codes lie in the grid",
                    [&scheme](const SchemeCase&, const QParams& p, const Coded& made, std::size_t i) -> Expected {
                      const Grid grid = *scheme.grid;
                      if (p.grid != grid)
                        return formatted("parameters with the scheme's grid() {}..{}", grid.lo, grid.hi);
                      if (grid.contains(made.codes[i])) return {};
                      return formatted("a code in {}..{}", grid.lo, grid.hi);
                    }));
    laws.push_back(
        element_law(scheme, "a code means scale * (code - zero_point)",
                    [&scheme](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
                      const std::size_t k = scale_of(scheme, c, i);
                      const float means = static_cast<float>(made.codes[i] - p.zero_point[k]) * p.scale[k];
                      if (made.values[i] == means) return {};
                      return formatted("value {}", means);
                    }));
    laws.push_back({"0 is exactly representable", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                      const std::vector<float> zeros(c.x.size());
                      const auto values = scheme.code(zeros, c.shape, scheme.qparams(c)).values;
                      for (std::size_t i = 0; i < values.size(); ++i) {
                        if (values[i] != 0.0f) {
                          return Fault{formatted("x[{}] = 0 in place", i), "0", formatted("{}", values[i])};
                        }
                      }
                      return std::nullopt;
                    }});
    laws.push_back(element_law(
        scheme,
        formatted("inside the range the error is at most {} scale and the gradient passes", scheme.largest_error),
        [&scheme](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
          const std::size_t k = scale_of(scheme, c, i);
          const double s = p.scale[k], x = c.x[i], y = made.values[i], limit = scheme.largest_error;
          if (x < s * (p.grid.lo - p.zero_point[k]) || x > s * (p.grid.hi - p.zero_point[k])) return {};
          const double slack = 0x1p-23 * (std::abs(x) + s);  // of float rounding
          if (std::abs(x - y) > limit * s + slack) return formatted("a value within {:.9g} of it", limit * s);
          if (!test_bit(made.pass.data(), static_cast<std::int64_t>(i))) return "pass bit 1";
          return {};
        }));
    laws.push_back(
        {"pass bits follow the mask", [&scheme](const SchemeCase& c) { return wrong_pass_bits(scheme, c); }});
  }
  return laws;
}

}  // namespace detail

/// Checks a scheme against the laws of Scheme, and of AffineScheme if it is one, and against what it promises. The
/// parameters come from other values than the ones that are coded, so that some are clipped.
/// Laws:  coding coded values again changes nothing; NaN never passes its gradient; affine: codes lie in the grid and
///        mean scale * (code - zero_point); 0 stays 0; inside the range of the codes the error is at most half a scale
///        (up to float rounding; a scheme with largest_error() says how many), and the gradient passes; near the ends
///        pass bits follow the mask. Chosen from values: coding them is better than zeros. If promised: the error inside
///        the range that was asked for is at most max_error; order is kept; same input, same codes, under any mask
template <class S>
LawReport check_scheme_laws(const S& scheme, const SchemePromises& promises = {}, const LawOptions& options = {}) {
  if constexpr (check_scheme<S>()) {
    const detail::ErasedScheme erased = detail::erase_scheme(scheme);
    const Granularity g = erased.granularity;
    const Cases<SchemeCase> cases{
        [=](Rng& rng, int round) { return detail::draw_scheme_case(g, rng, round); },
        [=](SchemeCase& c, const Breaks<SchemeCase>& breaks) { detail::shrink_scheme_case(g, c, breaks); },
        [&](const SchemeCase& c) { return detail::describe(erased, c); }};
    return check_laws(detail::scheme_laws(erased, promises), cases, options);
  } else {
    return {};
  }
}

}  // namespace stet::testing
