#pragma once
// Log-mel features: how loud each band of hearing is, moment by moment; what networks for keywords and sounds look at.

#include <stet/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

namespace stet {

/// How sound becomes bands. The values are those of keyword spotting: windows of 30 ms every 20 ms of speech at 16 kHz.
struct LogMelOptions {
  double rate = 16000;      ///< samples per second
  std::int64_t window = 480, hop = 320;  ///< samples
  std::int64_t fft = 512;   ///< length of the transform, a power of two of at least the window
  int bands = 40;
  double low = 20, high = 4000;  ///< Hz, of the lowest band's beginning and the highest one's end
  double floor = 1e-6;      ///< added before the logarithm, so that silence is finite
};

namespace detail {

// The discrete Fourier transform in place, of a power of two.
// Source:    Cooley and Tukey 1965, doi 10.1090/S0025-5718-1965-0178586-1
inline void fourier(std::vector<std::complex<double>>& x) {
  const std::size_t n = x.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (std::size_t length = 2; length <= n; length *= 2) {
    std::vector<std::complex<double>> turn(length / 2);
    for (std::size_t k = 0; k < turn.size(); ++k) turn[k] = std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
    for (std::size_t first = 0; first < n; first += length) {
      for (std::size_t k = 0; k < length / 2; ++k) {
        const std::complex<double> a = x[first + k], b = x[first + k + length / 2] * turn[k];
        x[first + k] = a + b;
        x[first + k + length / 2] = a - b;
      }
    }
  }
}

inline double mel_of(double hertz) { return 1127.0 * std::log1p(hertz / 700.0); }

inline void check_log_mel(const LogMelOptions& o) {
  require(o.rate > 0 && std::isfinite(o.rate), Errc::range, "log_mel: rate is {}, must be positive", o.rate);
  require(o.window >= 2 && o.hop >= 1, Errc::range, "log_mel: window {} and hop {}, must be at least 2 and 1 samples", o.window, o.hop);
  require(o.fft >= o.window && o.fft <= (1 << 20) && (o.fft & (o.fft - 1)) == 0, Errc::range,
          "log_mel: fft is {}, must be a power of two of at least the window's {} samples", o.fft, o.window);
  require(o.bands >= 1 && o.bands <= o.fft / 2, Errc::range, "log_mel: {} bands, must be 1 to half of fft {}", o.bands, o.fft);
  require(o.low >= 0 && o.low < o.high && o.high <= o.rate / 2, Errc::range, "log_mel: bands from {} to {} Hz, must rise and end at {} Hz, half the rate", o.low,
          o.high, o.rate / 2);
  require(o.floor > 0 && std::isfinite(o.floor), Errc::range, "log_mel: floor is {}, must be positive", o.floor);
}

}  // namespace detail

/// How much each frequency of the transform counts in each band: triangles whose corners lie evenly in mel.
/// Formula:   mel(f) = 1127 * ln(1 + f/700); corners c[0..bands+1] evenly from mel(low) to mel(high);
///            w[b,k] = max(0, min((m-c[b])/(c[b+1]-c[b]), (c[b+2]-m)/(c[b+2]-c[b+1]))), m = mel(k * rate/fft); w[b,0] = 0
/// Shapes:    [bands, fft/2 + 1]
/// Errors:    as log_mel, but for the samples
/// Source:    Young et al., The HTK Book, section 5.4; TensorFlow, signal.linear_to_mel_weight_matrix
inline Tensor<double> mel_weights(const LogMelOptions& options) {
  detail::check_log_mel(options);
  const std::int64_t frequencies = options.fft / 2 + 1;
  Tensor<double> w({options.bands, frequencies});
  auto to = w.edit();
  const double low = detail::mel_of(options.low), step = (detail::mel_of(options.high) - low) / (options.bands + 1);
  for (std::int64_t b = 0; b < options.bands; ++b) {
    const double left = low + step * static_cast<double>(b);
    for (std::int64_t k = 0; k < frequencies; ++k) {
      const double m = detail::mel_of(static_cast<double>(k) * options.rate / static_cast<double>(options.fft));
      const double inside = k == 0 ? 0.0 : std::max(0.0, std::min((m - left) / step, (left + 2 * step - m) / step));
      to[static_cast<std::size_t>(b * frequencies + k)] = inside;
    }
  }
  return w;
}

/// Logarithms of the energy in bands of hearing.
/// Formula:   frames n = 1 + (T - window)/hop, rounded down; X[n] = DFT of x[n*hop + t] * hann[t], t < window, filled with zeros to fft;
///            hann[t] = 0.5 - 0.5*cos(2*pi*t/window); y[n,b] = ln(floor + sum over k of w[b,k] * |X[n,k]|^2), w = mel_weights
/// Shapes:    samples [T] -> [n, bands]
/// Rounding:  computed in double, then to float, half to even
/// Errors:    Errc::shape if the samples are no line, or fewer than a window; Errc::range if an option is impossible or a sample not finite
/// Source:    Davis and Mermelstein 1980, doi 10.1109/TASSP.1980.1163420; for keywords Zhang et al. 2017, arXiv 1711.07128, section 2
inline Tensor<float> log_mel(const Tensor<float>& samples, const LogMelOptions& options = {}) {
  const Tensor<double> weights = mel_weights(options);
  require(samples.shape().rank() == 1, Errc::shape, "log_mel: samples must be [T], got {}; mix the channels first (Sound::mono)", samples.shape());
  const std::int64_t window = options.window, frequencies = options.fft / 2 + 1;
  require(samples.size() >= window, Errc::shape, "log_mel: {} samples are less than a window of {}; fill them up with zeros", samples.size(), window);
  const std::int64_t frames = 1 + (samples.size() - window) / options.hop;
  std::vector<double> hann(static_cast<std::size_t>(window));
  for (std::size_t t = 0; t < hann.size(); ++t) hann[t] = 0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(t) / static_cast<double>(window));
  Tensor<float> y({frames, options.bands});
  auto to = y.edit();
  std::vector<std::complex<double>> x(static_cast<std::size_t>(options.fft));
  for (std::int64_t n = 0; n < frames; ++n) {
    std::fill(x.begin(), x.end(), std::complex<double>());
    for (std::size_t t = 0; t < hann.size(); ++t) {
      const float sample = samples[n * options.hop + static_cast<std::int64_t>(t)];
      require(std::isfinite(sample), Errc::range, "log_mel: sample {} is {}", n * options.hop + static_cast<std::int64_t>(t), sample);
      x[t] = static_cast<double>(sample) * hann[t];
    }
    detail::fourier(x);
    for (std::int64_t b = 0; b < options.bands; ++b) {
      double energy = 0;
      for (std::int64_t k = 0; k < frequencies; ++k) energy += weights[b * frequencies + k] * std::norm(x[static_cast<std::size_t>(k)]);
      to[static_cast<std::size_t>(n * options.bands + b)] = static_cast<float>(std::log(options.floor + energy));
    }
  }
  return y;
}

/// The first samples of a sound, with zeros behind it where it is shorter: features of one shape for all.
/// Shapes:    samples [T] -> [length]
/// Errors:    Errc::shape if the samples are no line; Errc::range if length is not positive
inline Tensor<float> of_length(const Tensor<float>& samples, std::int64_t length) {
  require(samples.shape().rank() == 1, Errc::shape, "of_length: samples must be [T], got {}", samples.shape());
  require(length >= 1, Errc::range, "of_length: {} samples, must be positive", length);
  Tensor<float> y = Tensor<float>::zeros({length});
  std::copy_n(samples.data(), std::min(length, samples.size()), y.edit().data());
  return y;
}

}  // namespace stet
