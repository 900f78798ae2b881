#pragma once
// Oscillating weights of a QatModel, as callbacks of fit: tracking, iterative freezing, dampening.

#include <stet/model/qat_model.hpp>
#include <stet/qat/oscillation.hpp>
#include <stet/train/fit_options.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace stet {

namespace detail {

// A unit whose weights can oscillate: few codes, at a scale that does not follow the weights.
struct OscillatingLayer {
  const Unit* unit;
  int axis;

  [[nodiscard]] Tensor<float>& weights(QatModel& qat) const {
    return qat.model().parameter(qat.node_name(unit->node) + ".weight").value;
  }
  [[nodiscard]] QParams params(const QatModel& qat) const {
    QParams p{*unit->weights.traits().grid, weight_granularity(unit->weights, axis), qat.weight_scale(*unit), {}};
    p.zero_point.assign(p.scale.size(), 0);
    return p;
  }
};

inline bool can_oscillate(const Unit& unit) {
  return keeps_weight_scale(unit) && unit.weights.bits() >= 2 && unit.weights.bits() <= 4;
}

inline std::vector<OscillatingLayer> oscillating_layers(const QatModel& qat) {
  std::vector<OscillatingLayer> layers;
  for (const Unit& unit : qat.units()) {
    if (!can_oscillate(unit)) continue;
    layers.push_back({&unit, unit.channel_axis()});
  }
  return layers;
}

}  // namespace detail

/// When weights freeze.
struct OscillationOptions {
  double momentum = 0.01;          ///< of the frequency of turns
  double freeze_from = 0.1;        ///< threshold at the start of the run, falling along half a cosine
  double freeze_to = 0.015;        ///< at its end; above the momentum, or a single turn freezes a weight
  bool freeze = true;              ///< false: only watch
};

/// Watches weights of 2 to 4 bits with a kept or learned scale, and freezes those that flip between two codes.
///
///   OscillationFreezing freezing(qat);
///   fit(qat, data, {.epochs = 4, .on_step = std::ref(freezing), .state = {{"freezing", freezing}}});
///
/// Formula:   OscillationTracker, freezing_threshold
/// The model must outlive it and must be the one that is trained. Named in FitOptions::state it is resumed with the run.
/// Errors:    Errc::state if no weights of the model can oscillate
/// Source:    Nagel 2022, arXiv 2203.11086
class OscillationFreezing {
 public:
  explicit OscillationFreezing(QatModel& qat, const OscillationOptions& options = {})
      : qat_(&qat), options_(options), layers_(detail::oscillating_layers(qat)) {
    require(!layers_.empty(), Errc::state,
            "OscillationFreezing: no weights of 2 to 4 bits with a kept scale; take a recipe such as w4a4_lsq, or "
            "symmetric(4, true, WeightRange::mse)");
    trackers_.assign(layers_.size(), OscillationTracker(options.momentum));
  }

  /// After every update.
  void operator()(const StepReport& report) {
    if (!qat_->quantizing()) return;
    const double part = static_cast<double>(report.step + 1) / static_cast<double>(report.steps);
    const double threshold = options_.freeze
                                 ? freezing_threshold(part, options_.freeze_from, options_.freeze_to)
                                 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const QParams p = layers_[i].params(*qat_);
      Tensor<float>& w = layers_[i].weights(*qat_);
      Tensor<std::int8_t> codes(w.shape());
      quantize(w.span(), w.shape(), p, codes.edit());
      trackers_[i].update(codes, threshold);
      if (options_.freeze) trackers_[i].hold(w, p);
    }
  }

  /// What is known of one layer's weights.
  struct Layer {
    std::string node{};
    std::int64_t weights = 0, oscillating = 0, frozen = 0;
  };
  /// One entry per watched layer: how many weights turned more often than `above` lately, and how many are frozen.
  [[nodiscard]] std::vector<Layer> layers(double above = 0.005) const {
    std::vector<Layer> result;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const OscillationTracker& t = trackers_[i];
      result.push_back({qat_->node_name(layers_[i].unit->node), static_cast<std::int64_t>(t.codes().size()),
                        t.oscillating_count(above), t.frozen_count()});
    }
    return result;
  }

  template <class F>
  void fields(F&& f) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      trackers_[i].fields([&, node = qat_->node_name(layers_[i].unit->node)](const char* name, auto& field) {
        f(node + "/" + name, field);
      });
    }
  }

 private:
  QatModel* qat_;
  OscillationOptions options_;
  std::vector<detail::OscillatingLayer> layers_;
  std::vector<OscillationTracker> trackers_;
};

/// Draws weights of 2 to 4 bits towards the values of their codes, ever more strongly.
///
///   fit(qat, data, {.epochs = 4, .on_gradients = OscillationDampening(qat)});
///
/// Formula:   dampening_gradient with lambda = lambda_end (1 - cos(pi * part)) / 2, part of the run from 0 to 1
/// The model must outlive it and must be the one that is trained.
/// Errors:    Errc::range if lambda_end is negative or not finite
/// Source:    Nagel 2022, arXiv 2203.11086
class OscillationDampening {
 public:
  explicit OscillationDampening(QatModel& qat, double lambda_end = 0.1)
      : qat_(&qat), lambda_end_(lambda_end), layers_(detail::oscillating_layers(qat)) {
    require(lambda_end >= 0.0 && std::isfinite(lambda_end), Errc::range,
            "OscillationDampening: lambda_end is {}, must be finite and not negative", lambda_end);
  }

  /// Between backward and update.
  void operator()(const StepReport& report) const {
    if (!qat_->quantizing()) return;
    const double part = static_cast<double>(report.step) / static_cast<double>(report.steps);
    const auto lambda = static_cast<float>(lambda_end_ * (1.0 - std::cos(std::numbers::pi * part)) / 2.0);
    for (const detail::OscillatingLayer& layer : layers_) {
      const QParams p = layer.params(*qat_);
      Parameter& w = qat_->model().parameter(qat_->node_name(layer.unit->node) + ".weight");
      if (w.gradient.empty()) continue;
      Tensor<std::int8_t> codes(w.value.shape());
      quantize(w.value.span(), w.value.shape(), p, codes.edit());
      dampening_gradient(w.value.span(), codes.span(), w.value.shape(), p, lambda, w.gradient.edit());
    }
  }

 private:
  QatModel* qat_;
  double lambda_end_;
  std::vector<detail::OscillatingLayer> layers_;
};

}  // namespace stet
