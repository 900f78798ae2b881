#pragma once
// Gradients of scale and zero point of fake quantization, on spans: what learned ranges are made of.

#include <stet/quant/code_loop.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// How an element counts for the gradients of scale and zero point.
struct ScaleGradientRule {
  ClipMask mask = ClipMask::rounded_inclusive;  ///< which elements are inside the range
  bool rounding_term = true;                    ///< whether the rounding error of those inside counts (LSQ, TQT)
  friend bool operator==(const ScaleGradientRule&, const ScaleGradientRule&) = default;
};

/// Gradients of the parameters of fake quantization, one per scale.
/// Units:     scale: loss per real per step; zero_point: loss per step
struct ScaleGradients {
  std::vector<double> scale, zero_point;
};

namespace detail {

/// Elements of one partial sum; part of the result's definition, as the sums are added in this order.
inline constexpr std::int64_t scale_gradient_piece = 4096;

struct ScaleSums {
  double scale = 0, outside = 0;
};

// What one element adds to the two sums; v are its rounded steps.
template <ClipMask mask, bool rounding, class T>
[[gnu::always_inline]] inline void add_element(T x, T dy, const CodeRule<T>& r, double& scale, double& outside) {
  const T v = rounded_steps(x, r);
  const double end = static_cast<double>(clamped_steps(v, r));
  const double g = static_cast<double>(dy);
  // A factor of 0 or 1 instead of a choice, which would not vectorize; so what is not chosen must be finite.
  const double inside = static_cast<int>(passes<mask>(x, v, r));
  double t = static_cast<double>(x) / static_cast<double>(r.scale);
  const double least = static_cast<double>(r.lo) - 1, most = static_cast<double>(r.hi) + 1;
  t = t > least ? t : least;  // false for NaN
  t = t < most ? t : most;
  const double error = rounding ? static_cast<double>(v) - t : 0.0;
  scale += g * (end + inside * (error - end));
  outside += g * (1.0 - inside);
}

// Sums over n elements with one scale: lane by lane, then across lanes in order.
template <ClipMask mask, bool rounding, class T>
ScaleSums sum_run(const T* x, const T* dy, std::int64_t n, const CodeRule<T>& r) {
  std::array<double, lane_count> scale{}, outside{};
  double* s = scale.data();
  double* o = outside.data();
  std::int64_t i = 0;
  for (; i + lane_count <= n; i += lane_count) {
    const T* in = x + i;
    const T* g = dy + i;
    lanes(lane_count, [=](std::int64_t j) { add_element<mask, rounding>(in[j], g[j], r, s[j], o[j]); });
  }
  for (std::int64_t j = 0; i < n; ++i, ++j) add_element<mask, rounding>(x[i], dy[i], r, s[j], o[j]);
  ScaleSums sums;
  for (std::size_t j = 0; j < lane_count; ++j) {
    sums.scale += scale[j];
    sums.outside += outside[j];
  }
  return sums;
}

// Runs of consecutive elements with one scale, cut into pieces; the pieces are added in order.
template <ClipMask mask, bool rounding, class T>
void sum_by_runs(const T* x, const T* dy, std::int64_t n, const QParams& p, const ScaleMap& map,
                 std::vector<ScaleSums>& sums) {
  const std::int64_t runs = n / map.inner;
  const std::int64_t per_run = (map.inner + scale_gradient_piece - 1) / scale_gradient_piece;
  std::vector<ScaleSums> pieces(static_cast<std::size_t>(runs * per_run));
  parallel_chunks(runs * per_run, map.inner < scale_gradient_piece ? map.inner : scale_gradient_piece, [&](Chunk c) {
    for (std::int64_t i = c.first; i < c.last; ++i) {
      const std::int64_t run = i / per_run;
      const Chunk part = chunk_of(map.inner, per_run, i % per_run);
      const std::int64_t first = run * map.inner + part.first;
      pieces[static_cast<std::size_t>(i)] = sum_run<mask, rounding>(
          x + first, dy + first, part.size(), code_rule<T>(p, static_cast<std::size_t>(run % map.count)));
    }
  });
  for (std::int64_t i = 0; i < runs * per_run; ++i) {
    ScaleSums& sum = sums[static_cast<std::size_t>(i / per_run % map.count)];
    sum.scale += pieces[static_cast<std::size_t>(i)].scale;
    sum.outside += pieces[static_cast<std::size_t>(i)].outside;
  }
}

// Rows of elements whose scales change from one to the next, such as channels on the last axis.
template <ClipMask mask, bool rounding, class T>
void sum_by_rows(const T* x, const T* dy, std::int64_t n, const QParams& p, const ScaleMap& map,
                 std::vector<ScaleSums>& sums) {
  const std::int64_t period = map.inner * map.count;
  const std::int64_t rows = n / period;
  const std::int64_t chunks = chunk_count(rows, period);
  const auto width = static_cast<std::size_t>(period);
  std::vector<double> partial(static_cast<std::size_t>(chunks) * 2 * width);
  const RuleTable<T> table(p, map, map.inner * map.count);
  parallel(chunks, [&](std::int64_t k) {
    const Chunk c = chunk_of(rows, chunks, k);
    double* s = partial.data() + static_cast<std::size_t>(k) * 2 * width;
    double* o = s + width;
    for (std::int64_t row = c.first; row < c.last; ++row) {
      const T* in = x + row * period;
      const T* g = dy + row * period;
      lanes(period, [=, rules = table.rules()](std::int64_t j) {
        add_element<mask, rounding>(in[j], g[j], rules(j), s[j], o[j]);
      });
    }
  });
  for (std::size_t k = 0; k < static_cast<std::size_t>(chunks); ++k) {
    for (std::size_t j = 0; j < width; ++j) {
      ScaleSums& sum = sums[j / static_cast<std::size_t>(map.inner)];
      sum.scale += partial[k * 2 * width + j];
      sum.outside += partial[k * 2 * width + width + j];
    }
  }
}

template <class T>
ScaleGradients scale_gradients(std::span<const T> x, std::span<const T> dy, const Shape& shape, const QParams& p,
                               const ScaleGradientRule& rule) {
  check_codes("fake_quantize_scale_backward", shape, p, x.size(), x.size());
  require(dy.size() == x.size(), Errc::shape, "fake_quantize_scale_backward: x has {} elements, dy has {}", x.size(),
          dy.size());
  std::vector<ScaleSums> sums(p.scale.size());
  const ScaleMap map = scale_map(p.granularity, shape);
  if (!x.empty()) {
    with_mask(rule.mask, [&](auto policy) {
      const auto sum = [&](auto rounding) {
        constexpr ClipMask mask = decltype(policy)::value;
        const bool rows = map.count > 1 && map.inner < lane_count && map.inner * map.count <= longest_table;
        (rows ? sum_by_rows<mask, decltype(rounding)::value, T>
              : sum_by_runs<mask, decltype(rounding)::value, T>)(x.data(), dy.data(), shape.elements(), p, map, sums);
      };
      rule.rounding_term ? sum(std::true_type()) : sum(std::false_type());
    });
  }
  ScaleGradients gradients;
  for (std::size_t k = 0; k < sums.size(); ++k) {
    gradients.scale.push_back(sums[k].scale);
    gradients.zero_point.push_back(-static_cast<double>(p.scale[k]) * sums[k].outside);
  }
  return gradients;
}

}  // namespace detail

/// Gradients of scale and zero point of fake_quantize by the straight-through estimator.
/// Formula:   dscale = sum dy * { rne(x/s) - x/s inside (0 without the rounding term); n - z below; p - z above };
///            dzero_point = sum dy * { 0 inside; -s outside }; NaN counts as below
/// Shapes:    x, dy of `shape` -> one gradient per scale of p
/// Units:     x real; dy loss per real
/// Gradient:  not the derivative (STE): rounding counts as the identity; beyond the range it is the true derivative
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid (see check)
/// Source:    Esser 2020, LSQ, arXiv 1902.08153, equation 3
inline ScaleGradients fake_quantize_scale_backward(std::span<const float> x, std::span<const float> dy,
                                                   const Shape& shape, const QParams& p,
                                                   const ScaleGradientRule& rule = {}) {
  return detail::scale_gradients(x, dy, shape, p, rule);
}
inline ScaleGradients fake_quantize_scale_backward(std::span<const double> x, std::span<const double> dy,
                                                   const Shape& shape, const QParams& p,
                                                   const ScaleGradientRule& rule = {}) {
  return detail::scale_gradients(x, dy, shape, p, rule);
}

}  // namespace stet
