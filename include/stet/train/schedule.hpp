#pragma once
// Schedules: the factor by which the learning rate is multiplied at a step.

#include <stet/core/error.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <numbers>
#include <utility>

namespace stet {

/// Factor of the learning rate at step 0 .. total-1 of a run of `total` steps.
template <class S>
concept Schedule = std::copy_constructible<S> && requires(const S& s, std::int64_t step, std::int64_t total) {
  { s.at(step, total) } -> std::convertible_to<double>;
};

/// The same rate all the time.
struct Constant {
  [[nodiscard]] double at(std::int64_t, std::int64_t) const { return 1.0; }
};

/// Half a cosine wave from 1 down to `floor`, and floor from then on.
/// Formula:   floor + (1-floor) * (1 + cos(pi*step/period)) / 2
/// Source:    Loshchilov and Hutter 2017, equation 5, arXiv 1608.03983
struct Cosine {
  double floor = 0.0;       ///< relative to the initial rate
  std::int64_t period = 0;  ///< in steps; 0: the whole run
  [[nodiscard]] double at(std::int64_t step, std::int64_t total) const {
    const std::int64_t length = period > 0 ? period : total;
    if (step >= length) return floor;
    const double phase = static_cast<double>(step) / static_cast<double>(length);
    return floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * phase));
  }
};

/// The rate is multiplied by `factor` after every `every` steps.
/// Formula:   factor^floor(step/every)
/// Errors:    Errc::range if every < 1
struct StepDecay {
  std::int64_t every = 0;  ///< in steps
  double factor = 0.1;
  [[nodiscard]] double at(std::int64_t step, std::int64_t) const {
    require(every >= 1, Errc::range, "StepDecay: every is {} steps, must be at least 1", every);
    return std::pow(factor, static_cast<double>(step / every));
  }
};

/// Any schedule behind one type. A value; the default is Constant.
class AnySchedule {
 public:
  AnySchedule() : AnySchedule(Constant{}) {}
  template <class S>
    requires(!std::same_as<S, AnySchedule> && Schedule<S>)
  AnySchedule(S schedule)  // NOLINT: implicit by design, `.schedule = Cosine{}`
      : at_([s = std::move(schedule)](std::int64_t step, std::int64_t total) {
          return static_cast<double>(s.at(step, total));
        }) {}
  /// Errors:    Errc::range if step is negative or not below total
  [[nodiscard]] double at(std::int64_t step, std::int64_t total) const {
    require(step >= 0 && step < total, Errc::range, "schedule: step {} is outside of a run of {} steps", step, total);
    return at_(step, total);
  }

 private:
  std::function<double(std::int64_t, std::int64_t)> at_;
};

/// Linear rise from `start` to 1 over the first `steps` steps, then another schedule over the rest of the run.
/// Formula:   start + (1-start) * (step+1)/(steps+1) while step < steps, then then.at(step-steps, total-steps)
struct Warmup {
  std::int64_t steps = 0;
  double start = 0.0;
  AnySchedule then = Constant{};
  [[nodiscard]] double at(std::int64_t step, std::int64_t total) const {
    if (step < steps) return start + (1 - start) * static_cast<double>(step + 1) / static_cast<double>(steps + 1);
    return then.at(step - steps, total - steps);
  }
};

}  // namespace stet
