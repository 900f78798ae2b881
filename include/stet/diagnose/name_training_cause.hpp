#pragma once
// Causes in training: what the model says of its run, what it was compared with, its data; then training again with one thing
// changed.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/diagnose/name_cause.hpp>
#include <stet/data/random_subset.hpp>
#include <stet/diagnose/training_change.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/passes/reestimate_batch_norm.hpp>

#include <optional>
#endif

namespace stet {

/// What is known when quantization without training does not explain the loss.
struct TrainingCase {
  const Question& question;
  const Replay& replay;
  const Dataset& data;      ///< images of the diagnosis
  const Answers& reference; ///< of the FP32 that is quoted
  const Answers& fp32;      ///< of the checkpoint
  const Answers* control;   ///< null without one
  const Answers& qat;       ///< deployed
  const Measured& measured;
};

/// Adds the causes that it finds to a diagnosis, the decisive first, and the code of the cure.
STET_ENTRY void name_training_causes(const TrainingCase& c, Diagnosis& d, std::string& cure_code);

#if STET_DEFINE_ENTRIES
namespace detail {

inline Cause training_cause(const char* id, const char* title, std::string what, const char* cure) {
  Cause cause;
  cause.id = id;
  cause.title = title;
  cause.what = std::move(what);
  cause.cure = cure;
  return cause;
}

// The control loses as much as QAT: quantization is innocent. Which comparison, data or training it was.
inline void name_loss_of_control(const TrainingCase& c, Diagnosis& d) {
  const WorseRule& rule = c.question.rule;
  const PairedDifference of_control = compare(c.reference, *c.control), of_checkpoint = compare(c.reference, c.fp32);
  if (of_checkpoint.worse(rule) && !compare(c.fp32, *c.control).worse(rule)) {
    Cause cause = training_cause("reference_trained_longer", "Compared with an FP32 model that trained longer",
                                 formatted("the checkpoint that QAT started from is {:.2f} points below the FP32 that is quoted, and the control {:.2f}.",
                                           -of_checkpoint.points, -of_control.points),
                                 "train FP32 to its end first, or compare QAT with FP32 that trained as long from the same checkpoint");
    cause.effect = of_checkpoint;
    cause.points = of_checkpoint.points;
    cause.loss = of_checkpoint.loss;
    d.causes.push_back(cause);
    return;
  }
  const Dataset& train = c.question.train;
  // Either may know of classes that the other has not.
  const int classes = std::max(train.classes(), c.data.classes());
  std::vector<std::int64_t> of_class(static_cast<std::size_t>(classes), 0);
  for (const std::int32_t label : train.labels()) ++of_class[static_cast<std::size_t>(label)];
  std::vector<std::int64_t> wanted(of_class.size(), 0);
  for (const std::int32_t label : c.data.labels()) ++wanted[static_cast<std::size_t>(label)];
  int missing = 0;
  for (std::size_t k = 0; k < of_class.size(); ++k) missing += of_class[k] == 0 && wanted[k] > 0 ? 1 : 0;
  if (missing > 0) {
    Cause cause = training_cause("data_missing_classes", "Fine-tuned on images of some classes only",
                                 formatted("{} of {} classes have no image in the training data.", missing, classes),
                                 "fine-tune on images of all classes");
    cause.evidence.push_back(evidence("classes without an image", "", missing, "0", true));
    d.causes.push_back(cause);
    return;
  }
  const double on_train = 100 * answers_of(c.question.fp32, random_subset(train, 2000, c.question.seed)).accuracy(), on_data = 100 * c.fp32.accuracy();
  if (on_train < on_data - 3) {
    Cause cause = training_cause("training_images_differ", "Training images that are not as those of evaluation",
                                 formatted("FP32 has {:.2f} % of the training images right and {:.2f} % of the others.", on_train, on_data),
                                 "leave out noise or augmentation that the FP32 model was not trained with, and preprocess both alike");
    cause.evidence.push_back(evidence("FP32 on training images, %", "", on_train, "not below validation", true));
    d.causes.push_back(cause);
  }
}

// Nothing else explains that training on makes the network worse: there may be too little to learn from.
inline void name_few_images(const TrainingCase& c, Diagnosis& d) {
  const std::int64_t each = c.question.train.size() / c.question.train.classes();
  if (each >= 100) return;
  Cause cause = training_cause("few_images", "Fine-tuned on few images", formatted("{} training images are {} of a class.", c.question.train.size(), each),
                               "fine-tune on some thousand images, those that FP32 was trained on if they are at hand");
  cause.evidence.push_back(evidence("training images of a class", "", static_cast<double>(each), "at least some hundred", true));
  d.causes.push_back(cause);
}

// Of the trained model with batch norm re-estimated; nothing where that cannot be: of one image there are no statistics.
inline std::optional<Answers> answers_settled(const TrainingCase& c) {
  QatModel settled = *c.question.qat;
  if (settled.recipe().simulated() || c.question.train.size() < 2) return std::nullopt;
  reestimate_batch_norm(settled, c.question.train, {.batches = 20});
  return answers_of(settled, c.data);
}

// What the model itself says of its run.
inline void name_phases(const TrainingCase& c, Diagnosis& d) {
  const QatModel& qat = *c.question.qat;
  const QatPhases& phases = qat.phases();
  if (phases.float_steps + phases.quantized_steps == 0) return;
  if (phases.quantized_steps == 0) {
    Cause cause = training_cause("never_quantized", "Quantization was never switched on in training",
                                 formatted("{} training steps were made in float, none quantized.", phases.float_steps),
                                 "let Recipe::schedule.quantize_at lie before the end, and use fit or QatSteps so that the model hears of its progress");
    cause.intervention = "never_quantized";
    cause.evidence.push_back(evidence("quantized steps", "", 0, "all or most", true));
    d.causes.push_back(cause);
  } else if (phases.steps_with_batch_norm_frozen == 0) {
    const std::optional<Answers> a = answers_settled(c);
    if (a && compare(c.qat, *a).better(c.question.rule)) {
      Cause cause = training_cause("schedule_unfinished", "Training ended before batch norm was frozen",
                                   "no step was made with the deployed arithmetic, and running statistics lag behind the weights.",
                                   "let fit or QatSteps reach the end of the run, or call reestimate_batch_norm before convert");
      cause.evidence.push_back(evidence("steps with batch norm frozen", "", 0, "a quarter of the run", true));
      d.causes.push_back(cause);
    }
  }
}

inline const DiagnosedNode* most_drifted(const std::vector<DiagnosedNode>& nodes) {
  const DiagnosedNode* most = nullptr;
  for (const DiagnosedNode& n : nodes) {
    if (most == nullptr || n.batch_norm_drift > most->batch_norm_drift) most = &n;
  }
  return most;
}

// The trained model's running statistics, put right on the weights as they are: this says whether they are at fault.
inline void name_statistics(const TrainingCase& c, const Answers& fair, Diagnosis& d) {
  const std::optional<Answers> a = answers_settled(c);
  if (!a) return;
  const PairedDifference gap = compare(fair, c.qat), left = compare(fair, *a);
  if (gap.loss <= 0 || gap.points >= 0) return;  // no gap to close a part of
  const double of_loss = (gap.loss - left.loss) / gap.loss, of_accuracy = (gap.points - left.points) / gap.points;
  if (of_loss < c.question.share || of_accuracy < c.question.share) return;
  const std::vector<DiagnosedNode> nodes = measure_nodes(*c.question.qat, c.question.train);
  const DiagnosedNode* most = most_drifted(nodes);
  Cause cause = training_cause("batch_norm_statistics", "Running statistics of batch norm that do not fit the data",
                               formatted("at {} the data lie {:.3g} standard deviations from the running mean.", most->node, most->batch_norm_drift),
                               "re-estimate batch norm after training: reestimate_batch_norm(qat, train)");
  cause.intervention = "reestimate";
  cause.share = std::min(of_loss, of_accuracy);
  cause.evidence.push_back(evidence("batch norm drift", most->node, most->batch_norm_drift, "at most 0.014", most->batch_norm_drift > c.measured.healthy.drift));
  d.causes.push_back(cause);
}

// Trains again from the checkpoint, one thing changed at a time. The first that closes the gap decides; if none does, the one
// that closes most of it, if that is more than half: few bits may not reach the control at all.
inline void retrain(const TrainingCase& c, bool control, const Answers& fair, const Answers& worse, Diagnosis& d, std::string& cure_code) {
  const PairedDifference gap = compare(fair, worse);
  if (gap.loss <= 0 || gap.points >= 0) return;
  const auto share = [](const InterventionResult& r) { return std::min(r.share_of_loss, r.share_of_accuracy); };
  const TrainingReplay start{c.replay, *c.question.fit};
  std::optional<InterventionResult> best;
  const std::vector<TrainingChange> changes = default_training_changes();
  const TrainingChange* of_best = nullptr;
  for (const TrainingChange& change : changes) {
    if (control && !change.of_control) continue;
    TrainingReplay changed = start;
    if (!change.change(changed)) continue;
    Answers a;
    try {
      a = control ? answers_of(changed.control(), c.data) : deployed_answers(changed.qat(), c.data);
    } catch (const Error& e) {
      if (e.code() != Errc::range && e.code() != Errc::unsupported) throw;
      continue;  // training diverges with this change
    }
    const PairedDifference left = compare(fair, a);
    InterventionResult r{change.id, change.name, change.cure, a.accuracy(), a.mean_loss(), (gap.loss - left.loss) / gap.loss, (gap.points - left.points) / gap.points, false, 0};
    // Training moves accuracy by itself: half of the gap is enough where what is left could be that.
    r.closes = share(r) >= (left.worse(c.question.rule) ? c.question.share : std::min(0.5, c.question.share));
    d.interventions.push_back(r);
    if (!best || r.closes || share(r) > share(*best)) {
      best = r;
      of_best = &change;
    }
    if (r.closes) break;
  }
  if (!best || share(*best) < 0.5) return;
  Cause cause = training_cause(best->id.c_str(), of_best->title.c_str(), formatted("training again with {} closes {:.0f} % of the loss and {:.0f} % of the points.", best->name, 100 * best->share_of_loss, 100 * best->share_of_accuracy), best->cure.c_str());
  cause.intervention = best->id;
  cause.share = share(*best);
  cause.effect = gap;
  cause.points = gap.points;
  cause.loss = gap.loss;
  cause.evidence.push_back(evidence(of_best->measure, "", of_best->value(start), of_best->healthy, true));
  cure_code = of_best->code + "\n";
  d.causes.push_back(std::move(cause));
}

}  // namespace detail

STET_ENTRY void name_training_causes(const TrainingCase& c, Diagnosis& d, std::string& cure_code) {
  const WorseRule& rule = c.question.rule;
  const Answers& fair = c.control != nullptr ? *c.control : c.reference;
  const PairedDifference of_control = c.control != nullptr ? compare(c.reference, *c.control) : PairedDifference{}, of_qat = compare(fair, c.qat);
  // What float training loses too is looked for first where it is the larger part.
  if (of_control.worse(rule) && (!of_qat.worse(rule) || of_control.points < of_qat.points)) {
    detail::name_loss_of_control(c, d);
    if (d.causes.empty() && c.question.fit) detail::retrain(c, true, c.fp32, *c.control, d, cure_code);
    if (d.causes.empty()) detail::name_few_images(c, d);
    if (!d.causes.empty() || !of_qat.worse(rule)) return;
  }
  detail::name_phases(c, d);
  if (d.causes.empty()) detail::name_statistics(c, fair, d);
  if (d.causes.empty() && c.question.fit) detail::retrain(c, false, fair, c.qat, d, cure_code);
}
#endif

}  // namespace stet
