#pragma once
// Recipe: the one object that prepare, calibrate, training and convert share. Plain data.

#include <stet/integer/target.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/quantizer.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// When the phases of QAT begin, as fractions of the whole run (0 = from the start, above 1 = never).
struct QatSchedule {
  double quantize_at = 0.0;           ///< fake quantization starts; before it the float network trains and is observed
  double freeze_ranges_at = 0.5;      ///< observers stop: scales and zero points no longer move
  double freeze_batch_norm_at = 0.75; ///< statistics stop: from here the training forward is the deployed arithmetic
};

/// Another scheme for one node, by name.
struct RecipeOverride {
  std::string node{};
  std::optional<WeightScheme> weights{};
  std::optional<int> activation_bits{};
};

/// How a model is quantized, trained and deployed.
struct Recipe {
  std::string name = "int8";
  WeightScheme weights{8, true};         ///< convolutions: one scale per output channel
  WeightScheme linear_weights{8, false}; ///< linear layers: one scale, which every runtime executes
  int activation_bits = 8;
  AnyObserver observer = MovingAverageObserver{}; ///< prototype: how activation ranges follow the data
  QatSchedule schedule{};
  Target target = targets::litert_default;
  std::vector<RecipeOverride> overrides{};

  /// One line that names what a checkpoint must have been made with.
  [[nodiscard]] std::string describe() const {
    const auto scheme = [](const WeightScheme& w) { return fmt::format("{} bits per {}", w.bits, w.per_channel ? "channel" : "tensor"); };
    return fmt::format("{}: weights {}, linear {}, activations {} bits, phases {} {} {}, target {}, {} overrides", name,
                       scheme(weights), scheme(linear_weights), activation_bits, schedule.quantize_at,
                       schedule.freeze_ranges_at, schedule.freeze_batch_norm_at, target.name, overrides.size());
  }
  [[nodiscard]] const RecipeOverride* override_of(std::string_view node) const {
    for (const RecipeOverride& o : overrides) {
      if (o.node == node) return &o;
    }
    return nullptr;
  }
};

/// Ready recipes; the name spells what they do.
namespace recipes {

/// 8-bit activations with moving-average ranges, symmetric narrow 8-bit weights per channel (linear layers per tensor).
inline Recipe int8() { return {}; }

/// The same with one weight scale per layer.
inline Recipe int8_per_tensor() {
  Recipe r;
  r.name = "int8_per_tensor";
  r.weights.per_channel = false;
  return r;
}

}  // namespace recipes
}  // namespace stet
