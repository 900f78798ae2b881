#pragma once
// Laws of Scheme and AffineScheme.

#include <stet/quant/scheme.hpp>
#include <stet/testing/law_report.hpp>

#include <cmath>
#include <concepts>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace stet::testing {

namespace detail {

// A shape that the granularity fits: any axis below 4, any group size.
inline Shape shape_for(const Granularity& g) {
  const std::int64_t last = g.kind == Granularity::Kind::per_group ? 2 * g.group : 8;
  return Shape{3, 2, 5, last};
}

template <class S>
struct Coded {
  std::vector<CodeOf<S>> codes;
  std::vector<std::uint32_t> pass;
  std::vector<float> values;
};

template <class S>
Coded<S> code(const S& scheme, const std::vector<float>& x, const Shape& shape, const QParams& p,
              ClipMask mask = ClipMask::rounded_inclusive) {
  Coded<S> c{std::vector<CodeOf<S>>(x.size()),
             std::vector<std::uint32_t>(static_cast<std::size_t>((x.size() + 31) / 32)), std::vector<float>(x.size())};
  scheme.encode(std::span<const float>(x), shape, p, mask, std::span<CodeOf<S>>(c.codes),
                std::span<std::uint32_t>(c.pass));
  scheme.decode(std::span<const CodeOf<S>>(c.codes), shape, p, std::span<float>(c.values));
  return c;
}

// Largest error inside the range in steps: what the scheme says, else that of rounding to nearest.
template <class S>
double largest_error(const S& scheme) {
  if constexpr (requires {
                  { scheme.largest_error() } -> std::same_as<double>;
                }) {
    return scheme.largest_error();
  } else {
    return 0.5;
  }
}

// Checks one law element by element: holds(i) after f; the input is shrunk for the report.
template <class Values, class Holds>
void check_elements(LawReport& report, const std::string& law, const std::vector<float>& x, Values values, Holds holds,
                    const std::string& expected) {
  const auto first_fault = [&](const std::vector<float>& input) -> std::int64_t {
    const auto made = values(input);
    for (std::size_t i = 0; i < input.size(); ++i) {
      if (!holds(input, made, i)) return static_cast<std::int64_t>(i);
    }
    return -1;
  };
  if (first_fault(x) < 0) return report.check(true, law, {}, {}, {});
  const std::vector<float> small = shrink(x, [&](const std::vector<float>& input) { return first_fault(input) >= 0; });
  const auto at = static_cast<std::size_t>(first_fault(small));
  report.check(false, law, fmt::format("x[{}] = {:.9g} of {}", at, small[at], text(small)), expected,
               fmt::format("{:.9g}", values(small).values[at]));
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
  static_cast<void>(check_scheme<S>());
  LawReport report;
  Rng rng(options.seed);
  const Granularity granularity = granularity_of(scheme);
  const Shape shape = detail::shape_for(granularity);
  for (int round = 0; round < options.rounds; ++round) {
    const std::vector<float> seen = detail::random_values(rng, shape.elements(), round);
    std::vector<float> x = detail::random_values(rng, shape.elements(), round);
    for (float& v : x) v *= 1.5f;
    const QParams p = scheme_qparams(scheme, std::span<const float>(seen), shape);
    const auto coded = [&](const std::vector<float>& input) { return detail::code(scheme, input, shape, p); };

    detail::check_elements(
        report, "decode o encode is a projection", x, coded,
        [&](const std::vector<float>&, const auto& made, std::size_t i) {
          return detail::code(scheme, made.values, shape, p).values[i] == made.values[i];
        },
        "the same value when coded once more");
    for (const ClipMask mask : {ClipMask::raw_inclusive, ClipMask::raw_exclusive}) {
      report.check(detail::code(scheme, x, shape, p, mask).codes == coded(x).codes,
                   "codes do not depend on the mask policy", text(x), "equal codes", "other codes");
    }
    std::vector<float> with_nan = x;
    with_nan[rng.below(with_nan.size())] = std::numeric_limits<float>::quiet_NaN();
    const auto nan_coded = coded(with_nan);
    for (std::size_t i = 0; i < with_nan.size(); ++i) {
      if (!std::isnan(with_nan[i])) continue;
      report.check(!test_bit(nan_coded.pass.data(), static_cast<std::int64_t>(i)), "NaN never passes its gradient",
                   fmt::format("x[{}] = NaN", i), "pass bit 0", "1");
    }
    if constexpr (AffineScheme<S>) {
      const ScaleMap map = scale_map(granularity, shape);
      const auto k = [&](std::size_t i) { return static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i))); };
      detail::check_elements(
          report, "codes lie in the grid", x, coded,
          [&](const std::vector<float>&, const auto& made, std::size_t i) {
            return scheme.grid().contains(made.codes[i]) && p.grid == scheme.grid();
          },
          "a code of grid()");
      detail::check_elements(
          report, "a code means scale * (code - zero_point)", x, coded,
          [&](const std::vector<float>&, const auto& made, std::size_t i) {
            return made.values[i] == static_cast<float>(made.codes[i] - p.zero_point[k(i)]) * p.scale[k(i)];
          },
          "scale * (code - zero_point)");
      detail::check_elements(
          report, "0 is exactly representable", std::vector<float>(x.size()), coded,
          [&](const std::vector<float>&, const auto& made, std::size_t i) { return made.values[i] == 0.0f; }, "0");
      const double limit = detail::largest_error(scheme);
      detail::check_elements(
          report, fmt::format("inside the range the error is at most {} scale and the gradient passes", limit), x,
          coded,
          [&](const std::vector<float>& input, const auto& made, std::size_t i) {
            const double s = p.scale[k(i)];
            const double lo = s * (p.grid.lo - p.zero_point[k(i)]);
            const double hi = s * (p.grid.hi - p.zero_point[k(i)]);
            if (input[i] < lo || input[i] > hi) return true;
            const double slack = 0x1p-23 * (std::abs(static_cast<double>(input[i])) + s);
            return std::abs(static_cast<double>(input[i]) - static_cast<double>(made.values[i])) <= limit * s + slack &&
                   test_bit(made.pass.data(), static_cast<std::int64_t>(i));
          },
          fmt::format("within {} scale, pass bit 1", limit));
    }
  }
  return report;
}

}  // namespace stet::testing
