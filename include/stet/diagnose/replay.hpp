#pragma once
// Replay: post-training quantization of the FP32 checkpoint as it was done, so that one thing of it can be changed.

#include <stet/core/warning.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/quant/moving_average_observer.hpp>
#include <stet/quant/range.hpp>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Everything that post-training quantization depends on. Interventions change one part and leave the rest.
struct Replay {
  Model model;                    ///< the FP32 checkpoint
  Recipe recipe{};
  Dataset calibration;            ///< images that give the ranges
  Dataset train;                  ///< images that are known to be good: those that trained the checkpoint
  CalibrateOptions calibrate{};
  /// Ranges that take the place of what calibration finds, by node, and move on in training: those of a trained model.
  std::vector<std::pair<std::string, Range>> starts{};
  /// The same, and they stay: those that a hand fixed.
  std::vector<std::pair<std::string, Range>> ranges{};
  /// What is done to the calibrated model, in order.
  std::vector<std::function<void(QatModel&, const Replay&)>> after{};

  /// Quantizes: prepare, calibrate, fix the ranges, run what comes after. Training can start from it.
  /// Errors:    as prepare and calibrate
  [[nodiscard]] QatModel quantize() const;
};

/// The ranges of a model by node: all that do not come from calibration and are not the target's own. With `all`, those from
/// calibration and training too, but for learned ones, which belong to the weights that were trained with them.
STET_ENTRY std::vector<std::pair<std::string, Range>> ranges_of(const QatModel& qat, bool all);

#if STET_DEFINE_ENTRIES
namespace detail {

// Replays repeat what was said when the model was made, and changes of it say what nobody did: no warnings while it lives.
struct QuietReplays {
  WarningHandler before = set_warning_handler([](const std::string&) {});
  QuietReplays() = default;
  QuietReplays(const QuietReplays&) = delete;
  QuietReplays& operator=(const QuietReplays&) = delete;
  ~QuietReplays() { set_warning_handler(std::move(before)); }
};

}  // namespace detail

STET_ENTRY QatModel Replay::quantize() const {
  QatModel qat = prepare(model, recipe);
  const Dataset& data = calibration;
  stet::calibrate(qat, data, calibrate);
  for (const auto& [node, range] : starts) {
    CalibratedRange found{MovingAverageObserver{}};
    found.observe({}, range);
    found.end_batch();
    qat.quantizer(node).calibrate(std::move(found));
  }
  for (const auto& [node, range] : ranges) qat.quantizer(node).fix(range);
  for (const auto& pass : after) pass(qat, *this);
  return qat;
}

STET_ENTRY std::vector<std::pair<std::string, Range>> ranges_of(const QatModel& qat, bool all) {
  const QatModel fresh = prepare(qat.model(), qat.recipe());
  std::vector<std::pair<std::string, Range>> ranges;
  for (std::size_t i = 0; i < qat.quantizers().size(); ++i) {
    const Quantizer& q = qat.quantizers()[i];
    if (!q.calibrated() || q.learned() || fresh.quantizers()[i].fixed()) continue;
    if (q.fixed() || all) ranges.emplace_back(q.name(), q.range());
  }
  return ranges;
}
#endif

}  // namespace stet
