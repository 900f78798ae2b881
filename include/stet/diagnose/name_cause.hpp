#pragma once
// From the intervention that closed the gap, and what was measured, to the name of the cause.

#include <stet/core/entry.hpp>
#include <stet/diagnose/measure.hpp>
#include <stet/diagnose/question.hpp>

#include <string>
#include <vector>

namespace stet {

/// What explains an intervention that helped.
struct Measured {
  std::vector<DiagnosedNode> nodes{};        ///< on validation or training images, ranges in use
  std::vector<DiagnosedNode> calibrating{};  ///< on the calibration images: which of them reach how far
  InputStatistics calibration{}, train{};
  int calibration_classes = 0, classes = 0;  ///< classes among the calibration images, and in all
  HealthyRanges healthy{};
};

/// Names the cause that an intervention stands for: recalibration helps with data of another scale, with one outlier, with a
/// range that a hand fixed, each of which shows in measurements of its own.
STET_ENTRY Cause name_cause(const InterventionResult& helped, const Question& question, const Replay& replay, const Measured& measured);

#if STET_DEFINE_ENTRIES
namespace detail {

inline Evidence evidence(std::string measure, std::string node, double value, std::string healthy, bool suspicious) {
  return {std::move(measure), std::move(node), value, std::move(healthy), suspicious};
}

inline bool range_off(const DiagnosedNode& n, const HealthyRanges& h) {
  return n.activation_bits > 0 && n.p999 > 0 && (n.reach > h.most_reach || n.reach < h.least_reach || n.clipped > h.clipped);
}

inline void add_range_evidence(Cause& cause, const DiagnosedNode& n, const HealthyRanges& h) {
  cause.evidence.push_back(evidence("range / p99.9", n.node, n.reach, "1.6 to 2.3", n.reach > h.most_reach || n.reach < h.least_reach));
  cause.evidence.push_back(evidence("clipped values, %", n.node, 100 * n.clipped, "at most 0.12", n.clipped > h.clipped));
}

// Recalibration helped: the data, one image of them, a range that was fixed, or the observer.
inline void name_calibration(Cause& cause, const Question& question, const Replay& replay, const Measured& m) {
  const HealthyRanges& h = m.healthy;
  std::vector<const DiagnosedNode*> off;
  std::size_t asked = 0;
  for (const DiagnosedNode& n : m.nodes) {
    asked += n.activation_bits > 0 ? 1 : 0;
    if (range_off(n, h)) off.push_back(&n);
  }
  const double scale = m.train.sd > 0 ? m.calibration.sd / m.train.sd : 1.0;
  const double shift = m.train.sd > 0 ? (m.calibration.mean - m.train.mean) / m.train.sd : 0.0;
  const DiagnosedNode* outlier = nullptr;
  for (const DiagnosedNode& n : m.calibrating) {
    if (outlier == nullptr || n.largest_to_second > outlier->largest_to_second) outlier = &n;
  }
  for (std::size_t i = 0; i < off.size() && i < 3; ++i) add_range_evidence(cause, *off[i], h);
  if (!replay.ranges.empty() || !replay.starts.empty()) {
    // The ranges did not come from the calibration images at hand.
    const bool few = question.calibrated != nullptr && off.size() * 3 <= asked;  // a hand fixed some; training moves all
    cause.id = few ? "node_range" : "ranges_stuck";
    cause.title = few ? "A range that does not fit its values" : "Ranges that do not fit the network";
    std::string names;
    for (std::size_t i = 0; i < off.size() && i < 3; ++i) names += (i == 0 ? "" : ", ") + off[i]->node;
    cause.what = formatted("{} of {} ranges lie far from what the values need{}{}.", off.size(), asked, names.empty() ? "" : ": ", names);
    cause.cure = few ? "let calibrate choose this range, or fix one that its values fill" :
                       "calibrate on images as the network was trained on, then train again from the FP32 checkpoint";
    return;
  }
  if (outlier != nullptr && outlier->largest_to_second > h.largest_to_second) {
    cause.id = "calibration_outlier";
    cause.title = "One calibration image reaches far beyond all others";
    cause.what = formatted("calibration image {} makes values {:.3g} times as large as any other image does, at {}.", outlier->extreme_image,
                           outlier->largest_to_second, outlier->node);
    cause.cure = "leave that image out, or take an observer that does not follow one image (the default)";
    cause.evidence.insert(cause.evidence.begin(), evidence("largest / second image", outlier->node, outlier->largest_to_second, "at most 1.07", true));
    return;
  }
  if (scale > 1.5 || scale < 1 / 1.5 || std::fabs(shift) > 0.5) {
    cause.id = "calibration_scale";
    cause.title = "Calibrated on images of another scale";
    cause.what = formatted("the calibration images have mean {:.3g} and standard deviation {:.3g}, the training images {:.3g} and {:.3g}.",
                           m.calibration.mean, m.calibration.sd, m.train.mean, m.train.sd);
    cause.cure = "calibrate on images that went through the same preprocessing as those of training";
    cause.evidence.insert(cause.evidence.begin(), evidence("calibration sd / training sd", "", scale, "0.9 to 1.1", true));
    return;
  }
  // Images without labels may be of any class.
  if (replay.calibration.has_labels() && m.calibration_classes < m.classes) {
    cause.id = "calibration_sample";
    cause.title = "Calibrated on images of some classes only";
    cause.what = formatted("{} of {} classes are among the {} calibration images.", m.calibration_classes, m.classes, m.calibration.images);
    cause.cure = "give calibrate the whole training set: it draws from all of it";
    cause.evidence.insert(cause.evidence.begin(), evidence("classes among the calibration images", "", m.calibration_classes, formatted("{}", m.classes), true));
    return;
  }
  if (question.recipe.calibration_observer.describe() != default_calibration_observer().describe()) {
    cause.id = "calibration_observer";
    cause.title = "An observer that chooses ranges that do not suit";
    cause.what = "the same images with the default observer give ranges that do not lose.";
    cause.cure = "leave Recipe::calibration_observer at its default";
    return;
  }
  cause.id = "calibration_sample";
  cause.title = "Calibration images that do not stand for the others";
  cause.what = formatted("{} images gave ranges that other images do not fit.", m.calibration.images);
  cause.cure = "give calibrate the whole training set: it draws from all of it";
}

// More bits helped: everywhere, or in one layer that has fewer than the others.
inline void name_bits(Cause& cause, const Question& question, const std::vector<DiagnosedNode>& nodes, bool weights) {
  const auto bits_of = [&](const DiagnosedNode& n) { return weights ? n.weight_bits : n.activation_bits; };
  int most = 0;
  for (const DiagnosedNode& n : nodes) most = std::max(most, bits_of(n));
  // Layers that an override narrowed; that a recipe keeps both ends wider says nothing about those between.
  std::vector<const DiagnosedNode*> narrow;
  for (const DiagnosedNode& n : nodes) {
    const bool overridden = std::any_of(question.recipe.overrides.begin(), question.recipe.overrides.end(), [&](const RecipeOverride& o) {
      return (weights ? o.weights.has_value() : o.activations.has_value()) && (o.node == n.layer || o.node == n.node);
    });
    if (overridden && bits_of(n) > 0 && bits_of(n) < most) narrow.push_back(&n);
  }
  const char* what = weights ? "weights" : "activations";
  if (!narrow.empty()) {
    const DiagnosedNode* worst = *std::max_element(narrow.begin(), narrow.end(), [](auto* a, auto* b) { return a->loss_alone < b->loss_alone; });
    const bool first = worst == [&] { for (const DiagnosedNode& n : nodes) { if (n.weight_bits > 0) return &n; } return worst; }();
    const bool last = worst == &nodes.back();
    cause.id = first ? "first_layer_bits" : last ? "last_layer_bits" : "layer_bits";
    cause.title = formatted("Too few bits in {}", first ? "the first layer" : last ? "the last layer" : worst->node);
    cause.what = formatted("{} has {} of {} bits where the others have {}; alone it adds {:.3g} to the loss.", worst->layer, what, bits_of(*worst), most, worst->loss_alone);
    cause.cure = formatted("give {} 8 bits: leave out its RecipeOverride, or set Recipe::end_bits = 8", worst->layer);
    cause.evidence.push_back(evidence("loss alone", worst->node, worst->loss_alone, "below 0.002", true));
    return;
  }
  cause.id = weights ? "weight_bits" : "activation_bits";
  cause.title = weights ? "Too few bits of weights without training" : "Too few bits of activations without training";
  int least = most;  // both ends may have more
  for (const DiagnosedNode& n : nodes) least = bits_of(n) > 0 ? std::min(least, bits_of(n)) : least;
  cause.what = formatted("recipe {} gives {} {} bits.", question.recipe.name, what, least);
  cause.evidence.push_back(evidence(formatted("bits of {}", what), "", least, "8 without training", true));
}

inline const DiagnosedNode* widest_channels(const std::vector<DiagnosedNode>& nodes) {
  const DiagnosedNode* widest = nullptr;
  for (const DiagnosedNode& n : nodes) {
    if (n.channel_disparity > 0 && (widest == nullptr || n.channel_disparity > widest->channel_disparity)) widest = &n;
  }
  return widest;
}

}  // namespace detail

STET_ENTRY Cause name_cause(const InterventionResult& helped, const Question& question, const Replay& replay, const Measured& m) {
  Cause cause;
  cause.intervention = cause.id = helped.id;
  cause.title = helped.name;
  cause.cure = helped.cure;
  cause.share = std::min(helped.share_of_loss, helped.share_of_accuracy);
  if (helped.id == "recalibrate") {
    detail::name_calibration(cause, question, replay, m);
  } else if (helped.id == "weights_8" || helped.id == "ends_8") {
    // Both ends with 8 bits are so in weights and in activations.
    const bool weights = std::any_of(m.nodes.begin(), m.nodes.end(), [](const DiagnosedNode& n) { return n.weight_bits > 0 && n.weight_bits < 8; });
    detail::name_bits(cause, question, m.nodes, weights);
  } else if (helped.id == "activations_8") {
    detail::name_bits(cause, question, m.nodes, false);
  } else if (helped.id == "equalize" || helped.id == "per_channel") {
    const DiagnosedNode* widest = detail::widest_channels(m.nodes);
    const double disparity = widest == nullptr ? 0 : widest->channel_disparity;
    cause.id = "channel_disparity";
    cause.title = "Channels of very different size share a scale";
    cause.what = widest == nullptr ? "" : formatted("the largest channel of {} is {:.3g} times the median one.", widest->node, disparity);
    if (widest != nullptr) {
      cause.evidence.push_back(detail::evidence("largest channel / median", widest->node, disparity, "2.8 to 4.2", disparity > m.healthy.disparity));
    }
  } else if (helped.id == "reestimate") {
    const DiagnosedNode* most = nullptr;
    for (const DiagnosedNode& n : m.nodes) {
      if (most == nullptr || n.batch_norm_drift > most->batch_norm_drift) most = &n;
    }
    const double drift = most == nullptr ? 0 : most->batch_norm_drift;
    const bool off = drift > m.healthy.drift;
    cause.id = off ? "batch_norm_statistics" : "batch_norm_shift";
    cause.title = off ? "Running statistics of batch norm that do not fit the data" : "Rounding moved what batch norm was trained on";
    if (most != nullptr) {
      cause.what = formatted("at {} the data lie {:.3g} standard deviations from the running mean.", most->node, drift);
      cause.evidence.push_back(detail::evidence("batch norm drift", most->node, drift, "at most 0.014", off));
    }
  }
  return cause;
}
#endif

}  // namespace stet
