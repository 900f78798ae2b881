#pragma once
// Diagnosis: what diagnose() found, as plain data: reports print it, draw it and write it.

#include <stet/core/entry.hpp>
#include <stet/diagnose/paired.hpp>
#include <stet/model/measured_node.hpp>
#include <stet/qat/recipe.hpp>
#include <stet/train/fit_options.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// One model on the images of the diagnosis.
struct DiagnosedModel {
  std::string id{};    ///< "fp32", "control", "ptq", "weights_only", "activations_only", "qat_float", "qat_forward", "deployed", ...
  std::string name{};  ///< for people: "FP32 continued (the control)"
  double accuracy = 0, loss = 0;
  std::optional<PairedDifference> against{};  ///< compared with the model named `other`
  std::string other{};                        ///< id of that model
};

/// Something measured that explains: beside its healthy range, as trained networks without a fault have it.
struct Evidence {
  std::string measure{};  ///< "range / p99.9"
  std::string node{};     ///< empty: of the whole
  double value = 0;
  std::string healthy{};  ///< "1.6 to 2.3"
  bool suspicious = false;
};

/// One thing changed, everything else as it was, from the FP32 checkpoint.
struct InterventionResult {
  std::string id{};    ///< "recalibrate"
  std::string name{};  ///< for people
  std::string cure{};  ///< what to do about it, one sentence
  double accuracy = 0, loss = 0;
  double share_of_loss = 0, share_of_accuracy = 0;  ///< of the gap that it closed: 1 = all
  bool closes = false;                              ///< both at least the share that diagnose asks for
  double seconds = 0;
};

/// One value of the deployed network: what was measured, and what it costs.
struct DiagnosedNode : MeasuredNode {
  double loss_alone = 0;    ///< loss added if this node alone is quantized
  double loss_without = 0;  ///< loss that goes if this node alone is left in float
};

/// A named cause with what proves it.
struct Cause {
  std::string id{};           ///< "calibration_scale": also the section of docs/why.md
  std::string title{};        ///< "Calibrated on images of another scale"
  std::string what{};         ///< one or two sentences with the numbers of this case
  std::string cure{};         ///< what to do
  std::string intervention{}; ///< id of the one that decided; empty if measurements or training did
  double points = 0, loss = 0;       ///< what it costs
  double share = 0;                  ///< of the gap that the intervention closed, the smaller of loss and accuracy
  std::optional<PairedDifference> effect{};
  std::vector<Evidence> evidence{};
  [[nodiscard]] std::string link() const { return "docs/why.md#" + id; }
};

enum class Verdict { no_difference, worse, better };

/// Name of a verdict.
constexpr std::string_view name(Verdict v) {
  switch (v) {
    case Verdict::worse: return "worse";
    case Verdict::better: return "better";
    case Verdict::no_difference: break;
  }
  return "no difference shown";
}

/// One seed of a proof.
struct ProofRun {
  std::uint64_t seed = 1;
  double fp32 = 0, control = 0, before = 0, after = 0;  ///< accuracy; the last two in deployed integers
  std::optional<PairedDifference> after_against_before{}, after_against_control{}, before_against_control{};
};

/// Trained again from the FP32 checkpoint with the cure.
struct Proof {
  std::string cure{};  ///< id of the intervention
  std::vector<ProofRun> runs{};
  double restored = 0;  ///< share of the gap to the control that the cure closed, of all runs together; 1 where there was none
  WorseRule rule{};     ///< by which a run is worse
  [[nodiscard]] std::string str() const;
};

/// The whole answer.
struct Diagnosis {
  Verdict verdict = Verdict::no_difference;
  std::string sentence{};  ///< the verdict, one line
  std::string data{};      ///< name of the data that it was measured on
  std::int64_t images = 0;
  int seeds = 1;                            ///< runs of training that were compared
  std::vector<PairedDifference> by_seed{};  ///< QAT against its control for each of them; empty without QAT
  std::string target{}, recipe_name{};
  std::vector<DiagnosedModel> models{};     ///< the fair comparison: fp32, control, ptq, qat, deployed
  std::vector<DiagnosedModel> waterfall{};  ///< where the loss enters, in order; each compared with the one before
  std::vector<InterventionResult> interventions{};
  double gap_loss = 0, gap_points = 0;      ///< of post-training quantization against FP32: what the interventions close
  std::vector<DiagnosedNode> nodes{};
  std::vector<Cause> causes{};              ///< the decisive first
  std::vector<Evidence> evidence{};         ///< of the whole: what was measured, suspicious or not
  Recipe recipe{};                          ///< with the cure
  std::string recipe_code{};                ///< C++ that makes it, to paste
  QatSchedule schedule{};                   ///< of the recipe that was diagnosed: where training froze what
  std::optional<FitReport> history{};       ///< of training, if it was given
  std::vector<Proof> proofs{};
  double seconds = 0;
  WorseRule rule{};     ///< by which it was said what is worse

  [[nodiscard]] const Cause* cause() const { return causes.empty() ? nullptr : &causes.front(); }
  /// A summary of one screen.
  [[nodiscard]] std::string str() const;
};

/// How often it was repeated: "worse than its control in 3 of 3 seeds" after prove() or with Question::repetitions, else "one seed".
STET_ENTRY std::string seeds_text(const Diagnosis& diagnosis);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string seeds_text(const Diagnosis& diagnosis) {
  const WorseRule& rule = diagnosis.rule;
  std::int64_t worse = 0, all = 0;
  for (const Proof& p : diagnosis.proofs) {
    for (const ProofRun& r : p.runs) {
      if (!r.before_against_control) continue;
      ++all;
      worse += r.before_against_control->worse(rule) ? 1 : 0;
    }
  }
  if (all <= 1) {
    all = static_cast<std::int64_t>(diagnosis.by_seed.size());
    worse = std::count_if(diagnosis.by_seed.begin(), diagnosis.by_seed.end(), [&](const PairedDifference& d) { return d.worse(rule); });
  }
  if (all > 1) return formatted("worse than its control in {} of {} seeds", worse, all);
  return diagnosis.seeds == 1 ? "one seed" : formatted("{} seeds", diagnosis.seeds);
}
#endif

}  // namespace stet
