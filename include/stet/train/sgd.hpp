#pragma once
// Stochastic gradient descent with momentum.

#include <stet/core/lanes.hpp>
#include <stet/train/optimizer.hpp>

#include <type_traits>

namespace stet {

/// Stochastic gradient descent; the fields mean what they mean in torch.optim.SGD.
/// Formula:   g = dx + weight_decay*x; v = momentum*v + (1-dampening)*g (v = g at the first update);
///            x -= lr*(nesterov ? g + momentum*v : v)
/// Source:    Sutskever et al. 2013, On the importance of initialization and momentum in deep learning
struct Sgd {
  double lr = 1e-2;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;

  [[nodiscard]] const char* name() const { return "sgd"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, momentum {}, dampening {}{}, weight decay {}", name(), momentum, dampening,
                       nesterov ? ", nesterov" : "", weight_decay);
  }
  [[nodiscard]] std::vector<const char*> slots() const {
    if (momentum == 0) return {};
    return {"momentum"};
  }
  /// Errors:    Errc::range if an option is negative, or nesterov without momentum or with dampening
  void check() const {
    require(lr >= 0 && momentum >= 0 && weight_decay >= 0, Errc::range,
            "Sgd: lr {}, momentum {} and weight_decay {} must not be negative", lr, momentum, weight_decay);
    require(!nesterov || (momentum > 0 && dampening == 0), Errc::range,
            "Sgd: nesterov needs momentum > 0 and dampening 0, got {} and {}", momentum, dampening);
  }
  template <class T>
  void update(const UpdateStep& step, std::span<T> x, std::span<const std::type_identity_t<T>> dx,
              std::span<const std::span<std::type_identity_t<T>>> slots) const {
    const auto n = static_cast<std::int64_t>(x.size());
    const T rate = static_cast<T>(step.lr), decay = static_cast<T>(step.decay ? weight_decay : 0.0);
    T* const __restrict px = x.data();
    const T* const __restrict pdx = dx.data();
    if (momentum == 0) {
      lanes(n, [=](std::int64_t i) { px[i] -= rate * (pdx[i] + decay * px[i]); });
      return;
    }
    const bool first = step.count == 1;
    const T keep = static_cast<T>(first ? 0.0 : momentum), take = static_cast<T>(first ? 1.0 : 1 - dampening);
    const T along = static_cast<T>(momentum);
    T* const __restrict pv = slots[0].data();
    if (nesterov) {
      lanes(n, [=](std::int64_t i) {
        const T g = pdx[i] + decay * px[i];
        pv[i] = keep * pv[i] + take * g;
        px[i] -= rate * (g + along * pv[i]);
      });
    } else {
      lanes(n, [=](std::int64_t i) {
        pv[i] = keep * pv[i] + take * (pdx[i] + decay * px[i]);
        px[i] -= rate * pv[i];
      });
    }
  }
};

static_assert(Optimizer<Sgd>);

}  // namespace stet
