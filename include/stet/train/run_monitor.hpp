#pragma once
// RunMonitor: what fit has of a model's monitor, and nothing where the model has none.

#include <stet/core/tensor.hpp>
#include <stet/train/fit_checkpoint.hpp>
#include <stet/train/fit_options.hpp>

#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace stet::detail {

// For models without monitor_of(model, options).
template <class M>
class RunMonitor {
 public:
  RunMonitor(const M&, const MonitorOptions&) {}
  void restore(const FitState&) {}
  void keep(FitState&) const {}
  void after_step(const StepReport&, std::span<const Tensor<float>>) {}
  [[nodiscard]] double oscillating() const { return std::numeric_limits<double>::quiet_NaN(); }
  void report(FitReport&, bool) {}
};

template <class M>
  requires requires(const M& model, const MonitorOptions& o) { monitor_of(model, o); }
class RunMonitor<M> {
 public:
  // Errors:    those of the monitor's options
  RunMonitor(const M& model, const MonitorOptions& o) {
    if (o.on) monitor_.emplace(monitor_of(model, o));
  }
  void restore(const FitState& state) {
    if (monitor_) monitor_->restore(state.monitor);
  }
  void keep(FitState& state) const {
    if (monitor_) state.monitor = monitor_->state();
  }
  void after_step(const StepReport& step, std::span<const Tensor<float>> inputs) {
    if (monitor_) monitor_->after_step(step, inputs);
  }
  [[nodiscard]] double oscillating() const { return monitor_ ? monitor_->oscillating() : std::numeric_limits<double>::quiet_NaN(); }
  // What was found in the run so far; at its end also what only shows there.
  void report(FitReport& report, bool finished) {
    if (!monitor_) return;
    if (finished) monitor_->finish();
    report.findings = monitor_->findings();
  }

 private:
  std::optional<decltype(monitor_of(std::declval<const M&>(), std::declval<const MonitorOptions&>()))> monitor_{};
};

}  // namespace stet::detail
