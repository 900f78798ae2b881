#pragma once
// MovingAverageObserver: the exponential average of the batches' ranges.

#include <stet/core/rounding.hpp>
#include <stet/quant/range_observer.hpp>

namespace stet {

/// Exponential moving average of the range of each batch. The first batch is taken as it is.
/// Formula:   lo += constant * (lo_batch - lo), hi likewise; merge: average weighted by the numbers of batches
/// Errors:    Errc::range if the constant is not in (0, 1]
/// Source:    PyTorch 2.13, MovingAverageMinMaxObserver (golden set qparams)
class MovingAverageObserver : public RangeObserver<MovingAverageObserver> {
 public:
  static constexpr const char* name = "MovingAverageObserver";
  MovingAverageObserver() : MovingAverageObserver(Granularity::per_tensor()) {}
  explicit MovingAverageObserver(const Granularity& granularity, float constant = 0.01f)
      : RangeObserver(granularity), constant_(constant) {
    require(constant > 0.0f && constant <= 1.0f, Errc::range, "{}: constant {} must be in (0, 1]", name, constant);
  }
  [[nodiscard]] float constant() const { return constant_; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, constant {}", RangeObserver::describe(), constant_);
  }

 private:
  friend class RangeObserver<MovingAverageObserver>;
  void fold(Range& state, const Range& batch) const {
    state.lo += rounded_product(constant_, batch.lo - state.lo);
    state.hi += rounded_product(constant_, batch.hi - state.hi);
  }
  Range join(const Range& a, std::int64_t a_batches, const Range& b, std::int64_t b_batches) const {
    const auto wa = static_cast<double>(a_batches);
    const auto wb = static_cast<double>(b_batches);
    const auto mean = [&](float x, float y) {
      const double sum = rounded_product(wa, static_cast<double>(x)) + rounded_product(wb, static_cast<double>(y));
      return static_cast<float>(sum / (wa + wb));
    };
    return {mean(a.lo, b.lo), mean(a.hi, b.hi)};
  }

  float constant_;
};

}  // namespace stet
