#pragma once
// What the laws of schemes are tried on: how it is drawn, made smaller and described; and a scheme without its type.

#include <stet/quant/scheme.hpp>
#include <stet/testing/property.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
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
  friend bool operator==(const Coded&, const Coded&) = default;
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
  if constexpr (requires {
                  { scheme.largest_error() } -> std::same_as<double>;
                }) {
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

inline std::string text_of(ClipMask mask) {
  constexpr std::array<const char*, 3> names{"rounded_inclusive", "raw_inclusive", "raw_exclusive"};
  return names[static_cast<std::size_t>(mask)];
}

inline std::string text(const std::vector<Range>& ranges) {
  std::string out;
  for (std::size_t i = 0; i < ranges.size() && i < 4; ++i) {
    out += formatted("{}{}..{}", i > 0 ? ", " : "", ranges[i].lo, ranges[i].hi);
  }
  return out + (ranges.size() > 4 ? ", ..." : "");
}

inline SchemeCase draw_scheme_case(const Granularity& g, Rng& rng, int round) {
  SchemeCase c{shape_of_round(shapes_for(g), round), {}, {}, {}};
  c.seen = random_values(rng, c.shape.elements(), round);
  c.ranges = min_max(std::span<const float>(c.seen), c.shape, g);
  c.x = random_values(rng, c.shape.elements(), round);
  for (float& v : c.x) v *= 1.5f;  // some are clipped
  if (round % 4 == 3) {            // ranges without 0
    const float shift = rng.below(2) == 0 ? 5.0f : -5.0f;
    for (float& v : c.seen) v += shift;
    for (float& v : c.x) v += shift;
    c.ranges = min_max(std::span<const float>(c.seen), c.shape, g);
  }
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
  for (const Range& r : {Range{0, 0}, Range{0, 1}, Range{-1, 0}, Range{-1, 1}, Range{1, 3}}) {
    simpler.push_back(std::vector<Range>(c.ranges.size(), r));
  }
  replace_first(c, &SchemeCase::ranges, simpler, breaks);
  c.seen = shrink(c.seen, [&](const std::vector<float>& seen) {
    return breaks(SchemeCase{c.shape, c.ranges, c.x, seen});
  });
  c.x = shrink(c.x, [&](const std::vector<float>& x) { return breaks(SchemeCase{c.shape, c.ranges, x, c.seen}); });
}

inline std::string describe(const ErasedScheme& scheme, const SchemeCase& c) {
  std::string out = formatted("x {} = {}, ", c.shape, testing::text(c.x));
  out += scheme.from_values ? "values " + testing::text(c.seen) : "ranges " + text(c.ranges);
  try {
    const QParams p = scheme.qparams(c);
    out += formatted(" (scale {}, zero point {}, grid {}..{})", testing::text(p.scale), p.zero_point.at(0), p.grid.lo,
                       p.grid.hi);
  } catch (const std::exception&) {
    out += " (no parameters)";
  }
  return out;
}

}  // namespace detail

}  // namespace stet::testing
