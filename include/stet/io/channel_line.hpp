#pragma once
// ChannelLine: a factor and a summand per channel, as constant operands of files give them, and how a layer takes them in.

#include <stet/core/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// y = factor*x + summand, each one number or one per channel.
struct ChannelLine {
  std::vector<double> factor{1.0}, summand{0.0};

  [[nodiscard]] static double at(const std::vector<double>& v, std::size_t c) { return v.size() == 1 ? v[0] : v[c]; }
  /// This line and then another one, of as many channels where either has several.
  void then(const ChannelLine& next) {
    factor = joined(factor, next.factor, [](double a, double b) { return a * b; });
    summand = joined(joined(summand, next.factor, [](double a, double b) { return a * b; }), next.summand,
                     [](double a, double b) { return a + b; });
  }
  /// Whether some summand is not 0.
  [[nodiscard]] bool moves() const {
    for (const double s : summand) {
      if (s != 0.0) return true;
    }
    return false;
  }

 private:
  static std::vector<double> joined(const std::vector<double>& a, const std::vector<double>& b,
                                    double (*f)(double, double)) {
    std::vector<double> result(a.size() > b.size() ? a.size() : b.size());
    for (std::size_t c = 0; c < result.size(); ++c) result[c] = f(at(a, c), at(b, c));
    return result;
  }
};

/// Puts a line behind a layer into its constants. Channel c has the weights i with i / inner % channels == c, channels being
/// the biases; these may be none.
/// Formula:   w' = factor*w, b' = factor*b + summand, in double
/// Rounding:  to float at the end
inline void take_in(const ChannelLine& line, std::int64_t channels, std::int64_t inner, std::span<float> weights,
                    std::span<float> bias) {
  std::size_t i = 0;
  const auto n = static_cast<std::size_t>(channels), step = static_cast<std::size_t>(inner);
  while (i < weights.size()) {
    for (std::size_t c = 0; c < n; ++c) {
      const double factor = ChannelLine::at(line.factor, c);
      for (std::size_t k = 0; k < step && i < weights.size(); ++k, ++i) {
        weights[i] = static_cast<float>(static_cast<double>(weights[i]) * factor);
      }
    }
  }
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double scaled = static_cast<double>(bias[c]) * ChannelLine::at(line.factor, c);
    bias[c] = static_cast<float>(scaled + ChannelLine::at(line.summand, c));
  }
}

/// A value as an image whose last dimension is its channels, so that a depthwise 1x1 convolution can compute a line of it.
inline Shape as_image(const Shape& x) { return x.rank() == 3 ? x : Shape{1, x.elements() / x.back(), x.back()}; }

}  // namespace stet
