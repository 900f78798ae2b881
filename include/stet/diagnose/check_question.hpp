#pragma once
// What diagnose and prove refuse before they look at anything: questions whose parts do not belong together.

#include <stet/core/entry.hpp>
#include <stet/diagnose/question.hpp>
#include <stet/diagnose/training_change.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/core/description.hpp>
#include <stet/graph/print.hpp>
#include <stet/model/model_inputs.hpp>
#include <stet/train/fit_check.hpp>

#include <string>
#include <vector>
#endif

namespace stet::detail {

// Throws as diagnose says it does.
STET_ENTRY void check_question(const char* op, const Question& question);
// Images whose answers are compared with classes.
STET_ENTRY void check_answered(const char* op, const Dataset& data);

#if STET_DEFINE_ENTRIES
STET_ENTRY void check_answered(const char* op, const Dataset& data) {
  require(data.size() > 0, Errc::state, "{}: a data set is empty; was it moved from?", op);
  require(data.has_labels(), Errc::state, "{}: data set {} has no labels; a diagnosis compares answers with classes", op, data.name());
}

// Ranges go by the names of nodes, and what is replayed is compared with what was trained: both must be of one network and
// one recipe, or the answer is about nothing.
inline void check_belongs(const char* op, const char* what, const Question& q, const QatModel& qat) {
  const std::string graphs = differences(graph::describe(qat.model().graph()), graph::describe(q.fp32.graph()));
  if (!graphs.empty()) {
    fail(Errc::state, "{}: {} is of another network than Question::fp32: {}; give the checkpoint that prepare() took", op, what, graphs);
  }
  const std::string recipes = differences(qat.recipe().describe(), q.recipe.describe());
  if (!recipes.empty()) {
    fail(Errc::state, "{}: {} was prepared with another recipe than Question::recipe: {}; say .recipe = qat.recipe()", op, what, recipes);
  }
}

// Options with which nothing can be trained again would end as "nothing that was tried helps".
inline void check_retraining(const Question& q) {
  const FitOptions o = unattached(*q.fit);
  check_fit(q.train, o);
  check_fit_data(q.fp32.graph(), q.train, o, [](double) { return true; });
  if (q.qat == nullptr) return;
  QatModel trained = *q.qat;
  std::vector<ParameterRef> parameters = parameter_refs(trained);
  set_rates(parameters, o);
}

STET_ENTRY void check_question(const char* op, const Question& q) {
  check_answered(op, q.train);
  check_answered(op, q.validation);
  require_one_output(op, q.fp32.graph());
  require(q.share > 0 && q.share <= 1, Errc::range, "{}: share is {}, must be above 0 and at most 1", op, q.share);
  require(q.rule.p > 0 && q.rule.points >= 0, Errc::range, "{}: a rule of p < {} and {} points", op, q.rule.p, q.rule.points);
  for (const Intervention& i : q.interventions) {
    require(static_cast<bool>(i.change), Errc::state, "{}: intervention '{}' has no function; give it change", op, i.id);
  }
  if (q.qat != nullptr) check_belongs(op, "the QAT model", q, *q.qat);
  if (q.calibrated != nullptr) check_belongs(op, "the calibrated model", q, *q.calibrated);
  for (const Repetition& r : q.repetitions) {
    require(q.qat != nullptr && r.qat != nullptr, Errc::state, "{}: a repetition is of quantized training: give Question::qat and a QAT model for each", op);
    check_belongs(op, "the QAT model of a repetition", q, *r.qat);
  }
  if (q.fit) check_retraining(q);
}
#endif

}  // namespace stet::detail
