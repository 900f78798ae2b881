#pragma once
// TrainingCause: what a monitor looks for, and the words for it.

#include <stet/train/training_finding.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace stet::detail {

// Sections of docs/why.md.
enum class TrainingCause {
  never_quantized,
  ranges_stuck,
  batch_norm_statistics,
  batch_norm_frozen_early,
  oscillation,
  dead_channels,
  scale_learning_rate,
  gradients_stopped,
  schedule,
  schedule_unfinished
};
inline constexpr int training_causes = 10;

constexpr const char* name(TrainingCause cause) {
  constexpr std::array<const char*, training_causes> names = {
      "never_quantized",     "ranges_stuck",      "batch_norm_statistics", "batch_norm_frozen_early", "oscillation", "dead_channels",
      "scale_learning_rate", "gradients_stopped", "schedule",              "schedule_unfinished"};
  return names[static_cast<std::size_t>(cause)];
}

// Whether it is about the run and no node of its own.
constexpr bool of_run(TrainingCause cause) {
  return cause == TrainingCause::never_quantized || cause == TrainingCause::schedule || cause == TrainingCause::schedule_unfinished;
}

// What a value of the measure of a cause means, what mends it, and what healthy networks have.
inline TrainingFinding finding_of(TrainingCause cause, double value, const HealthyRanges& h) {
  TrainingFinding f;
  f.cause = name(cause);
  f.value = value;
  const auto say = [&](std::string what, const char* cure, std::string healthy) {
    f.what = std::move(what);
    f.cure = cure;
    f.healthy = std::move(healthy);
  };
  switch (cause) {
    case TrainingCause::never_quantized:
      say(formatted("quantization is not switched on in this run: schedule.quantize_at is {:.3g}", value), "let it begin before the end", "all or most steps quantized");
      break;
    case TrainingCause::ranges_stuck:
      say(value > 1 ? formatted("a range that cannot move reaches {:.3g} times as far as 99.9 % of the values", value)
                    : formatted("99.9 % of the values reach {:.3g} times as far as a range that cannot move", 1 / value),
          "calibrate on data that are scaled as those of training, from the FP32 checkpoint, or fix another range",
          formatted("{:.3g} to {:.3g}", h.least_reach, h.most_reach));
      break;
    case TrainingCause::batch_norm_statistics:
      say(formatted("batches lie {:.3g} standard deviations from the running statistics that were frozen", value),
          "a learning rate that falls before batch norm is frozen (Cosine), or reestimate_batch_norm(qat, data) before convert",
          formatted("at most {:.3g}", h.drift));
      break;
    case TrainingCause::batch_norm_frozen_early:
      say(formatted("weights moved on after batch norm was frozen: batches lie {:.3g} standard deviations from its statistics now", value),
          "freeze batch norm later (schedule.freeze_batch_norm_at), with a learning rate that has fallen by then", formatted("at most {:.3g}", h.drift));
      break;
    case TrainingCause::oscillation:
      say(formatted("{:.0f} % of the weights jump between two codes to the end", 100 * value),
          "a learning rate that falls to 0 (Cosine), and reestimate_batch_norm(qat, data) before convert", formatted("at most {:.0f} %", 100 * h.oscillating));
      break;
    case TrainingCause::dead_channels:
      say(formatted("{:.0f} % of the channels are dead or saturated", 100 * value),
          "look at gamma, beta and the range there; a lower learning rate from the FP32 checkpoint", formatted("at most {:.0f} %", 100 * h.stuck_channels));
      break;
    case TrainingCause::scale_learning_rate:
      say(formatted("learned scales of a layer lie {:.3g} times apart from where they began", value), "Recipe::scale_lr_factor = 1, and a lower learning rate",
          formatted("at most {:.3g}", h.scale_growth));
      break;
    case TrainingCause::gradients_stopped:
      say(formatted("{:.0f} % of the values lie beyond the range, which stops their gradients", 100 * value),
          "calibrate again after the values have settled, or let ranges move for longer", formatted("at most {:.0f} %", 100 * h.stopped));
      break;
    case TrainingCause::schedule:
      say(formatted("each step moves weights by {:.2g} % of their size", 100 * value), "a rate that falls to 0: FitOptions::schedule = Cosine{}",
          formatted("at most {:.2g} %", 100 * h.movement));
      break;
    case TrainingCause::schedule_unfinished:
      say(formatted("the run ended after {:.0f} % of its steps", 100 * value), "let it reach its end", "the run to its end");
      break;
  }
  return f;
}

}  // namespace stet::detail
