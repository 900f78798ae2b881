#pragma once
// A diagnosis as JSON, for programs.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/shown_text.hpp>

#include <cmath>
#include <vector>
#endif

namespace stet {

/// All fields of a diagnosis but the recipe itself, of which it has the code. What is no number (an accuracy without labels of
/// classes) is null; bytes of names that are no UTF-8 become U+FFFD.
STET_ENTRY std::string json(const Diagnosis& diagnosis);

#if STET_DEFINE_ENTRIES
namespace detail {

inline Json text(std::string_view words) { return printable(words); }
inline Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

template <class T, class F>
Json array_of(const std::vector<T>& items, F&& each) {
  Json array = Json::array();
  for (const T& item : items) array.push(each(item));
  return array;
}

inline Json json_of(const std::optional<PairedDifference>& d) {
  if (!d) return {};
  return Json::object({{"images", d->images}, {"gained", d->gained}, {"lost", d->lost}, {"points", number(d->points)}, {"low", number(d->low)},
                       {"high", number(d->high)}, {"p", number(d->p)}, {"loss", number(d->loss)}});
}
inline Json json_of(const WorseRule& r) { return Json::object({{"p", number(r.p)}, {"points", number(r.points)}}); }
inline Json json_of(const DiagnosedModel& m) {
  return Json::object({{"id", text(m.id)}, {"name", text(m.name)}, {"accuracy", number(m.accuracy)}, {"loss", number(m.loss)}, {"against", json_of(m.against)}, {"other", text(m.other)}});
}
inline Json json_of(const Evidence& e) {
  return Json::object({{"measure", text(e.measure)}, {"node", text(e.node)}, {"value", number(e.value)}, {"healthy", text(e.healthy)}, {"suspicious", e.suspicious}});
}
inline Json json_of(const InterventionResult& r) {
  return Json::object({{"id", text(r.id)}, {"name", text(r.name)}, {"cure", text(r.cure)}, {"accuracy", number(r.accuracy)}, {"loss", number(r.loss)},
                       {"share_of_loss", number(r.share_of_loss)}, {"share_of_accuracy", number(r.share_of_accuracy)}, {"closes", r.closes}, {"seconds", number(r.seconds)}});
}
inline Json json_of(const DiagnosedNode& n) {
  return Json::object({{"node", text(n.node)}, {"kind", text(n.kind)}, {"layer", text(n.layer)}, {"inputs", array_of(n.inputs, [](int i) { return Json(i); })},
                       {"loss_alone", number(n.loss_alone)}, {"loss_without", number(n.loss_without)}, {"weight_bits", n.weight_bits}, {"activation_bits", n.activation_bits},
                       {"low", number(n.low)}, {"high", number(n.high)}, {"least", number(n.least)}, {"most", number(n.most)}, {"p999", number(n.p999)},
                       {"reach", number(n.reach)}, {"clipped", number(n.clipped)}, {"stopped", number(n.stopped)}, {"channels", n.channels}, {"dead_channels", n.dead_channels},
                       {"saturated_channels", n.saturated_channels}, {"sqnr", number(n.sqnr)}, {"channel_disparity", number(n.channel_disparity)},
                       {"batch_norm_drift", number(n.batch_norm_drift)}, {"extreme_image", n.extreme_image}, {"largest_to_second", number(n.largest_to_second)},
                       {"histogram", array_of(n.histogram, [](std::int64_t c) { return Json(c); })}});
}
inline Json json_of(const Cause& c) {
  return Json::object({{"id", text(c.id)}, {"title", text(c.title)}, {"what", text(c.what)}, {"cure", text(c.cure)}, {"intervention", text(c.intervention)}, {"points", number(c.points)},
                       {"loss", number(c.loss)}, {"share", number(c.share)}, {"effect", json_of(c.effect)},
                       {"evidence", array_of(c.evidence, [](const Evidence& e) { return json_of(e); })}, {"link", text(c.link())}});
}
inline Json json_of(const ProofRun& r) {
  return Json::object({{"seed", r.seed}, {"fp32", number(r.fp32)}, {"control", number(r.control)}, {"before", number(r.before)}, {"after", number(r.after)},
                       {"after_against_before", json_of(r.after_against_before)}, {"after_against_control", json_of(r.after_against_control)}, {"before_against_control", json_of(r.before_against_control)}});
}
inline Json json_of(const Proof& p) {
  return Json::object({{"cure", text(p.cure)}, {"runs", array_of(p.runs, [](const ProofRun& r) { return json_of(r); })}, {"restored", number(p.restored)}, {"rule", json_of(p.rule)}});
}
inline Json json_of(const EpochReport& e) {
  return Json::object({{"epoch", e.epoch}, {"loss", number(e.loss)}, {"accuracy", number(e.accuracy)}, {"validation_loss", number(e.validation_loss)},
                       {"validation_accuracy", number(e.validation_accuracy)}, {"seconds", number(e.seconds)},
                       {"learning_rate", number(e.lr)}, {"oscillating", number(e.oscillating)}});
}
inline Json json_of(const TrainingFinding& f) {
  return Json::object({{"cause", text(f.cause)}, {"step", f.step}, {"nodes", array_of(f.nodes, [](const std::string& n) { return text(n); })}, {"what", text(f.what)},
                       {"cure", text(f.cure)}, {"value", number(f.value)}, {"healthy", text(f.healthy)}, {"link", f.link()}});
}

}  // namespace detail

STET_ENTRY std::string json(const Diagnosis& d) {
  const auto each = [](const auto& x) { return detail::json_of(x); };
  Json history;
  if (d.history) {
    history = Json::object({{"epochs", detail::array_of(d.history->epochs, each)}, {"stopped_early", d.history->stopped_early},
                            {"warnings", detail::array_of(d.history->warnings, [](const std::string& w) { return detail::text(w); })},
                            {"findings", detail::array_of(d.history->findings, each)}});
  }
  return Json::object({{"verdict", std::string(name(d.verdict))}, {"sentence", detail::text(d.sentence)}, {"data", detail::text(d.data)}, {"images", d.images}, {"seeds", d.seeds}, {"by_seed", detail::array_of(d.by_seed, each)},
                       {"target", detail::text(d.target)}, {"recipe", detail::text(d.recipe_name)}, {"models", detail::array_of(d.models, each)}, {"waterfall", detail::array_of(d.waterfall, each)},
                       {"interventions", detail::array_of(d.interventions, each)}, {"gap_loss", detail::number(d.gap_loss)}, {"gap_points", detail::number(d.gap_points)},
                       {"nodes", detail::array_of(d.nodes, each)}, {"causes", detail::array_of(d.causes, each)}, {"evidence", detail::array_of(d.evidence, each)},
                       {"recipe_code", detail::text(d.recipe_code)}, {"freeze_ranges_at", detail::number(d.schedule.freeze_ranges_at)}, {"freeze_batch_norm_at", detail::number(d.schedule.freeze_batch_norm_at)}, {"history", history}, {"proofs", detail::array_of(d.proofs, each)}, {"seconds", detail::number(d.seconds)}, {"rule", detail::json_of(d.rule)}})
      .str();
}
#endif

}  // namespace stet
