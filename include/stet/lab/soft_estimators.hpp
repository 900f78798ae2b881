#pragma once
// Estimators that take the derivative of a smooth staircase for that of rounding: DSQ, tanh, sigmoid.

#include <stet/qat/pull_by_input.hpp>

#include <cmath>
#include <string>

namespace stet {

namespace detail {

// tanh staircase of sharpness k, t in steps: exact on integers, steepest half way between them.
inline double tanh_staircase(double t, double k) {
  const double lower = std::floor(t);
  return lower + 0.5 + 0.5 * std::tanh(k * (t - lower - 0.5)) / std::tanh(0.5 * k);
}
inline double tanh_staircase_slope(double t, double k) {
  const double e = std::exp(-2.0 * std::abs(k * (t - std::floor(t) - 0.5)));  // 1 - tanh^2 = 4e / (1 + e)^2
  return 2.0 * k * e / ((1.0 + e) * (1.0 + e) * std::tanh(0.5 * k));
}

inline Pulled pull_tanh(const char* op, const Tensor<float>& dy, const Kept& kept, const QParams& p, double k) {
  return pull_by_input<false>(op, dy, kept, p, [k](float x, float, const CodeRule<float>& r) {
    if (!in_range(x, r)) return 0.0f;
    return static_cast<float>(tanh_staircase_slope(static_cast<double>(x) / static_cast<double>(r.scale), k));
  });
}

}  // namespace detail

/// Soft rounding by tanh with a temperature: small is the identity, large the staircase itself.
/// Formula:   with t = x/s, f = t - floor(t) - 1/2, T the temperature:
///            soft(t) = floor(t) + 1/2 + tanh(T f) / (2 tanh(T/2))
/// Gradient:  dx = dy * T (1 - tanh^2(T f)) / (2 tanh(T/2)) inside the range, else 0: the derivative of soft, not of
///            the forward pass, which rounds
/// Errors:    Errc::range if the temperature is not in (0, 100]; Errc::shape if x was not kept
/// Source:    Agustsson and Theis 2020, arXiv 2006.09952 (soft rounding)
class TanhEstimator {
 public:
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;

  explicit TanhEstimator(double temperature = 4.0) : temperature_(temperature) {
    require(temperature > 0.0 && temperature <= 100.0, Errc::range, "TanhEstimator: temperature {} must be in (0, 100]",
            temperature);
  }
  [[nodiscard]] double temperature() const { return temperature_; }
  [[nodiscard]] std::string name() const { return formatted("tanh({})", temperature_); }
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    return detail::pull_tanh("TanhEstimator", dy, kept, p, temperature_);
  }
  [[nodiscard]] double surrogate(double x, const QParams& p, std::size_t i) const {
    const detail::SurrogateRange r(p, i);
    return r.scale * detail::tanh_staircase(r.clamp(x / r.scale), temperature_);
  }

 private:
  double temperature_;
};

/// Differentiable soft quantization: soft rounding by tanh, its sharpness given by how far it stays from the staircase.
/// Formula:   TanhEstimator with T = ln(2/alpha - 1); tanh(T/2) = 1 - alpha. alpha -> 0 is the staircase
/// Gradient:  as TanhEstimator
/// Errors:    Errc::range if alpha is not in (0, 1); Errc::shape if x was not kept
/// Source:    Gong 2019, DSQ, arXiv 1908.05033; hard rounding in the forward pass. alpha is fixed here
class DsqEstimator {
 public:
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;

  explicit DsqEstimator(double alpha = 0.4) : alpha_(alpha) {
    require(alpha > 0.0 && alpha < 1.0, Errc::range, "DsqEstimator: alpha {} must be in (0, 1)", alpha);
  }
  [[nodiscard]] double alpha() const { return alpha_; }
  [[nodiscard]] double temperature() const { return std::log(2.0 / alpha_ - 1.0); }
  [[nodiscard]] std::string name() const { return formatted("dsq({})", alpha_); }
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    return detail::pull_tanh("DsqEstimator", dy, kept, p, temperature());
  }
  [[nodiscard]] double surrogate(double x, const QParams& p, std::size_t i) const {
    return TanhEstimator(temperature()).surrogate(x, p, i);
  }

 private:
  double alpha_;
};

/// Soft rounding by a sum of sigmoids, one per threshold of the grid, with a temperature. It needs no mask: beyond the
/// range no threshold is near.
/// Formula:   with t = x/s, T the temperature: soft(t) = lo + sum over i = lo .. hi-1 of sigmoid(T (t - i - 1/2))
/// Gradient:  dx = dy * T sum sigmoid' : the derivative of soft, not of the forward pass, which rounds. Thresholds
///            where sigmoid' is below 1e-8 are left out
/// Errors:    Errc::range if the temperature is not in [0.5, 100]; Errc::shape if x was not kept
/// Source:    Yang 2019, Quantization Networks, arXiv 1911.09464
class SigmoidEstimator {
 public:
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;

  explicit SigmoidEstimator(double temperature = 4.0) : temperature_(temperature) {
    require(temperature >= 0.5 && temperature <= 100.0, Errc::range,
            "SigmoidEstimator: temperature {} must be in [0.5, 100]", temperature);
  }
  [[nodiscard]] double temperature() const { return temperature_; }
  [[nodiscard]] std::string name() const { return formatted("sigmoid({})", temperature_); }
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    const double k = temperature_;
    const auto reach = std::ceil(18.5 / k);  // e^-18.5 < 1e-8
    return detail::pull_by_input<false>(
        "SigmoidEstimator", dy, kept, p, [k, reach](float x, float, const detail::CodeRule<float>& r) {
          const double t = static_cast<double>(x) / static_cast<double>(r.scale);
          const double lo = static_cast<double>(r.lo), hi = static_cast<double>(r.hi);
          double slope = 0;
          // Starts and ends within the grid, so a t that is infinite or NaN runs over no threshold or over all.
          const double first = std::fmax(lo, std::floor(t) - reach), last = std::fmin(hi - 1, std::floor(t) + reach);
          for (double i = first; i <= last; i += 1) {
            const double e = std::exp(-std::abs(k * (t - i - 0.5)));
            slope += k * e / ((1 + e) * (1 + e));
          }
          return std::isnan(t) ? 0.0f : static_cast<float>(slope);
        });
  }
  [[nodiscard]] double surrogate(double x, const QParams& p, std::size_t i) const {
    const detail::SurrogateRange r(p, i);
    double steps = r.lo;
    for (double threshold = r.lo; threshold < r.hi; threshold += 1) {
      steps += 1 / (1 + std::exp(-temperature_ * (x / r.scale - threshold - 0.5)));
    }
    return r.scale * steps;
  }

 private:
  double temperature_;
};

}  // namespace stet
