#pragma once
// One factor, one shift and one clamp per channel: what batch normalization is once its statistics are given, and what a
// prepared layer does to its results while they are in the cache.

#include <stet/core/lanes.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/ops/channel_periods.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace stet {

/// Mean and biased variance of every channel.
struct Moments {
  Tensor<double> mean{}, variance{};
};

/// The clamp that follows a normalization: none, ReLU or ReLU6.
enum class Clamp { none, relu, relu6 };

namespace detail {

// Ends of a clamp; infinite without one, so that the loops need no second form.
template <class T>
struct ClampEnds {
  T low, high;
  explicit ClampEnds(Clamp clamp)
      : low(clamp == Clamp::none ? -std::numeric_limits<T>::infinity() : T{0}),
        high(clamp == Clamp::relu6 ? T{6} : std::numeric_limits<T>::infinity()) {}
  [[nodiscard]] STET_ALWAYS_INLINE T operator()(T z) const {
    const T not_low = z < low ? low : z;
    return not_low > high ? high : not_low;
  }
};

}  // namespace detail

/// Formula:   y = clamp(scale * x + shift), per channel; of one made with a clamp alone y = clamp(x); of none y = x
/// Shapes:    x, y [..., C]
template <class T>
class ScaleShift {
 public:
  explicit ScaleShift(Clamp clamp = Clamp::none) : any_(clamp != Clamp::none), ends_(clamp) {}

  /// A normalization: scale = gamma / sqrt(variance + eps), shift = beta - mean * scale, computed in double.
  /// Shapes:    gamma, beta, moments [C]
  ScaleShift(const Tensor<T>& gamma, const Tensor<T>& beta, const Moments& moments, double eps, Clamp clamp)
      : any_(true), ends_(clamp), pattern_(gamma.size(), gamma.size()) {
    Tensor<double> a(Shape{gamma.size()}), b(Shape{gamma.size()});
    double* to_a = a.edit().data();
    double* to_b = b.edit().data();
    for (std::int64_t c = 0; c < gamma.size(); ++c) {
      to_a[c] = static_cast<double>(gamma[c]) / std::sqrt(moments.variance[c] + eps);
      to_b[c] = static_cast<double>(beta[c]) - moments.mean[c] * to_a[c];
    }
    scale_ = pattern_.template repeat<T>(to_a);
    shift_ = pattern_.template repeat<T>(to_b);
  }

  /// The factors of a period of elements, as ChannelPeriods of the same channels counts them.
  [[nodiscard]] const T* scale() const { return scale_.data(); }
  [[nodiscard]] const T* shift() const { return shift_.data(); }
  [[nodiscard]] const detail::ClampEnds<T>& ends() const { return ends_; }
  /// Whether it changes anything.
  [[nodiscard]] bool any() const { return any_; }

  /// In place, on the calling thread: `count` elements that begin with the first channel.
  void apply(T* y, std::int64_t count) const {
    if (!any_) return;
    const detail::ClampEnds<T> ends = ends_;
    if (scale_.empty()) {
      vectorized([&] { lanes(count, [=](std::int64_t i) { y[i] = ends(y[i]); }); });
      return;
    }
    const std::int64_t period = pattern_.period;
    const T* a = scale_.data();
    const T* b = shift_.data();
    vectorized([&] {
      for (std::int64_t e = 0; e < count; e += period) {
        T* run = y + e;
        lanes(count - e < period ? count - e : period, [=](std::int64_t i) { run[i] = ends(run[i] * a[i] + b[i]); });
      }
    });
  }

 private:
  bool any_;
  detail::ClampEnds<T> ends_;
  detail::ChannelPeriods pattern_{1, 1};
  Tensor<T> scale_{}, shift_{};
};

}  // namespace stet
