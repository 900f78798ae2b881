#pragma once
// The part of check() and convert() that knows how a model was trained: what its integers lack where a phase was missed.

#include <stet/model/qat_model.hpp>

#include <string>
#include <vector>

namespace stet::detail {

struct StageFinding {
  std::string what{}, remedy{};
  bool unfinished = false;  // ended before its phases were over; else quantization never began
};

// Phases that training since prepare() did not reach. A model that was not trained since has none: its integers are
// those of post-training quantization, as asked for.
inline std::vector<StageFinding> stage_findings(const QatModel& qat) {
  const QatPhases& phases = qat.phases();
  std::vector<StageFinding> found;
  if (phases.quantized_steps == 0) {
    if (phases.float_steps > 0) {
      found.push_back({formatted("trained for {} steps, none of them quantized: the integers are those of post-training "
                                   "quantization",
                                   phases.float_steps),
                       "let quantization begin: schedule.quantize_at below 1, and QatSteps in an own loop"});
    }
    return found;
  }
  const auto moved = [&](const char* what, const char* lost, const char* by_hand) {
    found.push_back({formatted("{} moved to the end of {} quantized steps: {}", what, phases.quantized_steps, lost),
                     formatted("let fit or QatSteps reach the end of the run (early_stop and callbacks end it before, restore_best takes an epoch from before: "
                               "freeze earlier by Recipe::schedule), or call {} before the last steps", by_hand), true});
  };
  bool batch_norm = false;
  for (const Unit& unit : qat.units()) batch_norm = batch_norm || unit.batch_norm >= 0;
  if (phases.steps_with_ranges_frozen == 0) {
    moved("ranges", "no step was made with the scales that are deployed", "freeze_ranges()");
  }
  if (batch_norm && phases.steps_with_batch_norm_frozen == 0 && !qat.recipe().simulated()) {
    moved("batch norm", "no step was made with the deployed arithmetic", "freeze_batch_norm()");
  }
  return found;
}

}  // namespace stet::detail
