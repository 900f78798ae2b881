#pragma once
// Laws of Estimator.

#include <stet/qat/estimator.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/testing/property.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace stet::testing {

/// What an estimator promises beyond the common laws. The quantizer climbs one step per step, so that is what a gradient
/// that stands for its derivative does too, on average.
struct EstimatorPromises {
  std::optional<double> inside = 1.0;  ///< mean over one step inside the range of the gradient that comes of 1
  std::optional<double> outside{};     ///< the same far beyond either end, where nothing or all may pass
};

/// What a law of estimators is tried on: values and the parameters they are quantized with, one scale or one per row.
struct EstimatorCase {
  Shape shape{};
  QParams params{};
  std::vector<float> x{};
};

namespace detail {

// What a quantizer keeps for the estimator.
template <class E>
Kept keep(const E& estimator, const Tensor<float>& x, const QParams& p) {
  Kept kept;
  if (needs_mask(estimator)) {
    Tensor<std::int32_t> codes(x.shape());
    kept.pass = Tensor<std::uint32_t>(Shape{bit_words(x.size())});
    encode(x.span(), x.shape(), p, estimator.mask(), codes.edit(), kept.pass.edit());
  }
  if (needs_input(estimator)) kept.x = x;
  return kept;
}

// An estimator without its type, so that the laws are compiled once and not for every estimator.
struct ErasedEstimator {
  std::function<Tensor<float>(const EstimatorCase&, float dy)> pull;
  std::function<double(double x, const QParams&, std::size_t)> surrogate{};  // if it has one
};

template <class E>
ErasedEstimator erase_estimator(const E& estimator) {
  ErasedEstimator e{[&estimator](const EstimatorCase& c, float dy) {
                      const Tensor<float> x(c.shape, c.x);
                      const Kept kept = keep(estimator, x, c.params);
                      return estimator.pull(Tensor<float>::filled(c.shape, dy), kept, c.params).dx;
                    },
                    {}};
  if constexpr (requires(const QParams& p) { estimator.surrogate(0.0, p, std::size_t{0}); }) {
    e.surrogate = [&estimator](double x, const QParams& p, std::size_t k) { return estimator.surrogate(x, p, k); };
  }
  return e;
}

inline EstimatorCase draw_estimator_case(Rng& rng, int round) {
  const std::int64_t most = round < 6 ? 1 : round < 12 ? 2 : 40;
  const Shape shape{round < 12 ? 1 : 1 + static_cast<std::int64_t>(rng.below(5)),
                    1 + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most)))};
  const bool per_row = rng.below(2) == 0;
  const Grid grid = rng.below(2) == 0 ? Grid::int8() : Grid::signed_bits(2 + static_cast<int>(rng.below(3)));
  std::vector<Range> ranges;
  for (std::int64_t i = 0; i < (per_row ? shape[0] : 1); ++i) {
    ranges.push_back({static_cast<float>(-rng.uniform(0, 2)), static_cast<float>(rng.uniform(0.1, 2))});
  }
  const Granularity granularity = per_row ? Granularity::per_channel(0) : Granularity::per_tensor();
  return {shape, choose_qparams(ranges, grid, {.granularity = granularity}),
          random_values(rng, shape.elements(), round)};
}

// One element, then simple parameters, then simple values.
inline void shrink_estimator_case(EstimatorCase& c, const Breaks<EstimatorCase>& breaks) {
  const ScaleMap map = scale_map(c.params.granularity, c.shape);
  for (std::int64_t i = 0; c.x.size() > 1 && i < c.shape.elements(); ++i) {
    const auto k = static_cast<std::size_t>(map.index(i));
    const EstimatorCase part{
        {1, 1}, QParams::per_tensor(c.params.scale[k], c.params.zero_point[k], c.params.grid), window(c.x, i, 1)};
    if (breaks(part)) {
      c = part;
      break;
    }
  }
  std::vector<QParams> simpler;
  for (const Grid& grid : {Grid::signed_bits(2), c.params.grid}) {
    for (const float scale : {1.0f, 0.5f}) {
      QParams p = c.params;
      p.grid = grid;
      std::fill(p.scale.begin(), p.scale.end(), scale);
      std::fill(p.zero_point.begin(), p.zero_point.end(), 0);
      simpler.push_back(p);
    }
  }
  replace_first(c, &EstimatorCase::params, simpler, breaks);
  c.x = shrink(c.x, [&](const std::vector<float>& x) { return breaks(EstimatorCase{c.shape, c.params, x}); });
}

inline std::string describe(const EstimatorCase& c) {
  return formatted("x {} = {}, scale {}, zero point {}, grid {}..{}, {}", c.shape, testing::text(c.x),
                     testing::text(c.params.scale), c.params.zero_point[0], c.params.grid.lo, c.params.grid.hi,
                     text_of(c.params.granularity));
}

// Slope by slope: what pull gives for dy, divided by it, equals that of the surrogate.
inline std::optional<Fault> wrong_slope(const ErasedEstimator& estimator, const EstimatorCase& c, float dy) {
  const Tensor<float> dx = estimator.pull(c, dy);
  const ScaleMap map = scale_map(c.params.granularity, c.shape);
  for (std::int64_t i = 0; i < dx.size() && i < c.shape.elements(); ++i) {
    const auto k = static_cast<std::size_t>(map.index(i));
    const double at = c.x[static_cast<std::size_t>(i)];
    const double h = 1e-4 * static_cast<double>(c.params.scale[k]);
    const double below = estimator.surrogate(at - h, c.params, k);
    const double middle = estimator.surrogate(at, c.params, k);
    const double above = estimator.surrogate(at + h, c.params, k);
    if (std::abs(above - 2 * middle + below) > 1e-3 * h) continue;  // a kink
    const double slope = (above - below) / (2 * h) * static_cast<double>(dy);
    if (std::abs(slope - static_cast<double>(dx[i])) < 1e-3 * std::abs(static_cast<double>(dy))) continue;
    return Fault{formatted("dx[{}] for dy = {} at x[{}] = {}", i, dy, i, c.x[static_cast<std::size_t>(i)]),
                 formatted("{:.6g}, {}the slope of surrogate()", slope, dy == 1 ? "" : formatted("{} times ", dy)),
                 formatted("{:.6g}", dx[i])};
  }
  return std::nullopt;
}

// Mean of the gradient over the step around a code, with the case's scales on the grid of int8.
inline std::optional<Fault> wrong_mean(const ErasedEstimator& estimator, const EstimatorCase& c, double code,
                                       double mean) {
  constexpr std::int64_t points = 256;
  const auto scales = static_cast<std::int64_t>(c.params.scale.size());
  EstimatorCase row{{scales, points}, c.params, {}};
  row.params.grid = Grid::int8();
  std::fill(row.params.zero_point.begin(), row.params.zero_point.end(), 0);
  for (std::int64_t i = 0; i < scales * points; ++i) {
    const double t = code - 0.5 + (static_cast<double>(i % points) + 0.5) / static_cast<double>(points);
    row.x.push_back(static_cast<float>(t * static_cast<double>(c.params.scale[static_cast<std::size_t>(i / points)])));
  }
  for (const float dy : {1.0f, -2.0f}) {
    const Tensor<float> dx = estimator.pull(row, dy);
    for (std::int64_t k = 0; k < scales && dx.size() == scales * points; ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < points; ++i) sum += static_cast<double>(dx[k * points + i]);
      const double got = sum / static_cast<double>(points), expected = mean * static_cast<double>(dy);
      if (std::abs(got - expected) <= 0.02) continue;
      return Fault{formatted("dy = {} over the step of code {}, scale {}, grid -128..127, instead", dy, code,
                               c.params.scale[static_cast<std::size_t>(k)]),
                   formatted("{:.6g} on average", expected), formatted("{:.6g}", got)};
    }
  }
  return std::nullopt;
}

inline std::vector<Law<EstimatorCase>> estimator_laws(const ErasedEstimator& estimator,
                                                      const EstimatorPromises& promises) {
  std::vector<Law<EstimatorCase>> laws;
  laws.push_back({"the shape is kept", [&estimator](const EstimatorCase& c) -> std::optional<Fault> {
                    const Shape got = estimator.pull(c, 0.0f).shape();
                    if (got == c.shape) return std::nullopt;
                    return Fault{{}, formatted("a gradient {}", c.shape), formatted("{}", got)};
                  }});
  laws.push_back({"a zero gradient gives zero", [&estimator](const EstimatorCase& c) -> std::optional<Fault> {
                    const Tensor<float> dx = estimator.pull(c, 0.0f);
                    for (std::int64_t i = 0; i < dx.size(); ++i) {
                      if (dx[i] == 0.0f) continue;
                      return Fault{formatted("dx[{}]", i), "0", formatted("{}", dx[i])};
                    }
                    return std::nullopt;
                  }});
  if (estimator.surrogate) {
    laws.push_back({"the surrogate's finite difference equals pull",
                    [&estimator](const EstimatorCase& c) { return wrong_slope(estimator, c, 1.0f); }});
    laws.push_back({"a negative gradient is carried as a positive one",
                    [&estimator](const EstimatorCase& c) { return wrong_slope(estimator, c, -2.0f); }});
  }
  if (promises.inside) {
    laws.push_back({"inside the range the gradient has the promised mean",
                    [&estimator, mean = *promises.inside](const EstimatorCase& c) {
                      const double code = std::floor(std::abs(static_cast<double>(c.x[0])) * 8);
                      return wrong_mean(estimator, c, std::min(code, 64.0), mean);
                    }});
  }
  if (promises.outside) {
    laws.push_back({"beyond the range the gradient has the promised mean",
                    [&estimator, mean = *promises.outside](const EstimatorCase& c) {
                      std::optional<Fault> fault = wrong_mean(estimator, c, 200.0, mean);
                      return fault ? fault : wrong_mean(estimator, c, -200.0, mean);
                    }});
  }
  return laws;
}

}  // namespace detail

/// Checks an estimator.
/// Laws:  the gradient has the input's shape; a zero gradient gives zero; with a surrogate(x, p, scale index), pull
///        equals its central difference times dy, of either sign, wherever it is smooth; over one step, in and beyond
///        the range, the gradient has the promised mean
template <class E>
LawReport check_estimator_laws(const E& estimator, const EstimatorPromises& promises = {},
                               const LawOptions& options = {}) {
  if constexpr (check_estimator<E>()) {
    const detail::ErasedEstimator erased = detail::erase_estimator(estimator);
    return check_laws(detail::estimator_laws(erased, promises),
                      Cases<EstimatorCase>{detail::draw_estimator_case, detail::shrink_estimator_case,
                                           [](const EstimatorCase& c) { return detail::describe(c); }},
                      options);
  } else {
    return {};
  }
}

}  // namespace stet::testing
