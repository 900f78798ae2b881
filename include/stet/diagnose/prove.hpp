#pragma once
// prove: train again from the FP32 checkpoint as it was and with the cure, over seeds, and compare the deployed integers.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/diagnose/question.hpp>

#include <optional>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/check_question.hpp>
#include <stet/diagnose/training_change.hpp>

#include <algorithm>
#endif

namespace stet {

struct ProveOptions {
  int seeds = 3;                    ///< runs; seed of a run: that of Question::fit, then the next ones
  std::optional<Dataset> test{};    ///< images that nothing was chosen on; without them those of validation
};

/// Makes the change that a cause stands for and shows what it restores: with Question::fit the control, QAT as it was and QAT
/// with the cure, all from the FP32 checkpoint, for every seed; without, quantization without training once, against FP32.
/// The same change is made as diagnose() made; a cause that no change of quantization or training mends (other data, another
/// comparison) has no proof: no runs. Warnings of the repeated quantization and training are not said again.
/// Errors:    Errc::range if seeds is below 1; as diagnose and fit
STET_ENTRY Proof prove(const Question& question, const Cause& cause, const ProveOptions& options = {});

#if STET_DEFINE_ENTRIES
namespace detail {

// Makes the change with this name, of quantization or of training.
inline bool make_change(const Question& question, const std::string& id, TrainingReplay& t) {
  for (const Intervention& i : question.interventions) {
    if (i.id == id) return i.change(t.replay);
  }
  for (const TrainingChange& c : default_training_changes()) {
    if (c.id == id) return c.change(t);
  }
  return false;
}

}  // namespace detail

STET_ENTRY Proof prove(const Question& question, const Cause& cause, const ProveOptions& options) {
  require(options.seeds >= 1, Errc::range, "prove: {} seeds, must be at least 1", options.seeds);
  const detail::QuietReplays quiet;
  detail::check_question("prove", question);
  const Dataset data = options.test ? *options.test : question.validation;
  detail::check_answered("prove", data);
  Proof proof;
  proof.cure = cause.intervention;
  proof.rule = question.rule;
  const bool trains = question.fit.has_value();
  TrainingReplay before{replay_of(question), trains ? *question.fit : FitOptions{}};
  TrainingReplay after = before;
  if (cause.intervention.empty() || !detail::make_change(question, cause.intervention, after)) return proof;
  const Answers fp32 = answers_of(question.reference != nullptr ? *question.reference : question.fp32, data);
  double gap = 0, restored = 0;
  for (int s = 0; s < (trains ? options.seeds : 1); ++s) {
    ProofRun run;
    run.seed = before.fit.seed + (s > 0 ? 1 : 0);
    before.fit.seed = after.fit.seed = run.seed;
    const auto titled = [&](TrainingReplay& t, const char* what) -> TrainingReplay& {
      t.fit.title = formatted("proof {} of {}: {}", s + 1, options.seeds, what);
      return t;
    };
    const Answers control = trains ? answers_of(titled(before, "control").control(), data) : fp32;
    const Answers was = deployed_answers(trains ? titled(before, "as it was").qat() : before.replay.quantize(), data);
    const Answers now = deployed_answers(trains ? titled(after, "with the cure").qat() : after.replay.quantize(), data);
    run.fp32 = fp32.accuracy();
    // Where training itself was at fault the control has the fault too: then FP32 is what can be restored.
    run.control = std::max(control.accuracy(), compare(fp32, control).worse(question.rule) ? fp32.accuracy() : 0.0);
    run.before = was.accuracy();
    run.after = now.accuracy();
    run.after_against_before = compare(was, now);
    const Answers& fair = run.control == control.accuracy() ? control : fp32;
    run.before_against_control = compare(fair, was);
    run.after_against_control = compare(fair, now);
    gap += run.control - run.before;
    restored += run.after - run.before;
    proof.runs.push_back(run);
  }
  proof.restored = gap > 0 ? restored / gap : 1.0;
  return proof;
}
#endif

}  // namespace stet
