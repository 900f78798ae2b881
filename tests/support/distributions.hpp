// Three distributions with unit scale: samples of them, and the signal-to-noise ratio that quantization parameters reach on
// the distribution itself, by integration.
#pragma once

#include <stet/core/random.hpp>
#include <stet/quant/qparams.hpp>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace stet_test {

enum class Distribution { normal, laplace, relu };  // variance 1; 1; that of max(0, normal)

inline std::vector<float> sample(Distribution d, std::size_t count, std::uint64_t seed) {
  stet::Rng rng(seed);
  std::vector<float> x(count);
  for (float& v : x) {
    double draw = 0;
    if (d == Distribution::laplace) {
      const double u = 0.5 - rng.uniform();  // never -0.5
      draw = -std::copysign(std::log(1.0 - 2.0 * std::fabs(u) + 1e-300), u) / std::numbers::sqrt2;
    } else {
      draw = rng.normal();
    }
    v = static_cast<float>(d == Distribution::relu && draw < 0.0 ? 0.0 : draw);
  }
  return x;
}

/// The values at the probabilities (i + 1/2) / count: a sample without sampling noise, sorted.
inline std::vector<float> quantiles(Distribution d, std::size_t count) {
  std::vector<float> x(count);
  double at = 0;  // above the median, by Newton's method from the quantile before; the rest is its mirror image
  for (std::size_t i = count / 2; i < count; ++i) {
    const double above = 1.0 - (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    if (d == Distribution::laplace) {
      at = -std::log(2.0 * above) / std::numbers::sqrt2;
    } else {
      for (int step = 0; step < 5; ++step) {
        const double density = std::exp(-0.5 * at * at) / std::sqrt(2.0 * std::numbers::pi);
        at += (0.5 * std::erfc(at / std::numbers::sqrt2) - above) / density;
      }
    }
    x[i] = static_cast<float>(at);
    x[count - 1 - i] = d == Distribution::relu ? 0.0f : -x[i];
  }
  return x;
}

/// E[x^2] / E[(x - fake_quantize(x))^2] in decibels, for parameters of one scale.
inline double signal_to_noise(Distribution d, const stet::QParams& p) {
  const auto density = [&](double x) {
    if (d == Distribution::laplace) return std::exp(-std::numbers::sqrt2 * std::fabs(x)) / std::numbers::sqrt2;
    if (d == Distribution::relu && x < 0.0) return 0.0;  // the mass at 0 has no error
    return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
  };
  const auto error = [&](double from, double to, double centre) {  // Simpson
    const int parts = 64;
    const double h = (to - from) / parts;
    double sum = 0;
    for (int i = 0; i <= parts; ++i) {
      const double x = from + h * i;
      sum += (i == 0 || i == parts ? 1 : (i % 2 == 1 ? 4 : 2)) * (x - centre) * (x - centre) * density(x);
    }
    return sum * h / 3.0;
  };
  const double s = static_cast<double>(p.scale[0]);
  const double tail = 40.0;
  double noise = 0;
  for (std::int32_t code = p.grid.lo; code <= p.grid.hi; ++code) {
    const double centre = s * (code - p.zero_point[0]);
    const double from = centre - s / 2, to = centre + s / 2;
    if (from < 0.0 && to > 0.0) {  // the Laplace density has a kink at 0, that of ReLU a jump
      noise += error(from, -1e-12, centre) + error(1e-12, to, centre);
    } else {
      noise += error(from, to, centre);
    }
    const double end = code == p.grid.lo ? from : to;
    if (code != p.grid.lo && code != p.grid.hi) continue;
    for (int i = 0; i < 64; ++i) {  // what is clipped
      const double a = end + (code == p.grid.lo ? -1 : 1) * tail * i / 64, b = a + (code == p.grid.lo ? -1 : 1) * tail / 64;
      if (d != Distribution::relu || std::fmin(a, b) >= 0.0) noise += error(std::fmin(a, b), std::fmax(a, b), centre);
    }
  }
  const double signal = d == Distribution::relu ? 0.5 : 1.0;
  return 10.0 * std::log10(signal / noise);
}

/// The largest ratio that any step reaches, and that step: on a signed grid with zero point 0; for ReLU on an unsigned one.
struct Optimum {
  int bits;
  double step, decibels;
};
inline std::vector<Optimum> optima(Distribution d) {
  if (d == Distribution::normal) return {{2, 1.0485, 8.26}, {3, 0.6019, 13.91}, {4, 0.3386, 19.26}, {8, 0.0308, 40.57}};
  if (d == Distribution::laplace) return {{2, 1.2147, 6.84}, {3, 0.7621, 11.43}, {4, 0.4680, 15.98}, {8, 0.0547, 35.21}};
  return {{2, 0.6508, 13.29}, {3, 0.3534, 18.90}, {4, 0.1933, 24.33}, {8, 0.0165, 46.02}};
}

}  // namespace stet_test
