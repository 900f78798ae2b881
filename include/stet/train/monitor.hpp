#pragma once
// Monitor: watches the training of a quantized model and says what goes wrong while it does, with the step at which it began.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/monitor_state.hpp>
#include <stet/train/training_cause.hpp>
#include <stet/train/training_finding.hpp>
#include <stet/train/weight_watch.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/warning.hpp>
#include <stet/model/check_stages.hpp>
#include <stet/model/measure_values.hpp>
#include <stet/model/network_meter.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#endif

namespace stet {

/// Looks at a model after every step of a run, closely at some of them, and warns once per cause: ranges that cannot leave a
/// wrong start, batch norm that drifts after it was frozen, weights that oscillate to the end, dead and saturated channels,
/// learned scales that run away, values whose gradient the range stops, a learning rate that is still high at the end, a
/// schedule that was not finished, quantization that was never switched on. fit has one of its own (FitOptions::monitor); a
/// loop of one's own tells it of its steps:
///
///   Monitor monitor(qat);
///   while (steps.next()) {
///     ...  // forward, backward, update
///     monitor.after_step({.step = steps.step(), .steps = steps.total(), .lr = rate}, x);
///   }
///   monitor.finish();
///
/// It only looks: training has the same bits with it and without. A cause is said when it has lasted a tenth of the run or to
/// its end, and at least two looks; those that training may still mend are said at the end. The model must outlive it.
/// Errors:    Errc::range if an option is impossible
class Monitor {
 public:
  explicit Monitor(const QatModel& qat, const MonitorOptions& options = {});

  /// After the update of a step; the inputs are those that it was made on.
  void after_step(const StepReport& report, std::span<const Tensor<float>> inputs);
  void after_step(const StepReport& report, const Tensor<float>& x) { after_step(report, std::span(&x, 1)); }
  /// After the last step.
  void finish();

  /// What was found so far, in the order of its beginning.
  [[nodiscard]] std::vector<TrainingFinding> findings() const;
  /// Part of the weights of 2 to 4 bits that jump between two codes now; not a number if there are none.
  [[nodiscard]] double oscillating() const { return watch_.oscillating(state_); }

  /// State, for checkpoints. One that is of another model is left out.
  [[nodiscard]] const detail::MonitorState& state() const { return state_; }
  void restore(detail::MonitorState state);
  template <class F>
  void fields(F&& f) {
    state_.fields(f);
  }

 private:
  using Cause = detail::TrainingCause;

  [[nodiscard]] std::size_t slot(Cause cause, std::size_t unit) const { return static_cast<std::size_t>(cause) * qat_->units().size() + unit; }
  void look(std::span<const Tensor<float>> inputs);
  void look_closely(std::span<const Tensor<float>> inputs);
  void look_at_ranges(std::span<const Tensor<float>> inputs);
  void look_at_batch_norm(std::span<const Tensor<float>> inputs);
  void look_at_scales();
  void note(Cause cause, std::size_t unit, double value, bool suspicious);
  void say(bool at_end);
  [[nodiscard]] std::vector<float> learned_scales(std::size_t unit) const;

  const QatModel* qat_;
  MonitorOptions options_;
  detail::WeightWatch watch_;
  detail::MonitorState state_;
  std::int64_t every_ = 1;
};

#if STET_DEFINE_ENTRIES
STET_ENTRY Monitor::Monitor(const QatModel& qat, const MonitorOptions& options) : qat_(&qat), options_(options), watch_(qat) {
  require(options.every >= 0 && options.images >= 1, Errc::range,
          "Monitor: every {} must not be negative (0: as the length of the run asks), images {} must be positive", options.every, options.images);
  restore({});
}

STET_ENTRY void Monitor::restore(detail::MonitorState state) {
  const std::size_t slots = detail::training_causes * qat_->units().size();
  if (state.since.size() == slots && state.began.size() == slots && state.value.size() == slots &&
      state.most_oscillating.size() == qat_->units().size() && watch_.fits(state)) {
    state_ = std::move(state);
    return;
  }
  state_ = {};
  state_.since.assign(slots, -1);
  state_.began.assign(slots, -1);
  state_.value.assign(slots, 0.0);
  state_.most_oscillating.assign(qat_->units().size(), 0.0);
}

STET_ENTRY void Monitor::after_step(const StepReport& report, std::span<const Tensor<float>> inputs) {
  state_.step = report.step;
  state_.steps = report.steps;
  state_.lr = report.lr;
  state_.highest_lr = std::max(state_.highest_lr, report.lr);
  every_ = options_.every > 0 ? options_.every : std::max<std::int64_t>(25, report.steps / 40);
  watch_.after_step(state_);
  const bool froze_now = qat_->batch_norm_frozen() && state_.batch_norm_from < 0;
  if (state_.step % every_ == 0 || state_.step + 1 == report.steps || froze_now) look(inputs);
}

// What cannot be measured (values that are no numbers) ends no run: training says it itself.
STET_ENTRY void Monitor::look(std::span<const Tensor<float>> inputs) {
  try {
    look_closely(inputs);
  } catch (const Error&) {
  }
  say(false);
}

STET_ENTRY void Monitor::look_closely(std::span<const Tensor<float>> inputs) {
  const QatSchedule& schedule_of = qat_->recipe().schedule;
  const bool ever = schedule_of.quantize_at * static_cast<double>(state_.steps) <= static_cast<double>(state_.steps - 1);
  note(Cause::never_quantized, 0, schedule_of.quantize_at, !qat_->quantizing() && !ever);
  if (qat_->quantizing()) {
    look_at_scales();
    for (std::size_t u = 0; u < qat_->units().size(); ++u) {
      const double part = watch_.oscillating(state_, u);
      state_.most_oscillating[u] = std::max(state_.most_oscillating[u], part);
      note(Cause::oscillation, u, part, part > options_.healthy.oscillating);
    }
    if (!qat_->recipe().simulated()) {
      look_at_ranges(inputs);
    }
    if (qat_->batch_norm_frozen()) look_at_batch_norm(inputs);
  }
}

// Values of the float network on some of the images, beside the ranges.
STET_ENTRY void Monitor::look_at_ranges(std::span<const Tensor<float>> inputs) {
  const HealthyRanges& h = options_.healthy;
  const std::int64_t images = std::min(options_.images, inputs[0].shape()[0]);
  std::vector<std::int64_t> positions(static_cast<std::size_t>(images));
  std::iota(positions.begin(), positions.end(), std::int64_t{0});
  detail::NetworkMeter meter(*qat_);
  meter.show(detail::some_images(inputs, 0, images), positions, detail::NetworkMeter::Pass::both);
  const std::vector<MeasuredNode> nodes = std::move(meter).finish();
  const std::vector<double> p999 = detail::needed_of_scales(*qat_, nodes);
  const double most_stopped = detail::limit_of_stopped(nodes, h.stopped);
  const bool alike = detail::float_stands_for_codes(nodes);
  for (std::size_t u = 0; u < nodes.size(); ++u) {
    const Unit& unit = qat_->units()[u];
    const MeasuredNode& node = nodes[u];
    if (unit.shares_scale() || unit.real_output || qat_->runtime_fixes(unit.quantizer)) continue;
    const Quantizer& q = qat_->quantizer(unit.quantizer);
    const double needed = p999[static_cast<std::size_t>(unit.quantizer)];
    const double reach = needed > 0 ? std::max(std::fabs(node.low), std::fabs(node.high)) / needed : 1.0;
    // While batch norm is live its statistics lag behind, and the float network's values with them: then only a hand's ranges are judged.
    const bool settled = q.fixed() || qat_->phases().ranges_held || qat_->batch_norm_frozen();
    const bool narrow = alike && settled && reach < h.least_reach && node.clipped > h.clipped;
    const bool stuck = q.state() == QuantizerState::frozen && (reach > h.most_reach || narrow);
    note(Cause::ranges_stuck, u, reach, stuck);
    note(Cause::gradients_stopped, u, node.stopped, !stuck && node.stopped > most_stopped);
    if (node.channels == 0) continue;
    const double still = static_cast<double>(node.dead_channels + node.saturated_channels) / static_cast<double>(node.channels);
    note(Cause::dead_channels, u, still, still > h.stuck_channels && !stuck);
  }
}

// What the quantized network's batches are now, against the statistics that it is deployed with.
STET_ENTRY void Monitor::look_at_batch_norm(std::span<const Tensor<float>> inputs) {
  constexpr std::int64_t most_images = 128;
  const bool just_frozen = state_.batch_norm_from < 0;
  if (just_frozen) state_.batch_norm_from = state_.step;
  const std::int64_t images = inputs[0].shape()[0];
  if (images < 8) return;
  const std::vector<double> shifts = batch_norm_shifts(*qat_, detail::some_images(inputs, 0, std::min(most_images, images)));
  // Off as it was frozen, or only later because the weights went on: one cause for the whole network.
  bool at_once = just_frozen;
  for (std::size_t u = 0; u < shifts.size(); ++u) at_once = at_once || state_.since[slot(Cause::batch_norm_statistics, u)] >= 0;
  for (std::size_t u = 0; u < shifts.size(); ++u) {
    const bool off = shifts[u] > options_.healthy.drift;
    note(Cause::batch_norm_statistics, u, shifts[u], off && at_once);
    note(Cause::batch_norm_frozen_early, u, shifts[u], off && !at_once);
  }
}

STET_ENTRY std::vector<float> Monitor::learned_scales(std::size_t u) const {
  const Unit& unit = qat_->units()[u];
  std::vector<float> scales;
  if (unit.learns_weight_scale) scales = qat_->weight_scale(unit);
  const Quantizer& q = qat_->quantizer(unit.quantizer);
  if (q.learned() && !unit.shares_scale()) scales.push_back(q.params().scale[0]);
  return scales;
}

STET_ENTRY void Monitor::look_at_scales() {
  constexpr float smallest = 1e-6f;  // of a layer that was zero at the start
  std::vector<std::vector<float>> now;
  std::size_t count = 0;
  for (std::size_t u = 0; u < qat_->units().size(); ++u) {
    now.push_back(learned_scales(u));
    count += now.back().size();
  }
  if (state_.start_scales.size() != count || state_.start_sizes.size() != now.size()) {
    state_.start_scales.assign(count, 0.0f);
    state_.start_sizes.assign(now.size(), 0.0);
  }
  float* start = state_.start_scales.data();
  for (std::size_t u = 0; u < now.size(); ++u) {
    // Scales of weights that grow with their weights are as they should be.
    const double size = watch_.size(state_, u);
    double& start_size = state_.start_sizes[u];
    if (start_size < static_cast<double>(smallest)) start_size = size;
    const double growth = start_size > 0 && size > 0 ? size / start_size : 1.0;
    const std::size_t of_weights = qat_->units()[u].learns_weight_scale ? qat_->weight_scale(qat_->units()[u]).size() : 0;
    double least = 1, most = 1, apart = 1;  // of the weights' scales; that of the activation stands alone
    for (std::size_t k = 0; k < now[u].size(); ++k) {
      const float s = now[u][k];
      if (*start < smallest) *start = s;
      const double ratio = static_cast<double>(s) / static_cast<double>(std::max(*start++, smallest));
      if (k < of_weights) {
        least = std::min(least, ratio / growth);
        most = std::max(most, ratio / growth);
      } else {
        apart = std::max(ratio, 1 / ratio);
      }
    }
    apart = std::max(apart, most / least);
    note(Cause::scale_learning_rate, u, apart, apart > options_.healthy.scale_growth);
  }
}

STET_ENTRY void Monitor::note(Cause cause, std::size_t unit, double value, bool suspicious) {
  const std::size_t i = slot(cause, unit);
  if (state_.began[i] >= 0 && !suspicious) return;  // as it was when it was found
  state_.value[i] = value;
  if (!suspicious) {
    state_.since[i] = -1;
  } else if (state_.since[i] < 0) {
    state_.since[i] = state_.step;
  }
}

STET_ENTRY void Monitor::say(bool at_end) {
  const std::int64_t patience = std::max(every_, state_.steps / 10);
  for (int c = 0; c < detail::training_causes; ++c) {
    const auto cause = static_cast<Cause>(c);
    const bool of_run = detail::of_run(cause);  // known at once
    const bool may_mend = cause == Cause::oscillation || cause == Cause::gradients_stopped;
    bool said = false, found = false;
    for (std::size_t u = 0; u < qat_->units().size(); ++u) {
      const std::size_t i = slot(cause, u);
      said = said || state_.began[i] >= 0;
    }
    for (std::size_t u = 0; u < qat_->units().size(); ++u) {
      const std::size_t i = slot(cause, u);
      const std::int64_t since = state_.since[i];
      if (since < 0 || state_.began[i] >= 0) continue;
      const bool lasted = of_run || (at_end ? state_.step > since : !may_mend && state_.step - since >= patience);
      if (!lasted) continue;
      state_.began[i] = since;
      found = true;
    }
    if (!found || said) continue;
    for (const TrainingFinding& f : findings()) {
      if (f.cause == detail::name(cause)) warn("monitor: {}", f);
    }
  }
}

STET_ENTRY void Monitor::finish() {
  if (state_.steps == 0) return;
  const double movement = detail::WeightWatch::movement(state_);
  // Turns are counted over the last 70 steps or so: what falls with the learning rate would have come to rest.
  for (std::size_t u = 0; u < qat_->units().size(); ++u) {
    if (watch_.oscillating(state_, u) < 0.8 * state_.most_oscillating[u]) state_.since[slot(Cause::oscillation, u)] = -1;
  }
  note(Cause::schedule, 0, movement, qat_->quantizing() && state_.lr > 0.5 * state_.highest_lr && movement > options_.healthy.movement);
  for (const detail::StageFinding& f : detail::stage_findings(*qat_)) {
    note(f.unfinished ? Cause::schedule_unfinished : Cause::never_quantized, 0, static_cast<double>(state_.step + 1) / static_cast<double>(state_.steps), true);
  }
  say(true);
}

STET_ENTRY std::vector<TrainingFinding> Monitor::findings() const {
  std::vector<TrainingFinding> found;
  for (int c = 0; c < detail::training_causes; ++c) {
    const auto cause = static_cast<Cause>(c);
    std::vector<std::size_t> units;
    std::int64_t step = 0;
    double worst = 0;
    for (std::size_t u = 0; u < qat_->units().size(); ++u) {
      const std::size_t i = slot(cause, u);
      if (state_.began[i] < 0) continue;
      const double value = state_.value[i];
      const auto size = [](double v) { return v > 0 ? std::fabs(std::log(v)) : 0.0; };
      const bool ratio = cause == Cause::ranges_stuck;
      if (units.empty() || (ratio ? size(value) > size(worst) : value > worst)) worst = value;
      step = units.empty() ? state_.began[i] : std::min(step, state_.began[i]);
      units.push_back(u);
    }
    if (units.empty()) continue;
    TrainingFinding f = detail::finding_of(cause, worst, options_.healthy);
    f.step = step;
    const bool of_layers = cause == Cause::oscillation || cause == Cause::batch_norm_statistics || cause == Cause::batch_norm_frozen_early;
    for (const std::size_t u : units) {
      if (!detail::of_run(cause)) f.nodes.push_back(qat_->node_name(of_layers ? qat_->units()[u].node : qat_->units()[u].output));
    }
    if (cause == Cause::schedule) f.what = formatted("the learning rate is still {:.3g} at the end: {}", state_.lr, f.what);
    for (const detail::StageFinding& s : detail::stage_findings(*qat_)) {  // in the words of check, once the run is over
      if (cause != (s.unfinished ? Cause::schedule_unfinished : Cause::never_quantized) ) continue;
      f.what = s.what;
      f.cure = s.remedy;
    }
    found.push_back(std::move(f));
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

#endif

}  // namespace stet
