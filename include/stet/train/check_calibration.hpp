#pragma once
// The part of check() about the calibration data: what makes ranges that do not suit other images.

#include <stet/train/check_report.hpp>
#include <stet/train/qat_model.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

// Fewer images than this are called few: four times as many as healthy networks needed (docs/observers.md).
inline constexpr std::int64_t few_calibration_images = 16;
// Healthy networks on healthy data stay below 2 (docs/observers.md).
inline constexpr double calibration_disagreement = 3.0;

/// What is wrong with the images that the last calibrate() went through: nearly all of one class, or values that reach
/// much further in one batch than in others.
inline std::vector<CheckEntry> calibration_findings(const QatModel& qat) {
  std::vector<CheckEntry> found;
  const CalibrationData& data = qat.calibration_data();
  const auto most = std::max_element(data.of_class.begin(), data.of_class.end());
  if (data.of_class.size() > 1 && data.images > 1 && *most >= data.images - data.images / 100) {
    found.push_back({.severity = Severity::warning,
                     .what = fmt::format("{} of {} calibration images are of class {}", *most, data.images,
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
    const std::string others = apart == 1 ? "" : fmt::format(", and {} more values disagree", apart - 1);
    found.push_back({.node = widest->name(),
                     .severity = Severity::warning,
                     .what = fmt::format("calibration batches disagree: one reaches {:.3g} times as far as a typical one{}",
                                         widest->calibration().disagreement(), others),
                     .remedy = "look for images that are damaged or scaled otherwise"});
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
    if (misfit <= calibration_disagreement && misfit * calibration_disagreement >= 1) continue;
    const bool wide = misfit > 1;
    found.push_back({.node = q.name(),
                     .severity = Severity::warning,
                     .what = wide ? fmt::format("its range reaches {:.3g} times as far as the values of the last training step", misfit)
                                  : fmt::format("the values of the last training step reach {:.3g} times as far as its range", 1 / misfit),
                     .remedy = wide ? "calibrate on data that are scaled as those of training, and look for damaged images"
                                    : "calibrate again after the values have settled, or train longer before ranges freeze"});
  }
  return found;
}

/// That there were few images.
inline std::vector<CheckEntry> few_calibration_data(const QatModel& qat) {
  const std::int64_t images = qat.calibration_data().images;
  if (images == 0 || images >= few_calibration_images) return {};
  return {{.severity = Severity::warning,
           .what = fmt::format("calibrated on {} images", images),
           .remedy = fmt::format("some hundred images of all classes, at least {}", few_calibration_images)}};
}

}  // namespace stet::detail
