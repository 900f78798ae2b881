#pragma once
// Interventions: one thing of a quantization changed, everything else as it was.

#include <stet/core/entry.hpp>
#include <stet/diagnose/replay.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/passes/equalize.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#endif

namespace stet {

/// A change of one thing, with the cure that it stands for. Pairs of them are made by changing twice.
struct Intervention {
  std::string id{};    ///< "recalibrate"
  std::string name{};  ///< for people
  std::string cure{};  ///< what to do if it is the one that helps, one sentence
  std::string code{};  ///< C++ that does it, for a recipe `r`, a model `fp32` and training data `train`
  /// Makes the change; false if there is nothing to change.
  std::function<bool(Replay&)> change{};
};

/// Those that diagnose tries: recalibrate, reestimate, equalize, per_channel, ends_8, weights_8, activations_8. A list to
/// add to.
STET_ENTRY std::vector<Intervention> default_interventions();

#if STET_DEFINE_ENTRIES
namespace detail {

// Sets a scheme of weights to 8 bits; false if it has them.
inline bool widen_weights(AnyScheme& scheme) {
  if (!scheme.traits().grid || scheme.bits() >= 8) return false;
  scheme = symmetric(8, scheme.per_channel());
  return true;
}
inline bool widen_activations(AnyScheme& scheme) {
  if (!scheme.traits().grid || scheme.bits() >= 8) return false;
  scheme = Int8Activation();
  return true;
}
// What a recipe says of both ends and of depthwise layers, which is of weights and activations alike.
inline bool widen_parts(Recipe& recipe) {
  bool any = false;
  for (std::optional<int>* bits : {&recipe.end_bits, &recipe.depthwise_bits}) {
    if (bits->value_or(8) >= 8) continue;
    *bits = 8;
    any = true;
  }
  return any;
}
inline bool spread_channels(AnyScheme& scheme) {
  if (scheme.per_channel() || !scheme.traits().grid) return false;
  scheme = symmetric(scheme.bits(), true);
  return true;
}

inline bool recalibrate(Replay& r) {
  r.calibration = r.train;
  r.calibrate = {};
  r.starts.clear();
  r.ranges.clear();
  r.recipe.calibration_observer = default_calibration_observer();
  return true;
}

inline bool reestimate(Replay& r) {
  bool any = false;
  for (const graph::Node& node : r.model.graph().nodes()) any = any || graph::is<graph::op::BatchNorm>(node.op);
  any = any && r.train.size() >= 2;  // one image has no statistics
  if (any) r.after.push_back([](QatModel& qat, const Replay& replay) { reestimate_batch_norm(qat, replay.train, {.batches = 8}); });
  return any;
}

inline bool equalize_channels(Replay& r) {
  EqualizeReport report;
  r.model = equalize(r.model, {}, &report);
  return !report.channels.empty();
}

inline bool per_channel(Replay& r) {
  bool any = spread_channels(r.recipe.weights);
  for (RecipeOverride& o : r.recipe.overrides) any = (o.weights && spread_channels(*o.weights)) || any;
  return any;
}

inline bool weights_8(Replay& r) {
  bool any = widen_weights(r.recipe.weights);
  any = widen_weights(r.recipe.linear_weights) || any;
  for (RecipeOverride& o : r.recipe.overrides) any = (o.weights && widen_weights(*o.weights)) || any;
  any = widen_parts(r.recipe) || any;
  r.recipe.learned_weights.reset();
  return any;
}

inline bool activations_8(Replay& r) {
  bool any = widen_activations(r.recipe.activations);
  for (RecipeOverride& o : r.recipe.overrides) any = (o.activations && widen_activations(*o.activations)) || any;
  any = widen_parts(r.recipe) || any;
  r.recipe.learned_activations.reset();
  return any;
}

// The first layer and the last, and what they read and make.
inline bool ends_8(Replay& r) {
  const bool narrow = r.recipe.weights.bits() < 8 || r.recipe.linear_weights.bits() < 8 || r.recipe.activations.bits() < 8;
  if (!narrow || r.recipe.end_bits == 8) return false;
  r.recipe.end_bits = 8;
  return true;
}

}  // namespace detail

STET_ENTRY std::vector<Intervention> default_interventions() {
  return {
      {"recalibrate", "calibrated on the training images", "calibrate on images as the network was trained on: the training set itself",
       "calibrate(qat, train);", detail::recalibrate},
      {"reestimate", "batch norm re-estimated", "re-estimate batch norm on the quantized network", "reestimate_batch_norm(qat, train);",
       detail::reestimate},
      {"equalize", "channels equalized", "equalize the channels of the FP32 model before quantizing: fp32 = equalize(fp32)", "fp32 = equalize(fp32);",
       detail::equalize_channels},
      {"per_channel", "weights per channel", "quantize weights per channel", "r.weights = symmetric(r.weights.bits(), true);",
       detail::per_channel},
      {"ends_8", "both ends with 8 bits", "keep the first and the last layer at 8 bits", "r.end_bits = 8;", detail::ends_8},
      {"weights_8", "weights with 8 bits", "give weights 8 bits, or train longer with fewer",
       "r.weights = symmetric(8); r.linear_weights = symmetric(8, false); r.learned_weights.reset();", detail::weights_8},
      {"activations_8", "activations with 8 bits", "give activations 8 bits, or train longer with fewer",
       "r.activations = Int8Activation(); r.learned_activations.reset();", detail::activations_8},
  };
}
#endif

}  // namespace stet
