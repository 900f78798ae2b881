#pragma once
// Adam and AdamW.

#include <stet/core/lanes.hpp>
#include <stet/core/square_roots.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/train/optimizer.hpp>

#include <cmath>
#include <type_traits>

namespace stet {

namespace detail {

// Numbers of one Adam update, the same for all elements.
struct AdamStep {
  double beta1, beta2, eps;
  double rate;     // lr / (1 - beta1^t)
  double correct;  // 1 / sqrt(1 - beta2^t)
  double shrink;   // x is multiplied by this first (decoupled decay)
  double coupled;  // added to the gradient times x (coupled decay)
};

template <class T>
void adam_block(const AdamStep& a, std::span<T> x, std::span<const T> dx, std::span<const std::span<T>> slots) {
  constexpr std::int64_t tile = 1024;  // stays in the first-level cache between the three loops
  alignas(64) std::array<T, tile> root;
  const T keep1 = static_cast<T>(a.beta1), keep2 = static_cast<T>(a.beta2);
  const T take1 = static_cast<T>(1 - a.beta1), take2 = static_cast<T>(1 - a.beta2);
  const T rate = static_cast<T>(a.rate), correct = static_cast<T>(a.correct), eps = static_cast<T>(a.eps);
  const T shrink = static_cast<T>(a.shrink), coupled = static_cast<T>(a.coupled);
  const auto n = static_cast<std::int64_t>(x.size());
  for (std::int64_t first = 0; first < n; first += tile) {
    const std::int64_t count = n - first < tile ? n - first : tile;
    T* const __restrict px = x.data() + first;
    const T* const __restrict pdx = dx.data() + first;
    T* const __restrict pm = slots[0].data() + first;
    T* const __restrict pv = slots[1].data() + first;
    T* const __restrict r = root.data();
    vectorized([=] { lanes(count, [=](std::int64_t i) {
      const T g = pdx[i] + coupled * px[i];
      pm[i] = keep1 * pm[i] + take1 * g;
      pv[i] = keep2 * pv[i] + take2 * g * g;
      r[i] = pv[i];
    }); });
    square_roots(r, count);
    vectorized([=] { lanes(count, [=](std::int64_t i) { px[i] = shrink * px[i] - rate * pm[i] / (correct * r[i] + eps); }); });
  }
}

inline AdamStep adam_step(double lr, double beta1, double beta2, double eps, std::int64_t count) {
  const auto t = static_cast<double>(count);
  return {beta1, beta2, eps, lr / (1 - std::pow(beta1, t)), 1 / std::sqrt(1 - std::pow(beta2, t)), 1.0, 0.0};
}

inline void check_adam(const char* name, double lr, double beta1, double beta2, double eps, double weight_decay) {
  require(lr >= 0 && eps >= 0 && weight_decay >= 0, Errc::range,
          "{}: lr {}, eps {} and weight_decay {} must not be negative", name, lr, eps, weight_decay);
  require(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, Errc::range,
          "{}: beta1 {} and beta2 {} must lie in [0, 1)", name, beta1, beta2);
}

}  // namespace detail

/// Adam; weight decay, if any, is added to the gradient. The fields mean what they mean in torch.optim.Adam.
/// Formula:   g = dx + weight_decay*x; m = beta1*m + (1-beta1)*g; v = beta2*v + (1-beta2)*g^2;
///            x -= lr/(1-beta1^t) * m / (sqrt(v/(1-beta2^t)) + eps)
/// Source:    Kingma and Ba 2015, algorithm 1, arXiv 1412.6980
struct Adam {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;

  [[nodiscard]] const char* name() const { return "adam"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, betas {} {}, eps {}, weight decay {}", name(), beta1, beta2, eps, weight_decay);
  }
  [[nodiscard]] std::vector<const char*> slots() const { return {"mean", "square"}; }
  /// Errors:    Errc::range if lr, eps or weight_decay is negative or a beta lies outside [0, 1)
  void check() const { detail::check_adam("Adam", lr, beta1, beta2, eps, weight_decay); }
  template <class T>
  void update(const UpdateStep& step, std::span<T> x, std::span<const std::type_identity_t<T>> dx,
              std::span<const std::span<std::type_identity_t<T>>> slots) const {
    detail::adam_block<T>(numbers(step), x, dx, slots);
  }

 private:
  [[nodiscard]] detail::AdamStep numbers(const UpdateStep& step) const {
    auto a = detail::adam_step(step.lr, beta1, beta2, eps, step.count);
    a.coupled = step.decay ? weight_decay : 0.0;
    return a;
  }
};

/// Adam with decoupled weight decay. The fields mean what they mean in torch.optim.AdamW.
/// Formula:   x *= 1 - lr*weight_decay, then as Adam without decay
/// Source:    Loshchilov and Hutter 2019, algorithm 2, arXiv 1711.05101
struct AdamW {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;

  [[nodiscard]] const char* name() const { return "adamw"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, betas {} {}, eps {}, weight decay {}", name(), beta1, beta2, eps, weight_decay);
  }
  [[nodiscard]] std::vector<const char*> slots() const { return {"mean", "square"}; }
  /// Errors:    Errc::range if lr, eps or weight_decay is negative or a beta lies outside [0, 1)
  void check() const { detail::check_adam("AdamW", lr, beta1, beta2, eps, weight_decay); }
  template <class T>
  void update(const UpdateStep& step, std::span<T> x, std::span<const std::type_identity_t<T>> dx,
              std::span<const std::span<std::type_identity_t<T>>> slots) const {
    detail::adam_block<T>(numbers(step), x, dx, slots);
  }

 private:
  [[nodiscard]] detail::AdamStep numbers(const UpdateStep& step) const {
    auto a = detail::adam_step(step.lr, beta1, beta2, eps, step.count);
    a.shrink = 1 - step.lr * (step.decay ? weight_decay : 0.0);
    return a;
  }
};

static_assert(Optimizer<Adam> && Optimizer<AdamW>);

}  // namespace stet
