#pragma once
// Laws of Scheme and AffineScheme.

#include <stet/quant/scheme.hpp>
#include <stet/testing/property.hpp>

#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::testing {

/// What a law of schemes is tried on: values, and what the parameters are chosen from: other values, or their ranges.
struct SchemeCase {
  Shape shape{};
  std::vector<Range> ranges{};
  std::vector<float> x{};
  std::vector<float> seen{};  ///< for schemes that choose from values
};

namespace detail {

struct Coded {
  std::vector<std::int32_t> codes;
  std::vector<std::uint32_t> pass;
  std::vector<float> values;
};

// A scheme without its type, so that the laws are compiled once and not for every scheme.
struct ErasedScheme {
  Granularity granularity{};
  std::optional<Grid> grid{};  // of an AffineScheme
  double largest_error = 0.5;  // inside the range, in steps: what the scheme says, else that of rounding to nearest
  bool from_values = false;
  std::function<QParams(const SchemeCase&)> qparams;
  std::function<Coded(const std::vector<float>&, const Shape&, const QParams&, ClipMask)> code_under;

  [[nodiscard]] Coded code(const std::vector<float>& x, const Shape& shape, const QParams& p) const {
    return code_under(x, shape, p, ClipMask::rounded_inclusive);
  }
};

template <class S>
ErasedScheme erase_scheme(const S& scheme) {
  ErasedScheme e;
  e.granularity = granularity_of(scheme);
  if constexpr (AffineScheme<S>) e.grid = scheme.grid();
  if constexpr (requires { { scheme.largest_error() } -> std::same_as<double>; }) {
    e.largest_error = scheme.largest_error();
  }
  e.from_values = stet::detail::HasValueQParams<S>;
  e.qparams = [&scheme](const SchemeCase& c) {
    if constexpr (stet::detail::HasValueQParams<S>) {
      return scheme.qparams(std::span<const float>(c.seen), c.shape);
    } else {
      return scheme.qparams(std::span<const Range>(c.ranges));
    }
  };
  e.code_under = [&scheme](const std::vector<float>& x, const Shape& shape, const QParams& p, ClipMask mask) {
    std::vector<CodeOf<S>> codes(x.size());
    Coded c{{}, std::vector<std::uint32_t>((x.size() + 31) / 32), std::vector<float>(x.size())};
    scheme.encode(std::span<const float>(x), shape, p, mask, std::span<CodeOf<S>>(codes),
                  std::span<std::uint32_t>(c.pass));
    scheme.decode(std::span<const CodeOf<S>>(codes), shape, p, std::span<float>(c.values));
    c.codes.assign(codes.begin(), codes.end());
    return c;
  };
  return e;
}

inline std::string text(const std::vector<Range>& ranges) {
  std::string out;
  for (std::size_t i = 0; i < ranges.size() && i < 4; ++i) {
    out += fmt::format("{}{}..{}", i > 0 ? ", " : "", ranges[i].lo, ranges[i].hi);
  }
  return out + (ranges.size() > 4 ? ", ..." : "");
}

inline SchemeCase draw_scheme_case(const Granularity& g, Rng& rng, int round) {
  SchemeCase c{shape_of_round(shapes_for(g), round), {}, {}, {}};
  c.seen = random_values(rng, c.shape.elements(), round);
  c.ranges = min_max(std::span<const float>(c.seen), c.shape, g);
  c.x = random_values(rng, c.shape.elements(), round);
  for (float& v : c.x) v *= 1.5f;  // some are clipped
  return c;
}

// Fewer elements, then simpler ranges, then simpler values.
inline void shrink_scheme_case(const Granularity& g, SchemeCase& c, const Breaks<SchemeCase>& breaks) {
  for (const Shape& shape : shapes_for(g)) {
    if (shape.elements() >= c.shape.elements()) break;
    const ScaleMap before = scale_map(g, c.shape);
    const auto scales = static_cast<std::size_t>(scale_map(g, shape).count);
    bool found = false;
    for (std::int64_t first = 0; !found && first + shape.elements() <= c.shape.elements(); ++first) {
      SchemeCase part{shape, {}, window(c.x, first, shape.elements()), window(c.seen, first, shape.elements())};
      for (std::size_t k = 0; k < scales; ++k) {
        part.ranges.push_back(c.ranges[(static_cast<std::size_t>(before.index(first)) + k) % c.ranges.size()]);
      }
      found = breaks(part);
      if (found) c = std::move(part);
    }
    if (found) break;
  }
  std::vector<std::vector<Range>> simpler;
  for (const Range& r : {Range{0, 0}, Range{0, 1}, Range{-1, 0}, Range{-1, 1}}) {
    simpler.push_back(std::vector<Range>(c.ranges.size(), r));
  }
  replace_first(c, &SchemeCase::ranges, simpler, breaks);
  c.seen = shrink(c.seen, [&](const std::vector<float>& seen) { return breaks(SchemeCase{c.shape, c.ranges, c.x, seen}); });
  c.x = shrink(c.x, [&](const std::vector<float>& x) { return breaks(SchemeCase{c.shape, c.ranges, x, c.seen}); });
}

inline std::string describe(const ErasedScheme& scheme, const SchemeCase& c) {
  std::string out = fmt::format("x {} = {}, ", c.shape, testing::text(c.x));
  out += scheme.from_values ? "values " + testing::text(c.seen) : "ranges " + text(c.ranges);
  try {
    const QParams p = scheme.qparams(c);
    out += fmt::format(" (scale {}, zero point {}, grid {}..{})", testing::text(p.scale), p.zero_point.at(0), p.grid.lo,
                       p.grid.hi);
  } catch (const std::exception&) {
    out += " (no parameters)";
  }
  return out;
}

// What is expected of element i, if it is not so.
using Wrong =
    std::function<std::optional<std::string>(const SchemeCase&, const QParams&, const Coded&, std::size_t i)>;

// A law about single elements.
inline Law<SchemeCase> element_law(const ErasedScheme& scheme, std::string name, Wrong wrong) {
  return {std::move(name), [&scheme, wrong = std::move(wrong)](const SchemeCase& c) -> std::optional<Fault> {
            const QParams p = scheme.qparams(c);
            const Coded made = scheme.code(c.x, c.shape, p);
            for (std::size_t i = 0; i < c.x.size(); ++i) {
              const std::optional<std::string> expected = wrong(c, p, made, i);
              if (!expected) continue;
              return Fault{fmt::format("x[{}] = {}", i, c.x[i]), *expected,
                           fmt::format("code {}, value {}, pass bit {}", made.codes[i], made.values[i],
                                       int{test_bit(made.pass.data(), static_cast<std::int64_t>(i))})};
            }
            return std::nullopt;
          }};
}

inline std::vector<Law<SchemeCase>> scheme_laws(const ErasedScheme& scheme) {
  using Expected = std::optional<std::string>;
  std::vector<Law<SchemeCase>> laws;
  laws.push_back(element_law(
      scheme, "decode o encode is a projection",
      [&scheme](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
        const float again = scheme.code(made.values, c.shape, p).values[i];
        if (again == made.values[i]) return {};
        return fmt::format("{} again when it is coded once more, not {}", made.values[i], again);
      }));
  laws.push_back({"codes do not depend on the mask policy", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                    const QParams p = scheme.qparams(c);
                    const auto codes = scheme.code(c.x, c.shape, p).codes;
                    for (const ClipMask mask : {ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
                      const auto others = scheme.code_under(c.x, c.shape, p, mask).codes;
                      for (std::size_t i = 0; i < codes.size(); ++i) {
                        if (others[i] == codes[i]) continue;
                        return Fault{fmt::format("x[{}] = {}", i, c.x[i]), fmt::format("code {}", codes[i]),
                                     fmt::format("code {} under another mask", others[i])};
                      }
                    }
                    return std::nullopt;
                  }});
  laws.push_back({"NaN never passes its gradient", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                    std::vector<float> x = c.x;
                    for (std::size_t i = 0; i < x.size(); i += 2) x[i] = std::numeric_limits<float>::quiet_NaN();
                    const auto pass = scheme.code(x, c.shape, scheme.qparams(c)).pass;
                    for (std::size_t i = 0; i < x.size(); i += 2) {
                      if (!test_bit(pass.data(), static_cast<std::int64_t>(i))) continue;
                      return Fault{fmt::format("x[{}] = NaN in place", i), "pass bit 0", "pass bit 1"};
                    }
                    return std::nullopt;
                  }});
  if (scheme.grid) {
    const auto scale_of = [g = scheme.granularity](const SchemeCase& c, std::size_t i) {
      return static_cast<std::size_t>(scale_map(g, c.shape).index(static_cast<std::int64_t>(i)));
    };
    laws.push_back(element_law(
        scheme, "codes lie in the grid",
        [&scheme](const SchemeCase&, const QParams& p, const Coded& made, std::size_t i) -> Expected {
          const Grid grid = *scheme.grid;
          if (p.grid != grid) return fmt::format("parameters with the scheme's grid() {}..{}", grid.lo, grid.hi);
          if (grid.contains(made.codes[i])) return {};
          return fmt::format("a code in {}..{}", grid.lo, grid.hi);
        }));
    laws.push_back(element_law(
        scheme, "a code means scale * (code - zero_point)",
        [scale_of](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
          const std::size_t k = scale_of(c, i);
          const float means = static_cast<float>(made.codes[i] - p.zero_point[k]) * p.scale[k];
          if (made.values[i] == means) return {};
          return fmt::format("value {}", means);
        }));
    laws.push_back({"0 is exactly representable", [&scheme](const SchemeCase& c) -> std::optional<Fault> {
                      const std::vector<float> zeros(c.x.size());
                      const auto values = scheme.code(zeros, c.shape, scheme.qparams(c)).values;
                      for (std::size_t i = 0; i < values.size(); ++i) {
                        if (values[i] != 0.0f) {
                          return Fault{fmt::format("x[{}] = 0 in place", i), "0", fmt::format("{}", values[i])};
                        }
                      }
                      return std::nullopt;
                    }});
    laws.push_back(element_law(
        scheme,
        fmt::format("inside the range the error is at most {} scale and the gradient passes", scheme.largest_error),
        [scale_of, limit = scheme.largest_error](const SchemeCase& c, const QParams& p, const Coded& made, std::size_t i) -> Expected {
          const std::size_t k = scale_of(c, i);
          const double s = p.scale[k], x = c.x[i], y = made.values[i];
          if (x < s * (p.grid.lo - p.zero_point[k]) || x > s * (p.grid.hi - p.zero_point[k])) return {};
          const double slack = 0x1p-23 * (std::abs(x) + s);  // of float rounding
          if (std::abs(x - y) > limit * s + slack) return fmt::format("a value within {:.9g} of it", limit * s);
          if (!test_bit(made.pass.data(), static_cast<std::int64_t>(i))) return "pass bit 1";
          return {};
        }));
  }
  return laws;
}

}  // namespace detail

/// Checks a scheme against the laws of Scheme, and of AffineScheme if it is one. The parameters come from other values
/// than the ones that are coded, so that some are clipped.
/// Laws:  coding coded values again changes nothing; codes do not depend on the mask policy; NaN never passes its
///        gradient; affine: codes lie in the grid and mean scale * (code - zero_point); 0 stays 0; inside the range the
///        error is at most half a scale (up to float rounding; a scheme with largest_error() says how many), and the
///        gradient passes
template <class S>
LawReport check_scheme_laws(const S& scheme, const LawOptions& options = {}) {
  if constexpr (check_scheme<S>()) {
    const detail::ErasedScheme erased = detail::erase_scheme(scheme);
    const Granularity g = erased.granularity;
    const Cases<SchemeCase> cases{
        [=](Rng& rng, int round) { return detail::draw_scheme_case(g, rng, round); },
        [=](SchemeCase& c, const Breaks<SchemeCase>& breaks) { detail::shrink_scheme_case(g, c, breaks); },
        [&](const SchemeCase& c) { return detail::describe(erased, c); }};
    return check_laws(detail::scheme_laws(erased), cases, options);
  } else {
    return {};
  }
}

}  // namespace stet::testing
