#pragma once
// Changes of how a model was trained, and training from the FP32 checkpoint again with one of them.

#include <stet/core/entry.hpp>
#include <stet/diagnose/replay.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Training that starts from the FP32 checkpoint: QAT from its quantization, or the control in float.
struct TrainingReplay {
  Replay replay;
  FitOptions fit{};

  /// QAT with these options. Nothing of the options' checkpoints and callbacks is used: it is a run of its own.
  /// Errors:    as fit
  [[nodiscard]] QatModel qat() const;
  /// The FP32 checkpoint trained on with the same options.
  [[nodiscard]] Model control() const;
};

/// One thing of training changed.
struct TrainingChange {
  std::string id{};     ///< also that of the cause
  std::string name{};   ///< what is changed: "a learning rate of 1e-4, cosine"
  std::string title{};  ///< of the cause: "A learning rate that is too high for fine-tuning"
  std::string cure{}, code{};
  bool of_control = false;  ///< whether float training shows it too: tried where the control is worse, on the control
  std::function<bool(TrainingReplay&)> change{};  ///< false if there is nothing to change
  std::string measure{}, healthy{};                       ///< what of the options shows it, and how it should be
  std::function<double(const TrainingReplay&)> value{};   ///< of that
};

/// Those that diagnose tries: never_quantized, schedule, learning_rate, augmentation, weight_decay, batch_norm_frozen_early, scale_learning_rate,
/// too_short; from the smallest change to the most expensive.
STET_ENTRY std::vector<TrainingChange> default_training_changes();

#if STET_DEFINE_ENTRIES
namespace detail {

// Options of a run without what ties it to files and callers.
inline FitOptions unattached(FitOptions o) {
  o.checkpoint.clear();
  o.resume = o.replace = false;
  o.stop_after = 0;
  o.run = nullptr;
  o.state.clear();
  o.on_gradients = {};
  o.on_step = {};
  o.on_epoch = {};
  o.validation = nullptr;
  o.early_stop = {};
  o.metric = {};  // of validation data
  return o;
}

inline constexpr double healthy_learning_rate = 1e-4;

// Of the parameters that learn fastest.
inline double highest_rate(const FitOptions& o) {
  double factor = 1;
  for (const LayerRate& rate : o.rates) factor = std::max(factor, rate.factor);
  return factor * o.optimizer.lr();
}

}  // namespace detail

STET_ENTRY QatModel TrainingReplay::qat() const {
  QatModel model = replay.quantize();
  (void)stet::fit(model, replay.train, detail::unattached(fit));
  return model;
}

STET_ENTRY Model TrainingReplay::control() const {
  Model model = replay.model;
  FitOptions options = detail::unattached(fit);
  // Rates of what only the quantized model has, such as learned ranges.
  const std::vector<ParameterRef> parameters = parameter_refs(model);
  std::erase_if(options.rates, [&](const LayerRate& rate) {
    return std::none_of(parameters.begin(), parameters.end(), [&](const ParameterRef& p) { return detail::fits_parameter(rate.names, p.name); });
  });
  (void)stet::fit(model, replay.train, options);
  return model;
}

STET_ENTRY std::vector<TrainingChange> default_training_changes() {
  return {
      {"never_quantized", "quantized from the first step", "Quantization was never switched on in training", "quantize from the first training step on", "r.schedule.quantize_at = 0;", false,
       [](TrainingReplay& t) {
         if (t.replay.recipe.schedule.quantize_at < 1) return false;
         t.replay.recipe.schedule.quantize_at = 0;
         return true;
       },
       "quantize_at", "0", [](const TrainingReplay& t) { return static_cast<double>(t.replay.recipe.schedule.quantize_at); }},
      {"schedule", "a learning rate that falls to 0", "A learning rate that does not fall", "let the learning rate fall to 0 (cosine): codes of weights settle", "options.schedule = Cosine{};",
       false,
       [](TrainingReplay& t) {
         // A rate of more than 2e-3 is a cause of its own, whether it falls or not.
         if (t.fit.schedule.at(999, 1000) < 0.1 || detail::highest_rate(t.fit) > 20 * detail::healthy_learning_rate) return false;
         t.fit.schedule = Cosine{};
         return true;
       },
       "learning rate at the end / at the start", "0", [](const TrainingReplay& t) { return static_cast<double>(t.fit.schedule.at(999, 1000) / t.fit.schedule.at(0, 1000)); }},
      {"learning_rate", "a learning rate of 1e-4, cosine", "A learning rate that is too high for fine-tuning", "fine-tune with a learning rate of 1e-4 that falls to 0 (Adam, cosine)",
       "options.optimizer = Adam{.lr = 1e-4}; options.schedule = Cosine{};", true,
       [](TrainingReplay& t) {
         if (detail::highest_rate(t.fit) <= 2 * detail::healthy_learning_rate) return false;
         t.fit.optimizer = Adam{.lr = detail::healthy_learning_rate};
         t.fit.schedule = Cosine{};
         t.fit.rates.clear();
         return true;
       },
       "learning rate", "1e-4 with Adam", [](const TrainingReplay& t) { return detail::highest_rate(t.fit); }},
      {"augmentation", "no augmentation", "Augmentation that makes other images than those of evaluation",
       "leave out of FitOptions::augment what the FP32 model was not trained with and evaluation does not show", "options.augment.clear();", true,
       [](TrainingReplay& t) {
         if (t.fit.augment.empty()) return false;
         t.fit.augment.clear();
         return true;
       },
       "augmentations", "those that FP32 was trained with", [](const TrainingReplay& t) { return static_cast<double>(t.fit.augment.size()); }},
      {"weight_decay", "no weight decay", "Weight decay that is larger than what fine-tuning learns", "fine-tune with less weight decay or none", "options.optimizer = Adam{.lr = options.optimizer.lr()};", true,
       [](TrainingReplay& t) {
         const AnyOptimizer plain = Adam{.lr = t.fit.optimizer.lr()};
         if (t.fit.optimizer.describe() == plain.describe()) return false;
         t.fit.optimizer = plain;
         return true;
       },
       "learning rate, with weight decay", "1e-4, without", [](const TrainingReplay& t) { return static_cast<double>(t.fit.optimizer.lr()); }},
      {"batch_norm_frozen_early", "batch norm frozen at three quarters", "Batch norm was frozen while the weights still moved", "let batch norm follow for three quarters of the run",
       "r.schedule.freeze_batch_norm_at = 0.75;", false,
       [](TrainingReplay& t) {
         if (t.replay.recipe.schedule.freeze_batch_norm_at >= 0.5) return false;
         t.replay.recipe.schedule.freeze_batch_norm_at = QatSchedule{}.freeze_batch_norm_at;
         return true;
       },
       "part of the run at which batch norm is frozen", "0.75", [](const TrainingReplay& t) { return static_cast<double>(t.replay.recipe.schedule.freeze_batch_norm_at); }},
      {"scale_learning_rate", "scales at the learning rate of all", "Scales are trained faster than weights", "train scales with the learning rate of the other parameters",
       "r.scale_lr_factor = 1;", false,
       [](TrainingReplay& t) {
         if (t.replay.recipe.scale_lr_factor <= 1) return false;
         t.replay.recipe.scale_lr_factor = 1;
         return true;
       },
       "learning rate of scales / of the others", "1", [](const TrainingReplay& t) { return static_cast<double>(t.replay.recipe.scale_lr_factor); }},
      {"too_short", "eight times as many epochs", "Few bits and few steps", "train longer: fewer bits need more steps, and 1e-3 in place of 1e-4", "options.epochs *= 8;", false,
       [](TrainingReplay& t) {
         t.fit.epochs *= 8;
         return true;
       },
       "epochs", "4 or more with few bits", [](const TrainingReplay& t) { return static_cast<double>(t.fit.epochs); }},
  };
}
#endif

}  // namespace stet
