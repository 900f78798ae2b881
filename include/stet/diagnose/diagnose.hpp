#pragma once
// diagnose: why a quantized model is worse, if it is. A fair comparison first; then interventions decide, measurements explain.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/diagnose/question.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/check_question.hpp>
#include <stet/diagnose/localize.hpp>
#include <stet/diagnose/measure.hpp>
#include <stet/diagnose/name_cause.hpp>
#include <stet/diagnose/name_training_cause.hpp>
#include <stet/diagnose/other_checkpoint.hpp>
#include <stet/diagnose/overall_evidence.hpp>
#include <stet/passes/partly_quantized.hpp>
#include <stet/diagnose/recipe_code.hpp>
#include <stet/data/random_subset.hpp>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>
#endif

namespace stet {

/// Compares the quantized model with its control (FP32 that trained as long; without one with the FP32 that is quoted), and
/// if it is worse by Question::rule, looks for the cause: replays post-training quantization from the FP32 checkpoint with one
/// thing changed, takes the change that closes Question::share of the gap in loss and in accuracy, if none does pairs of them,
/// and names it by what was measured. Where quantization without training loses nothing the cause is in training: then what
/// the model says of its phases, and, with Question::fit, training again with one thing changed decide.
/// With Question::repetitions it is worse, or better, if more than half of all seeds are, each against its own control.
/// All accuracies are of deployed integers (a simulated recipe: of its forward) on Question::images of the validation set.
/// Remedies are never tried on weights that were trained quantized: they have adapted to the fault.
/// Errors:    Errc::state if data are empty or without labels, models are of different networks or recipes, or a repetition has no
///            model; Errc::unsupported if the recipe cannot quantize the model; Errc::range for an option; as fit for Question::fit
STET_ENTRY Diagnosis diagnose(const Question& question);

#if STET_DEFINE_ENTRIES
namespace detail {

inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

inline DiagnosedModel diagnosed(const char* id, const char* name, const Answers& answers, const Answers* other = nullptr, const char* other_id = "") {
  DiagnosedModel m{id, name, answers.accuracy(), answers.mean_loss(), std::nullopt, other_id};
  if (other != nullptr) m.against = compare(*other, answers);
  return m;
}

// One run of diagnose: what all its parts look at.
class Diagnostician {
 public:
  explicit Diagnostician(const Question& q)
      : q_(q), data_(random_subset(q.validation, q.images, q.seed)),
        replay_(replay_of(q)) {}

  Diagnosis run() {
    const double start = processor_seconds();
    compare_models();
    if (const std::size_t other = run_to_explain(); other > 0) return explain_run(other);
    draw_waterfall();
    measure();
    if (d_.verdict == Verdict::worse) find_causes();
    d_.recipe = q_.recipe;
    d_.schedule = q_.recipe.schedule;
    if (cured_) d_.recipe = cured_->recipe;
    d_.recipe_code = recipe_code(d_.recipe) + cure_code_;
    d_.data = q_.validation.name();
    d_.images = data_.size();
    d_.target = std::string(q_.recipe.target.name);
    d_.recipe_name = q_.recipe.name;
    d_.rule = q_.rule;
    if (q_.history != nullptr) d_.history = *q_.history;
    d_.seconds = processor_seconds() - start;
    return std::move(d_);
  }

 private:
  void compare_models() {
    fp32_ = answers_of(q_.fp32, data_);
    d_.models.push_back(diagnosed("fp32", "FP32 checkpoint", fp32_));
    if (q_.reference != nullptr) {
      reference_ = answers_of(*q_.reference, data_);
      d_.models.push_back(diagnosed("reference", "FP32 that is quoted", reference_, &fp32_, "fp32"));
    } else {
      reference_ = fp32_;
    }
    if (q_.control != nullptr) {
      control_ = answers_of(*q_.control, data_);
      d_.models.push_back(diagnosed("control", "FP32 continued (the control)", control_, &fp32_, "fp32"));
    }
    ptq_model_.emplace(replay_.quantize());
    ptq_ = deployed_answers(*ptq_model_, data_);
    d_.models.push_back(diagnosed("ptq", "quantized without training", ptq_, &reference_, q_.reference != nullptr ? "reference" : "fp32"));
    const bool has_control = q_.control != nullptr;
    const Answers& fair = q_.qat != nullptr && has_control ? control_ : reference_;
    if (q_.qat != nullptr) {
      qat_ = deployed_answers(*q_.qat, data_);
      d_.models.push_back(diagnosed("deployed", "QAT, deployed integers", qat_, &fair, has_control ? "control" : "fp32"));
    }
    against_ = compare(fair, q_.qat != nullptr ? qat_ : ptq_);
    d_.verdict = against_.worse(q_.rule) ? Verdict::worse : against_.better(q_.rule) ? Verdict::better : Verdict::no_difference;
    const char* what = q_.qat != nullptr ? "QAT on the deployed integers" : "Post-training quantization";
    d_.sentence = formatted("{} is {}", what, against_.str(q_.qat != nullptr && has_control ? "its control" : "FP32", q_.rule));
    if (q_.qat == nullptr) return;
    compare_repetitions(fair);
    if (has_control) {
      // The question may be about another number: one that trained longer, or the checkpoint that training moved away from.
      against_reference_ = compare(reference_, qat_);
      const PairedDifference moved = compare(reference_, control_);
      if (d_.verdict != Verdict::worse && against_reference_.worse(q_.rule) && moved.worse(q_.rule)) {
        d_.verdict = Verdict::worse;
        d_.sentence += formatted("; worse than the FP32 that is quoted ({}), as is the control ({})", with_sign(against_reference_.points), with_sign(moved.points));
        against_ = against_reference_;
        training_alone_ = true;
      } else if (against_reference_.points < 0 && d_.verdict == Verdict::no_difference) {
        d_.sentence += formatted(" (against the FP32 that it started from {}, the control {})", with_sign(against_reference_.points), with_sign(moved.points));
      }
    } else {
      d_.sentence += "; no control: FP32 was not trained as long, and training on moves accuracy too";
    }
  }

  // One seed is one draw of chance: with more, worse (or better) is what most of them are.
  void compare_repetitions(const Answers& fair) {
    d_.by_seed.push_back(against_);
    for (const Repetition& r : q_.repetitions) {
      const std::string run = formatted("run {}", d_.by_seed.size() + 1);
      const Answers* control = &fair;
      Answers own;
      if (r.control != nullptr) {
        own = answers_of(*r.control, data_);
        control = &own;
        d_.models.push_back(diagnosed(("control " + run).c_str(), ("its control, " + run).c_str(), own, &fp32_, "fp32"));
      }
      const Answers answers = deployed_answers(*r.qat, data_);
      d_.by_seed.push_back(compare(*control, answers));
      d_.models.push_back(diagnosed(("deployed " + run).c_str(), ("QAT, deployed integers, " + run).c_str(), answers, control,
                                    r.control != nullptr ? ("control " + run).c_str() : q_.control != nullptr ? "control" : "fp32"));
    }
    d_.seeds = static_cast<int>(d_.by_seed.size());
    if (d_.seeds == 1) return;
    int worse = 0, better = 0;
    double sum = 0;
    for (const PairedDifference& d : d_.by_seed) {
      worse += d.worse(q_.rule) ? 1 : 0;
      better += d.better(q_.rule) ? 1 : 0;
      sum += d.points;
    }
    d_.verdict = 2 * worse > d_.seeds ? Verdict::worse : 2 * better > d_.seeds ? Verdict::better : Verdict::no_difference;
    d_.sentence += formatted("; over {} seeds {} on average, worse in {}: {}", d_.seeds, with_sign(sum / d_.seeds), worse, name(d_.verdict));
  }

  // Where most seeds are worse and the first is not, the first has no cause to look for: the position of one that is worse.
  [[nodiscard]] std::size_t run_to_explain() const {
    if (d_.verdict != Verdict::worse || d_.by_seed.empty() || training_alone_) return 0;
    const auto worse = [&](const PairedDifference& d) { return d.worse(q_.rule); };
    return static_cast<std::size_t>(std::find_if(d_.by_seed.begin(), d_.by_seed.end(), worse) - d_.by_seed.begin()) % d_.by_seed.size();
  }

  // The same question with that run first; who is compared with whom stays.
  [[nodiscard]] Diagnosis explain_run(std::size_t run) const {
    Diagnosis d = Diagnostician(about_run(q_, run)).run();
    d.sentence += formatted("; shown first is run {}, which is worse", run + 1);
    return d;
  }

  // One seed: is said where it matters.
  void draw_waterfall() {
    const QatModel& last = q_.qat != nullptr ? *q_.qat : *ptq_model_;
    std::vector<std::pair<DiagnosedModel, Answers>> steps;
    const auto add = [&](const char* id, const char* name, Answers a) {
      DiagnosedModel m = diagnosed(id, name, a, steps.empty() ? nullptr : &steps.back().second, steps.empty() ? "" : steps.back().first.id.c_str());
      steps.emplace_back(std::move(m), std::move(a));
    };
    add("fp32", "FP32", reference_);
    if (q_.control != nullptr) add("control", "FP32 continued", control_);
    if (q_.qat != nullptr) add("qat_float", "QAT's own weights in float", answers_of(last.model(), data_));
    if (!last.recipe().simulated()) {
      const auto all = [](const Unit&) { return true; };
      const auto none = [](const Unit&) { return false; };
      add("weights_only", "weights quantized only", answers_of(PartlyQuantized(last, all, none), data_));
      add("activations_only", "activations quantized only", answers_of(PartlyQuantized(last, none, all), data_));
    }
    add("forward", "training forward", answers_of(last, data_));
    add("deployed", "deployed integers", q_.qat != nullptr ? qat_ : ptq_);
    // Weights alone and activations alone branch off from the same float network.
    for (std::size_t i = 1; i < steps.size(); ++i) {
      const bool branch = steps[i].first.id == "activations_only" || steps[i].first.id == "forward";
      if (!branch) continue;
      for (std::size_t k = i; k-- > 0;) {
        if (steps[k].first.id != "qat_float" && steps[k].first.id != "fp32" && steps[k].first.id != "control") continue;
        steps[i].first.against = compare(steps[k].second, steps[i].second);
        steps[i].first.other = steps[k].first.id;
        break;
      }
    }
    for (auto& [model, answers] : steps) d_.waterfall.push_back(std::move(model));
  }

  void measure() {
    measured_.nodes = measure_nodes(*ptq_model_, q_.train);
    measured_.calibrating = measure_nodes(*ptq_model_, replay_.calibration, replay_.calibrate);
    measured_.calibration = input_statistics(replay_.calibration, replay_.calibrate);
    measured_.train = input_statistics(q_.train);
    measured_.classes = q_.train.classes();
    for (const std::int64_t count : ptq_model_->calibration_data().of_class) measured_.calibration_classes += count > 0 ? 1 : 0;
    if (!ptq_model_->recipe().simulated()) localize(*ptq_model_, random_subset(data_, 512, q_.seed), measured_.nodes);
    d_.nodes = measured_.nodes;
    for (std::size_t i = 0; i < d_.nodes.size(); ++i) {
      d_.nodes[i].extreme_image = measured_.calibrating[i].extreme_image;
      d_.nodes[i].largest_to_second = measured_.calibrating[i].largest_to_second;
    }
    d_.evidence = overall_evidence(d_.nodes, measured_.healthy);
  }

  // Deployed accuracy and loss with some things changed, or nothing if a change does not apply or cannot be made.
  std::optional<InterventionResult> attempt(const std::vector<const Intervention*>& changes) {
    const double start = processor_seconds();
    Replay changed = replay_;
    InterventionResult r;
    for (const Intervention* i : changes) {
      if (!i->change(changed)) return std::nullopt;
      r.id += (r.id.empty() ? "" : "+") + i->id;
      r.name += (r.name.empty() ? "" : " and ") + i->name;
      r.cure += (r.cure.empty() ? "" : "; ") + i->cure;
    }
    Answers a;
    try {
      a = deployed_answers(changed.quantize(), data_);
    } catch (const Error& e) {
      if (e.code() != Errc::range && e.code() != Errc::unsupported) throw;
      return std::nullopt;  // this network cannot be quantized so
    }
    r.accuracy = a.accuracy();
    r.loss = a.mean_loss();
    r.share_of_loss = (ptq_.mean_loss() - r.loss) / d_.gap_loss;
    r.share_of_accuracy = 100 * (r.accuracy - ptq_.accuracy()) / d_.gap_points;
    r.closes = r.share_of_loss >= q_.share && r.share_of_accuracy >= q_.share;
    r.seconds = processor_seconds() - start;
    return r;
  }

  void find_causes() {
    const PairedDifference of_ptq = compare(reference_, ptq_);
    d_.gap_loss = of_ptq.loss;
    d_.gap_points = -of_ptq.points;
    const bool quantization = of_ptq.worse(q_.rule) && d_.gap_loss > 0 && !training_alone_;
    const bool never = q_.qat != nullptr && q_.qat->phases().quantized_steps == 0 && q_.qat->phases().float_steps > 0;
    std::optional<Cause> other = detail::other_checkpoint(q_);
    if (other) d_.causes.push_back(std::move(*other));
    if (quantization && !never && !other) intervene(of_ptq);
    // Training is there to make up for few bits, so that more bits would help explains nothing yet.
    const bool bits = std::all_of(d_.causes.begin(), d_.causes.end(), [](const Cause& c) { return c.id == "weight_bits" || c.id == "activation_bits"; });
    if (q_.qat != nullptr && bits && !other) {
      std::vector<Cause> of_bits = std::exchange(d_.causes, {});
      std::string code;
      name_training_causes({q_, replay_, data_, reference_, fp32_, q_.control != nullptr ? &control_ : nullptr, qat_, measured_}, d_, code);
      if (!d_.causes.empty()) {
        cure_code_ = code;
        cured_.reset();
      }
      d_.causes.insert(d_.causes.end(), of_bits.begin(), of_bits.end());
    }
    if (d_.causes.empty()) d_.causes.push_back(unknown(quantization));
    for (Cause& c : d_.causes) {
      if (!c.effect) {
        c.effect = quantization && !c.intervention.empty() ? of_ptq : against_;
        c.points = c.effect->points;
        c.loss = c.effect->loss;
      }
    }
  }

  void intervene(const PairedDifference& gap) {
    std::vector<const Intervention*> tried;
    std::vector<const Intervention*> closing;
    const auto keep = [&](const std::vector<const Intervention*>& changes) {
      const std::optional<InterventionResult> r = attempt(changes);
      if (!r) return false;
      d_.interventions.push_back(*r);
      return r->closes;
    };
    for (const Intervention& i : q_.interventions) {
      const std::size_t before = d_.interventions.size();
      (void)keep({&i});
      if (d_.interventions.size() > before) tried.push_back(&i);
    }
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < tried.size(); ++i) {
      const InterventionResult& r = d_.interventions[i];
      if (!r.closes) continue;
      // Several may close the gap: equalizing also mends a range that is too narrow. The one whose own measurement is suspicious
      // is it; of like ones the order of the list counts, which goes from mistakes to costs.
      const Cause c = name_cause(r, q_, replay_, measured_);
      const bool seen = std::any_of(c.evidence.begin(), c.evidence.end(), [](const Evidence& e) { return e.suspicious; });
      order.emplace_back((seen ? -1.0 : 0.0) - std::min({r.share_of_loss, r.share_of_accuracy, 0.9}), i);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    if (order.empty()) {
      try_pairs(tried, gap);
      return;
    }
    for (const auto& [share, i] : order) add_cause(d_.interventions[i], gap);
    Replay changed = replay_;
    (void)tried[order[0].second]->change(changed);
    cured_ = changed;
    cure_code_ = tried[order[0].second]->code + "\n";
  }

  void try_pairs(const std::vector<const Intervention*>& tried, const PairedDifference& gap) {
    std::optional<InterventionResult> best;
    std::pair<const Intervention*, const Intervention*> of_best{};
    for (std::size_t i = 0; i < tried.size(); ++i) {
      for (std::size_t k = i + 1; k < tried.size(); ++k) {
        std::optional<InterventionResult> r = attempt({tried[i], tried[k]});
        if (!r || !r->closes) continue;
        const auto least = [](const InterventionResult& x) { return std::min(x.share_of_loss, x.share_of_accuracy); };
        if (!best || least(*r) > least(*best)) {
          best = r;
          of_best = {tried[i], tried[k]};
        }
      }
    }
    if (!best) return;
    d_.interventions.push_back(*best);
    Replay changed = replay_;
    for (const Intervention* i : {of_best.first, of_best.second}) {
      InterventionResult half = *best;
      half.id = i->id;
      half.name = i->name;
      half.cure = i->cure;
      add_cause(half, gap);
      (void)i->change(changed);
      cure_code_ += i->code + "\n";
    }
    cured_ = changed;
  }

  void add_cause(const InterventionResult& r, const PairedDifference& gap) {
    Cause c = name_cause(r, q_, replay_, measured_);
    const auto same = std::find_if(d_.causes.begin(), d_.causes.end(), [&](const Cause& other) { return other.id == c.id; });
    if (same != d_.causes.end()) {
      same->cure += "; or " + c.cure;
      return;
    }
    c.effect = gap;
    c.points = gap.points;
    c.loss = gap.loss;
    d_.causes.push_back(std::move(c));
  }

  [[nodiscard]] Cause unknown(bool quantization) const {
    Cause c;
    c.id = "unknown";
    c.title = "No single cause found";
    c.what = quantization ? formatted("no change of one or two things closes {:.0f} % of the gap.", 100 * q_.share)
                          : "quantizing the checkpoint loses nothing, and nothing about training that was tried restores the loss.";
    c.cure = q_.fit ? "look at the nodes with the largest loss alone, and train with other seeds"
                    : "give Question::fit, so that training can be repeated with one thing changed";
    return c;
  }

  const Question& q_;
  Dataset data_;
  Replay replay_;
  Diagnosis d_;
  Answers fp32_, reference_, control_, ptq_, qat_;
  PairedDifference against_, against_reference_;
  std::optional<QatModel> ptq_model_;
  Measured measured_;
  std::optional<Replay> cured_;
  std::string cure_code_;
  bool training_alone_ = false;
};

}  // namespace detail

STET_ENTRY Diagnosis diagnose(const Question& question) {
  const detail::QuietReplays quiet;
  detail::check_question("diagnose", question);
  return detail::Diagnostician(question).run();
}
#endif

}  // namespace stet
