#pragma once
// Soft rounding: a weight between the two codes next to it, as a function of a number that can be learned.

#include <stet/core/requirements.hpp>

#include <cmath>

namespace stet {

/// Rectified sigmoid: how far a weight is rounded up, 0 to 1. Stretched beyond both ends, so that it reaches them.
/// Formula:   h = clip(1.2 / (1 + exp(-v)) - 0.1, 0, 1)
/// Source:    Nagel 2020, AdaRound, arXiv 2004.10568, equation 23
template <class T>
[[nodiscard]] T soft_round(T v) {
  const T h = T(1.2) / (T(1) + std::exp(-v)) - T(0.1);
  return h < T(0) ? T(0) : h > T(1) ? T(1) : h;
}

/// Formula:   dh/dv, from h: (h + 0.1) (1.1 - h) / 1.2; 0 at both ends, where a weight stays
template <class T>
[[nodiscard]] T soft_round_slope(T h) {
  return h > T(0) && h < T(1) ? (h + T(0.1)) * (T(1.1) - h) / T(1.2) : T(0);
}

/// The v from which soft_round is this part of a step, 0 to 1.
/// Formula:   v = -ln(1.2 / (part + 0.1) - 1)
template <class T>
[[nodiscard]] T soft_round_start(T part) {
  return -std::log(T(1.2) / (part + T(0.1)) - T(1));
}

/// What a weight costs that lies between its codes: 1 in the middle, 0 at both; the larger beta, the flatter in between.
/// Formula:   r = 1 - |2h - 1|^beta, and dr/dh
/// Source:    as soft_round, equation 24
template <class T>
struct RoundingCost {
  T value = 0, slope = 0;

  RoundingCost(T h, T beta) {
    const T x = T(2) * h - T(1), m = x < T(0) ? -x : x;
    const T power = m > T(0) ? std::exp((beta - T(1)) * std::log(m)) : T(0);
    value = T(1) - power * m;
    slope = T(-2) * beta * power * (x < T(0) ? T(-1) : T(1));
  }
};

}  // namespace stet
