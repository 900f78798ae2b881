#pragma once
// The part of check() about the calibration data: what makes ranges that do not suit other images.

#include <stet/model/check_report.hpp>
#include <stet/model/qat_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

// Fewer images than this are called few: four times as many as healthy networks needed (docs/observers.md).
inline constexpr std::int64_t few_calibration_images = 16;
// Healthy networks on healthy data stay below 2 (docs/observers.md).
inline constexpr double calibration_disagreement = 3.0;
// Learned ranges of 2 bits grow to 3.6 times their values in healthy runs, scales of weights stay within 2 of theirs; starts
// that training could not leave were off by 3 to 1000.
inline constexpr double learned_misfit = 8.0, weight_scale_misfit = 3.0;
inline constexpr const char* learned_remedy =
    "scales move by small parts of themselves: train in float until the values have settled, then calibrate (or "
    "schedule.quantize_at), train longer, or raise scale_lr_factor";
// A fixed range may cut a tail on purpose.
inline constexpr float most_cut = 0.1f;

/// What is wrong with the images that the last calibrate() went through: nearly all of one class, or values that reach
/// much further in one batch than in others.
inline std::vector<CheckEntry> calibration_findings(const QatModel& qat) {
  std::vector<CheckEntry> found;
  const CalibrationData& data = qat.calibration_data();
  const auto most = std::max_element(data.of_class.begin(), data.of_class.end());
  if (data.of_class.size() > 1 && data.images > 1 && *most >= data.images - data.images / 100) {
    found.push_back({.severity = Severity::warning,
                     .what = formatted("{} of {} calibration images are of class {}", *most, data.images,
                                         most - data.of_class.begin()),
                     .remedy = "calibrate on images of all classes: give calibrate the whole training set, it draws from it"});
  }
  const Quantizer* widest = nullptr;
  int apart = 0;
  for (const Quantizer& q : qat.quantizers()) {
    const double ratio = q.calibration().disagreement();
    if (ratio <= calibration_disagreement) continue;
    ++apart;
    if (widest == nullptr || ratio > widest->calibration().disagreement()) widest = &q;
  }
  if (widest != nullptr) {
    const std::string others = apart == 1 ? "" : formatted(", and {} more values disagree", apart - 1);
    found.push_back({.node = widest->name(),
                     .severity = Severity::warning,
                     .what = formatted("calibration batches disagree: one reaches {:.3g} times as far as a typical one{}",
                                         widest->calibration().disagreement(), others),
                     .remedy = "look for images that are damaged or scaled otherwise"});
  }
  return found;
}

/// Values that use little of their range: cut by one that was fixed, or few steps of one that was fixed or that a larger
/// neighbour in a concat sets.
inline std::vector<CheckEntry> range_use_findings(const QatModel& qat) {
  const CalibrationData& data = qat.calibration_data();
  const std::vector<Unit>& units = qat.units();
  std::vector<CheckEntry> found;
  for (std::size_t i = 0; i < std::min(data.reach.size(), units.size()); ++i) {
    const Quantizer& q = qat.quantizer(units[i].quantizer);
    if (units[i].shares_scale() || !q.calibrated()) continue;
    const auto add = [&](FindingGroup group, std::string what, const char* remedy) {
      found.push_back({qat.node_name(units[i].output), "", Severity::warning, std::move(what), remedy});
      found.back().group = group;
    };
    const Range range = q.range();
    if (data.cut[i] > most_cut) {
      add({"fixed range cuts", static_cast<double>(data.cut[i])}, formatted("its fixed range {:.3g}..{:.3g} cuts {:.3g} % of its values", range.lo, range.hi, 100 * data.cut[i]),
          "fix a wider range, or let calibrate choose one");
    }
    const double steps = q.grid().levels() - 1, used = static_cast<double>(data.reach[i] / q.params().scale[0]);
    if (q.source() != RangeSource::observer || q.widened() || data.reach[i] <= 0 || used >= std::max(1.0, steps / 16)) continue;
    std::size_t widest = i;
    for (std::size_t k = 0; k < data.reach.size(); ++k) {
      if (units[k].quantizer == units[i].quantizer && data.reach[k] > data.reach[widest]) widest = k;
    }
    if (q.fixed()) {
      add({"fixed range unused", 1 / used}, formatted("uses {:.2g} of the {} steps of its fixed range {:.3g}..{:.3g}", used, steps, range.lo, range.hi),
          "fix a narrower range, or let calibrate choose one");
    } else if (widest != i) {
      add({"shared scale unused", 1 / used}, formatted("uses {:.2g} of the {} steps of the scale that it shares with {}, whose values reach {:.3g} times as far",
                      used, steps, qat.node_name(units[widest].output), data.reach[widest] / data.reach[i]),
          "bring what is concatenated to like ranges in float, before quantizing");
    }
  }
  return found;
}

/// Ranges that training could not bring to where its values are, because calibration put them far off, the values grew
/// until ranges froze, or one batch reached far beyond all others.
inline std::vector<CheckEntry> training_range_findings(const QatModel& qat) {
  std::vector<CheckEntry> found;
  for (const Quantizer& q : qat.quantizers()) {
    if (!q.calibrated()) continue;
    const double misfit = q.misfit();
    if (misfit <= (q.learned() ? learned_misfit : calibration_disagreement) && misfit * calibration_disagreement >= 1) continue;
    const bool wide = misfit > 1;
    found.push_back({.node = q.name(),
                     .severity = Severity::warning,
                     .what = wide ? formatted("its range reaches {:.3g} times as far as the values of the last training step", misfit)
                                  : formatted("the values of the last training step reach {:.3g} times as far as its range", 1 / misfit),
                     .remedy = wide ? "calibrate on data that are scaled as those of training, and look for damaged images"
                               : q.learned() ? learned_remedy
                                    : "calibrate again after the values have settled, or train longer before ranges freeze",
                     .group = {wide ? "range too wide" : q.learned() ? "learned range too narrow" : "range too narrow", wide ? misfit : 1 / misfit}});
  }
  return found;
}

/// Learned scales of weights that are far from where these weights would start: the weights went where their codes do not
/// reach, or shrank below a code.
inline std::vector<CheckEntry> weight_scale_findings(const QatModel& qat) {
  std::vector<CheckEntry> found;
  if (qat.phases().quantized_steps == 0) return found;
  for (const Unit& unit : qat.units()) {
    if (!unit.learns_weight_scale) continue;
    const Tensor<float>& w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
    const std::vector<float> learned = qat.weight_scale(unit);
    const std::vector<float> wanted = initial_weight_scale(w, unit.channel_axis(), unit.weights);
    int far = 0;
    double farthest = 1.0;
    for (std::size_t k = 0; k < learned.size(); ++k) {
      const double ratio = static_cast<double>(wanted[k]) / static_cast<double>(learned[k]);
      if (ratio <= weight_scale_misfit && ratio * weight_scale_misfit >= 1) continue;
      ++far;
      if (std::fabs(std::log(ratio)) > std::fabs(std::log(farthest))) farthest = ratio;
    }
    if (far == 0) continue;
    found.push_back({.node = qat.node_name(unit.node),
                     .severity = Severity::warning,
                     .what = formatted("{} of {} learned scales are far from their weights, which ask for {:.3g} times as much",
                                         far, learned.size(), farthest),
                     .remedy = learned_remedy,
                     .group = {"weight scales far", std::fabs(std::log(farthest))}});
  }
  return found;
}

/// That there were few images.
inline std::vector<CheckEntry> few_calibration_data(const QatModel& qat) {
  const std::int64_t images = qat.calibration_data().images;
  if (images == 0 || images >= few_calibration_images) return {};
  return {{.severity = Severity::warning,
           .what = formatted("calibrated on {} images", images),
           .remedy = formatted("some hundred images of all classes, at least {}", few_calibration_images)}};
}

}  // namespace stet::detail
