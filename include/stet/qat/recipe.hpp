#pragma once
// Recipe: the one object that prepare, calibrate, training and convert share. Plain data.

#include <stet/integer/target.hpp>
#include <stet/qat/any_scheme.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/kept_weight_scale.hpp>
#include <stet/qat/quantizer.hpp>
#include <stet/quant/mse_observer.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

namespace detail {

// Observers of a Recipe that names none, made where the library is, not where a recipe is.
STET_ENTRY AnyObserver default_calibration_observer();
STET_ENTRY AnyObserver default_training_observer();
#if STET_DEFINE_ENTRIES
STET_ENTRY AnyObserver default_calibration_observer() { return MedianObserver<MseObserver>{}; }
STET_ENTRY AnyObserver default_training_observer() { return MovingAverageObserver{}; }
#endif

}  // namespace detail

/// When the phases of QAT begin, as fractions of the whole run (0 = from the start, above 1 = never, of which convert warns).
struct QatSchedule {
  double quantize_at = 0.0;            ///< fake quantization starts; before it the float network trains and is observed
  double freeze_ranges_at = 0.5;       ///< observers stop: scales and zero points no longer move
  double freeze_batch_norm_at = 0.75;  ///< statistics stop: from here the training forward is the deployed arithmetic
};

/// Another scheme for one node, by name; or none at all: kept in float, it reads and makes reals between values that are
/// codes, in training and in the engine. The batch norm behind a layer that is kept goes with it.
struct RecipeOverride {
  std::string node{};
  std::optional<AnyScheme> weights{};
  std::optional<AnyScheme> activations{};
  bool keep_float = false;
};

/// How a model is quantized, trained and deployed.
struct Recipe {
  std::string name = "int8";
  /// Schemes of weights: of convolutions, by default one scale per output channel; of linear layers, by default one scale,
  /// which every runtime executes. A scheme sees weights with their output channels first. What integer kernels multiply
  /// with (weight_refusal says what they do not) is trained and deployed as integers. A model with any other scheme is
  /// simulated in float, its batch norms unfolded; convert refuses it.
  AnyScheme weights = symmetric(8), linear_weights = symmetric(8, false);
  /// Scheme of activations, with which integer kernels compute if activation_refusal says nothing; any other is simulated
  /// with parameters for the observed range, or for the values at hand where it needs those.
  AnyScheme activations = detail::default_activations();  ///< Int8Activation()
  /// Bits of the layers at both ends: the weights of layers that read the input or make the output, what the latter
  /// read, and the output itself. Without it they are as the others.
  std::optional<int> end_bits{};
  /// Bits of depthwise layers: their weights, and the values that they make. They have few taps per channel, so little size, and
  /// little that averages rounding out. Without it they are as the others; an override of a node speaks for it.
  std::optional<int> depthwise_bits{};
  /// Prototypes of learned ranges: below 8 bits, scales of weights, and of the activations of layers and additions, are
  /// trained by one. Those of weights keep the zero point 0 (LsqRange, TqtRange).
  std::optional<AnyLearnedRange> learned_weights{}, learned_activations{};
  double scale_lr_factor = 1.0;  ///< the learning rate of their parameters, relative to the others
  /// What stands in for the derivative of rounding weights, and the outputs of whatever makes codes of its own; without it
  /// the gradient passes inside the range, of activations where the deployed code was not clipped, of means everywhere. That
  /// of integer activations knows pass bits only, and not together with learned_activations.
  std::optional<AnyEstimator> weight_estimator{}, activation_estimator{};
  /// Prototypes of observers of activations: one chooses the range from calibration data, the other says how the range then
  /// follows the batches of training. The latter sees ranges only.
  AnyObserver calibration_observer = detail::default_calibration_observer();  ///< MedianObserver<MseObserver>{}
  AnyObserver training_observer = detail::default_training_observer();        ///< MovingAverageObserver{}
  QatSchedule schedule{};
  Target target = targets::litert_default;
  std::vector<RecipeOverride> overrides{};
  /// Whether what the target has no integer form of is kept in float instead of refused; prepare warns of it, and check
  /// says how much that is.
  bool keep_float_unsupported = false;

  /// What is simulated in float and why; empty if all is deployed.
  [[nodiscard]] std::string simulation() const {
    std::string text;
    const auto refused = [&](const char* what, const AnyScheme& scheme, const std::string& refusal) {
      if (text.empty() && !refusal.empty()) text = formatted("{} of scheme {} ({})", what, scheme.name(), refusal);
    };
    refused("weights", weights, weight_refusal(weights));
    refused("weights", linear_weights, weight_refusal(linear_weights));
    refused("activations", activations, activation_refusal(activations));
    for (const RecipeOverride& o : overrides) {
      if (o.weights) refused("weights", *o.weights, weight_refusal(*o.weights));
      if (o.activations) refused("activations", *o.activations, activation_refusal(*o.activations));
    }
    return text;
  }
  [[nodiscard]] bool simulated() const { return !simulation().empty(); }
  /// All of it, one line per field: what a checkpoint must have been made with.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] const RecipeOverride* override_of(std::string_view node) const {
    for (const RecipeOverride& o : overrides) {
      if (o.node == node) return &o;
    }
    return nullptr;
  }
};

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string Recipe::describe() const {
  // All fields by name: a new one does not compile before it is here too.
  const auto& [name_, weights_, linear_weights_, activations_, end_bits_, depthwise_bits_, learned_weights_, learned_activations_, scale_lr_factor_,
               weight_estimator_, activation_estimator_, calibration_observer_,
               training_observer_, schedule_, target_, overrides_, keep_float_unsupported_] = *this;
  const auto& [quantize_at_, freeze_ranges_at_, freeze_batch_norm_at_] = schedule_;
  const auto text_of = [](const auto& optional) { return optional ? optional->describe() : "none"; };
  const auto bits_of = [](const std::optional<int>& bits) { return bits ? formatted("{} bits", *bits) : "as the others"; };
  std::string text = formatted("name: {}\nweights: {}\nlinear weights: {}\nactivations: {}\nends: {}\ndepthwise weights: {}\n", name_,
                                 weights_.describe(), linear_weights_.describe(), activations_.describe(),
                                 bits_of(end_bits_), bits_of(depthwise_bits_));
  text += formatted("learned weights: {}\nlearned activations: {}\nlearning rate of scales: {} of the others\nweight estimator: {}\nactivation estimator: {}\n",
                      text_of(learned_weights_), text_of(learned_activations_), scale_lr_factor_,
                      text_of(weight_estimator_), text_of(activation_estimator_));
  text += formatted("calibration observer: {}\ntraining observer: {}\n", calibration_observer_.describe(),
                      training_observer_.describe());
  text += formatted("schedule: quantize at {}, freeze ranges at {}, freeze batch norm at {}\n{}", quantize_at_,
                      freeze_ranges_at_, freeze_batch_norm_at_, stet::describe(target_));
  if (keep_float_unsupported_) text += "what the target has no integer form of: kept in float\n";
  for (const RecipeOverride& o : overrides_) {
    const auto& [node, node_weights, node_activations, kept] = o;
    text += formatted("override of {}: weights {}, activations {}{}\n", node,
                      node_weights ? node_weights->describe() : "as the others",
                      node_activations ? node_activations->describe() : "as the others", kept ? ", kept in float" : "");
  }
  return text;
}
#endif

/// Ready recipes; the name spells what they do.
namespace recipes {

/// 8-bit activations, symmetric narrow 8-bit weights per channel (linear layers per tensor).
inline Recipe int8() { return {}; }

/// The same with one weight scale per layer.
inline Recipe int8_per_tensor() {
  Recipe r;
  r.name = "int8_per_tensor";
  r.weights = symmetric(8, false);
  return r;
}

namespace detail {

// Fewer bits of weights, none of whose scales is learned: what post-training quantization may take.
STET_ENTRY Recipe few_bits(const char* name, int weight_bits, int activation_bits, bool per_channel);
#if STET_DEFINE_ENTRIES
STET_ENTRY Recipe few_bits(const char* name, int weight_bits, int activation_bits, bool per_channel) {
  Recipe r;
  r.name = name;
  r.weights = symmetric(weight_bits, per_channel);
  r.linear_weights = symmetric(weight_bits, false);
  r.end_bits = r.depthwise_bits = 8;
  if (activation_bits < 8) {
    r.activations = Int8Activation(activation_bits);
    r.calibration_observer = MseObserver{};  // a grid of few codes is chosen better from all values at once (docs/results.md)
  }
  return r;
}
#endif

STET_ENTRY Recipe learned(const char* name, int weight_bits, int activation_bits);
#if STET_DEFINE_ENTRIES
STET_ENTRY Recipe learned(const char* name, int weight_bits, int activation_bits) {
  Recipe r;
  r.name = name;
  r.weights = r.linear_weights = symmetric(weight_bits, true, WeightRange::mse);
  r.activations = Int8Activation(activation_bits);
  r.end_bits = r.depthwise_bits = 8;
  r.learned_weights = r.learned_activations = lsq();
  r.calibration_observer = MseObserver{};  // a grid of few codes is chosen better from all values at once (docs/results.md)
  r.schedule = {.quantize_at = 0.0, .freeze_ranges_at = 0.75, .freeze_batch_norm_at = 0.9};
  return r;
}
#endif

}  // namespace detail

/// 4-bit weights per channel and 8-bit activations, 8 bits at both ends, without learned scales: half the size of int8, and
/// good without training (quantize).
inline Recipe w4a8() { return detail::few_bits("w4a8", 4, 8, true); }
/// The same with one weight scale per layer.
inline Recipe w4a8_per_tensor() { return detail::few_bits("w4a8_per_tensor", 4, 8, false); }
/// 4-bit weights per channel and 4-bit activations, 8 bits at both ends, for quantize; w4a4_lsq is for training.
inline Recipe w4a4() { return detail::few_bits("w4a4", 4, 4, true); }

/// 4-bit weights per channel and 4-bit activations, scales learned from the least squared error on, 8 bits at both ends.
/// Train with Adam at 1e-3, cosine, about 4 epochs; no weight decay on scales.
/// Source:    Esser 2020, LSQ, arXiv 1902.08153; start and logarithm: docs/results.md
inline Recipe w4a4_lsq() { return detail::learned("w4a4_lsq", 4, 4); }
/// The same with 3 bits.
inline Recipe w3a3_lsq() { return detail::learned("w3a3_lsq", 3, 3); }
/// The same with ternary weights and 2-bit activations.
inline Recipe w2a2_lsq() { return detail::learned("w2a2_lsq", 2, 2); }
/// Binary weights (-1 and 1 times a learned scale) and 2-bit activations, otherwise the same.
/// Source:    Rastegari 2016, binary weight networks, arXiv 1603.05279
inline Recipe binary() { return detail::learned("binary", 1, 2); }

}  // namespace recipes
}  // namespace stet
