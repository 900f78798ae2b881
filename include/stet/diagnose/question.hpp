#pragma once
// Question: what diagnose() is asked: models, how they were made, and data.

#include <stet/data/dataset.hpp>
#include <stet/diagnose/intervention.hpp>
#include <stet/diagnose/paired.hpp>
#include <stet/train/fit_options.hpp>

#include <optional>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#endif

namespace stet {

/// The same training with another seed, and its own control.
struct Repetition {
  const QatModel* qat = nullptr;
  const Model* control = nullptr;  ///< without it the FP32 that the first run is compared with
};

/// Why is this model worse? What is pointed at must outlive the call, and is not changed.
struct Question {
  Model fp32;                          ///< the checkpoint from which quantization started
  Recipe recipe{};
  const QatModel* qat = nullptr;       ///< what training made of it; without it the question is about post-training quantization
  const Model* control = nullptr;      ///< FP32 trained on from the checkpoint for as many epochs as QAT
  std::vector<Repetition> repetitions{};  ///< further seeds: worse is then what most of them say
  const Model* reference = nullptr;    ///< the FP32 model whose accuracy is quoted, if that is not the checkpoint
  const QatModel* calibrated = nullptr;  ///< the quantized model before training, if a hand fixed ranges in it
  std::optional<Dataset> calibration{};  ///< images that gave the ranges; without them those of the training set
  Dataset train;
  Dataset validation;                  ///< cures are chosen on it
  std::optional<FitOptions> fit{};     ///< how QAT was trained; then causes in training are tried too, which takes training
  const FitReport* history = nullptr;  ///< what fit reported
  std::vector<Intervention> interventions = default_interventions();
  WorseRule rule{};
  double share = 0.8;                  ///< of the gap in loss and in accuracy that an intervention must close to be the cause
  std::int64_t images = 2000;          ///< of validation, drawn at random; 0: all
  std::uint64_t seed = 1;              ///< of drawing
};

/// Post-training quantization of the question's checkpoint, as it was done: with the ranges that a hand fixed; where nobody
/// kept the calibration images, with those of the trained model.
/// Errors:    Errc::state if the data are empty
STET_ENTRY Replay replay_of(const Question& question);
/// The same question with another run first, counted from 1 over the repetitions; who is compared with whom stays.
STET_ENTRY Question about_run(const Question& question, std::size_t run);
/// Answers of the deployed integers; of a recipe that is simulated, of its forward.
/// Errors:    as convert and evaluate
STET_ENTRY Answers deployed_answers(const QatModel& qat, const Dataset& data);

#if STET_DEFINE_ENTRIES
STET_ENTRY Replay replay_of(const Question& q) {
  Replay replay{q.fp32, q.recipe, q.calibration ? *q.calibration : q.train, q.train, {}, {}, {}, {}};
  if (q.calibrated != nullptr) {
    replay.ranges = ranges_of(*q.calibrated, false);
  } else if (q.qat != nullptr && !q.calibration) {
    replay.starts = ranges_of(*q.qat, true);
    replay.ranges = ranges_of(*q.qat, false);
  }
  return replay;
}

STET_ENTRY Question about_run(const Question& q, std::size_t run) {
  Question other = q;
  const Model* fair = q.control != nullptr ? q.control : q.reference != nullptr ? q.reference : &q.fp32;
  for (Repetition& r : other.repetitions) {
    if (r.control == nullptr) r.control = fair;
  }
  Repetition& chosen = other.repetitions.at(run - 1);
  other.qat = chosen.qat;
  other.control = chosen.control;
  other.history = nullptr;  // of the first run
  chosen = {q.qat, fair};
  return other;
}

STET_ENTRY Answers deployed_answers(const QatModel& qat, const Dataset& data) {
  if (qat.recipe().simulated()) return answers_of(qat, data);
  return answers_of(Engine(convert(qat)), data);
}
#endif

}  // namespace stet
