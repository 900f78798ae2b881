#pragma once
// QatModel: a model with quantizers on its activations, on the way from calibration to deployed integers.

#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/plan_units.hpp>
#include <stet/model/qat_phases.hpp>
#include <stet/qat/kept_weight_scale.hpp>
#include <stet/qat/recipe.hpp>
#include <stet/quant/range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// Range of a value of a model; an error names the value.
inline Range range_of(const char* op, const std::string& value, std::span<const float> x) {
  try {
    return min_max(x);
  } catch (const Error& e) {
    throw Error(e.code(), formatted("{}: value of {}: {}", op, value, e.what()));
  }
}

}  // namespace detail

/// Which images gave a model its ranges.
struct CalibrationData {
  std::int64_t images = 0;
  std::vector<std::int64_t> of_class{};  ///< how many of them are of each class
  std::vector<float> reach{};  ///< per unit: width of the range of all its values, with 0
  std::vector<float> cut{};    ///< per unit: part of its values beyond a range that was there before, as of Quantizer::fix
  std::vector<InputFingerprint> inputs{};  ///< per input, what they look like; of 0 images before calibrate()
};

/// Model + quantizers + which value has which. Made by prepare(); a copy is independent.
class QatModel {
 public:
  /// Errors:    Errc::unsupported listing all nodes that the recipe's target cannot run
  QatModel(Model model, Recipe recipe)
      : model_(std::move(model)), recipe_(std::move(recipe)), plan_(plan_units(model_.graph(), recipe_)) {
    make_quantizers();
  }

  [[nodiscard]] Model& model() { return model_; }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Graph& graph() const { return model_.graph(); }
  [[nodiscard]] const Recipe& recipe() const { return recipe_; }
  [[nodiscard]] const std::vector<Unit>& units() const { return plan_.units; }

  [[nodiscard]] std::vector<Quantizer>& quantizers() { return quantizers_; }
  [[nodiscard]] const std::vector<Quantizer>& quantizers() const { return quantizers_; }
  [[nodiscard]] Quantizer& quantizer(int index) {
    require_whole();
    return quantizers_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const Quantizer& quantizer(int index) const {
    require_whole();
    return quantizers_[static_cast<std::size_t>(index)];
  }
  /// Quantizer of a node's value by node name, e.g. to fix its range.
  /// Errors:    Errc::range if no unit makes a value of this name
  [[nodiscard]] Quantizer& quantizer(std::string_view node) {
    require_whole();
    for (const Unit& unit : plan_.units) {
      if (node_name(unit.output) == node) return quantizer(unit.quantizer);
    }
    std::string names;
    for (const Unit& unit : plan_.units) names += (names.empty() ? "" : ", ") + node_name(unit.output);
    fail(Errc::range, "QatModel: no quantized value is named {}; there are {}", node, names);
  }
  /// Scheme of a unit's output.
  [[nodiscard]] const AnyScheme& activations(const Unit& unit) const {
    return plan_.quantizer_schemes[static_cast<std::size_t>(unit.quantizer)];
  }
  /// Whether the runtime fixes scale and zero point of a quantizer, as those of a sigmoid: nobody can mend them.
  [[nodiscard]] bool runtime_fixes(int quantizer) const { return plan_.fixed_output[static_cast<std::size_t>(quantizer)] != nullptr; }
  /// Scale and zero point of a unit's output.
  [[nodiscard]] QParams params(const Unit& unit) const { return quantizer(unit.quantizer).params(); }
  /// Scale and zero point of an input of a unit.
  [[nodiscard]] QParams input_params(const Unit& unit, std::size_t i = 0) const {
    return params(plan_.units[static_cast<std::size_t>(unit.deployed.inputs[i])]);
  }

  /// Range of a unit's weights whose scales are kept or learned.
  [[nodiscard]] AnyLearnedRange& weight_range(const Unit& unit) { return kept_scale(unit).range(); }
  /// Its scales, one per channel or one; empty where they come from the weights at hand.
  /// Errors:    Errc::range naming the layer if a parameter of the range is not finite
  [[nodiscard]] std::vector<float> weight_scale(const Unit& unit) const {
    return weight_scales_[static_cast<std::size_t>(unit.node)].scales(weights_of(unit), node_name(unit.node));
  }
  /// Keeps these scales of a unit's weights, one per channel or one, whatever becomes of the weights: codes that a pass chose
  /// stay. Per tensor in front of batch norm they belong to the products of weights and its factors, as the codes do.
  /// Learned scales go on from them; the others stay until training in float has moved the weights.
  /// Units:     real per code, before quantize_weights shifts codes
  /// Errors:    Errc::range if one is not positive and finite; Errc::shape if their number is wrong
  void fix_weight_scale(const Unit& unit, std::vector<float> scale);
  [[nodiscard]] bool fixed_weight_scale(const Unit& unit) const {
    return weight_scales_[static_cast<std::size_t>(unit.node)].fixed();
  }
  /// Lets scales of weights that were zero follow those of now, at the begin of a step.
  void renew_weight_scale(const Unit& unit) { kept_scale(unit).renew(weights_of(unit)); }
  /// Whether training moves them now: from the start of quantization until ranges are frozen.
  [[nodiscard]] bool learns_weight_scale(const Unit& unit) const {
    return unit.learns_weight_scale && phases_.quantizing && !phases_.ranges_frozen;
  }

  /// Brings parameters of learned ranges that an optimizer moved too far back to the edge, at the begin of a step.
  /// Errors:    Errc::range naming the layer if one is not finite
  void clamp_ranges() {
    for (const Unit& unit : plan_.units) {
      if (!learns_weight_scale(unit)) continue;
      weight_range(unit).require_finite(node_name(unit.node));
      weight_range(unit).clamp_parameters();
    }
    for (Quantizer& q : quantizers_) {
      if (!q.learns()) continue;
      q.learned_range().require_finite(q.name());
      q.learned_range().clamp_parameters();
    }
  }

  /// What the last calibrate() went through.
  [[nodiscard]] const CalibrationData& calibration_data() const { return calibration_data_; }
  void set_calibration_data(CalibrationData data) {
    calibration_data_ = std::move(data);
    phases_.steps_with_ranges_frozen = 0;
  }
  [[nodiscard]] bool calibrated() const {
    require_whole();
    for (const Quantizer& q : quantizers_) {
      if (!q.calibrated()) return false;
    }
    return true;
  }
  /// Errors:    Errc::state naming the first quantizer without a range
  void require_calibrated(const char* op) const {
    require_whole();
    for (const Quantizer& q : quantizers_) {
      require(q.calibrated(), Errc::state, "{}: {} has no range yet; call calibrate(model, data) before", op, q.name());
    }
  }

  /// Where training stands, and how many steps of it there were.
  [[nodiscard]] const QatPhases& phases() const { return phases_; }
  /// Whether training steps quantize: from QatSchedule::quantize_at on, which may be as soon as there are ranges.
  [[nodiscard]] bool quantizing() const {
    return phases_.quantizing || (recipe_.schedule.quantize_at <= 0 && calibrated());
  }
  /// Whether training steps run the folded, deployed arithmetic; dropout is off then.
  [[nodiscard]] bool batch_norm_frozen() const { return phases_.batch_norm_frozen; }
  /// Whether a step at this part of a run, 0 to 1, normalizes with the statistics of its batch.
  [[nodiscard]] bool batch_norm_live_at(double progress) const {
    const bool quantizes = phases_.quantizing || progress >= recipe_.schedule.quantize_at;
    const bool frozen = phases_.batch_norm_held || progress >= recipe_.schedule.freeze_batch_norm_at;
    return recipe_.simulated() || !quantizes || !frozen;
  }

  /// Starts quantization at once, whatever the schedule says.
  /// Errors:    Errc::state if a quantizer has no range
  void start_quantizing() {
    require_whole();
    for (Quantizer& q : quantizers_) q.start();
    if (!phases_.quantizing && phases_.float_steps > 0) restart_weight_scales();  // the weights have moved since prepare
    phases_.quantizing = true;
  }
  /// Freezes ranges and learned scales, or batch norm, by hand: they stay so over all later runs, until reopen().
  void freeze_ranges() {
    stop_ranges();
    phases_.ranges_held = true;
  }
  void freeze_batch_norm() { phases_.batch_norm_frozen = phases_.batch_norm_held = true; }
  /// Lets ranges, learned scales and batch norm move again, from where they are, even those that a hand froze. What
  /// Quantizer::fix or the runtime fixed stays.
  void reopen() {
    phases_.ranges_held = phases_.batch_norm_held = false;
    begin_run();
  }

  /// Begins a run of training: what the schedule of an earlier run froze moves again, until this run's schedule freezes
  /// it. What was fixed or frozen by hand stays, and quantization that is on stays on.
  void begin_run() {
    if (!phases_.batch_norm_held) phases_.batch_norm_frozen = false;
    if (phases_.ranges_held) return;
    phases_.ranges_frozen = false;
    for (Quantizer& q : quantizers_) {
      q.reopen();
      if (phases_.quantizing) q.start();
    }
  }
  /// Enters the phases of the recipe's schedule that begin at or before this part of the run, 0 to 1.
  /// Errors:    Errc::state if a quantizer has no range
  void advance(double progress, const char* op = "fit") {
    const QatSchedule& schedule = recipe_.schedule;
    if (!phases_.quantizing && progress >= schedule.quantize_at) {
      require_calibrated(op);
      start_quantizing();
    }
    if (progress >= schedule.freeze_ranges_at) stop_ranges();
    if (progress >= schedule.freeze_batch_norm_at) phases_.batch_norm_frozen = true;
  }
  /// Begins a training step outside of fit: a schedule that quantizes from the start does so, told of progress or not.
  /// Errors:    Errc::state if a quantizer has no range
  void begin_step() {
    if (!phases_.quantizing && recipe_.schedule.quantize_at <= 0) {
      require_calibrated("forward");
      start_quantizing();
    }
  }
  /// Whether a training step moves a range or a learned scale now.
  [[nodiscard]] bool ranges_move() const {
    for (const Quantizer& q : quantizers_) {
      if (q.state() != QuantizerState::frozen) return true;
    }
    for (const Unit& unit : plan_.units) {
      if (learns_weight_scale(unit)) return true;
    }
    return false;
  }
  /// Counts a training step that was made.
  void count_step() {
    ++(phases_.quantizing ? phases_.quantized_steps : phases_.float_steps);
    const auto count = [&](std::int64_t& steps, bool frozen) { steps = phases_.quantizing && frozen ? steps + 1 : 0; };
    count(phases_.steps_with_ranges_frozen, !ranges_move());
    count(phases_.steps_with_batch_norm_frozen, phases_.batch_norm_frozen);
  }

  /// Visits the state beside parameters and buffers by name, for checkpoints.
  template <class F>
  void fields(F&& f) {
    phases_.fields(f);
    f("calibration_images", calibration_data_.images);
    f("calibration_labels", calibration_data_.of_class);
    f("calibration_reach", calibration_data_.reach);
    f("calibration_cut", calibration_data_.cut);
    for (std::size_t i = 0; i < calibration_data_.inputs.size(); ++i) {
      const std::string of = i == 0 ? "calibration_input." : formatted("calibration_input_{}.", i + 1);
      calibration_data_.inputs[i].fields([&](std::string_view field, auto& value) { f(of + std::string(field), value); });
    }
    for (const Unit& unit : plan_.units) {
      if (!unit.has_weights()) continue;
      kept_scale(unit).fields([&](std::string_view field, auto& value) {
        f(node_name(unit.node) + "." + std::string(field), value);
      });
    }
    for (Quantizer& q : quantizers_) {
      q.fields([&](std::string_view field, auto& value) { f(q.name() + "." + std::string(field), value); });
    }
  }

  [[nodiscard]] const std::string& node_name(int node) const {
    return model_.graph().nodes()[static_cast<std::size_t>(node)].name;
  }

 private:
  void make_quantizers();
  // A model that was moved from has no quantizers, which must not pass for calibrated ones; its graph says so.
  void require_whole() const { (void)graph().size(); }
  void stop_ranges() {
    require_whole();
    for (Quantizer& q : quantizers_) q.freeze();
    for (const Unit& unit : plan_.units) {
      if (detail::keeps_weight_scale(unit)) kept_scale(unit).settle(weights_of(unit));
    }
    phases_.ranges_frozen = true;
  }
  // Finds the scales that are kept from the weights as they are now.
  void restart_weight_scales() {
    for (const Unit& unit : plan_.units) {
      if (unit.has_weights()) kept_scale(unit).restart(weights_of(unit));
    }
  }
  [[nodiscard]] const Tensor<float>& weights_of(const Unit& unit) const {
    return model_.parameter(node_name(unit.node) + ".weight").value;
  }
  [[nodiscard]] KeptWeightScale& kept_scale(const Unit& unit) { return weight_scales_[static_cast<std::size_t>(unit.node)]; }

  Model model_;
  Recipe recipe_;
  UnitPlan plan_;
  std::vector<Quantizer> quantizers_;
  std::vector<KeptWeightScale> weight_scales_;  // per node, empty where nothing is kept
  CalibrationData calibration_data_{};
  QatPhases phases_;
};

#if STET_DEFINE_ENTRIES
STET_ENTRY void QatModel::make_quantizers() {
  calibration_data_.inputs.resize(graph().inputs().size());
  std::vector<std::string> names(plan_.quantizer_schemes.size());
  for (const Unit& unit : plan_.units) {
    std::string& name = names[static_cast<std::size_t>(unit.quantizer)];
    if (name.empty()) name = node_name(unit.output);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const AnyScheme& scheme = plan_.quantizer_schemes[i];  // one that is simulated gets its range as 8 bits would
    quantizers_.emplace_back(names[i], activation_refusal(scheme).empty() ? scheme : Int8Activation(),
                             recipe_.training_observer, recipe_.calibration_observer);
    if (const auto* fixed = plan_.fixed_output[i]) quantizers_.back().fix(fixed->scale, fixed->zero_point);
    if (plan_.quantizer_learns[i]) quantizers_.back().learn(*recipe_.learned_activations);
  }
  weight_scales_.resize(model_.graph().nodes().size());
  for (const Unit& unit : plan_.units) {
    if (!detail::keeps_weight_scale(unit)) continue;
    kept_scale(unit) = KeptWeightScale(weights_of(unit), unit.channel_axis(), unit.weights,
                                       unit.learns_weight_scale ? *recipe_.learned_weights : AnyLearnedRange(lsq()));
  }
}

STET_ENTRY void QatModel::fix_weight_scale(const Unit& unit, std::vector<float> scale) {
  const std::string& name = node_name(unit.node);
  require(unit.has_weights(), Errc::range, "fix_weight_scale: {} has no weights that become codes", name);
  const std::int64_t wanted = unit.weights.per_channel() ? weights_of(unit).shape()[unit.channel_axis()] : 1;
  require(static_cast<std::int64_t>(scale.size()) == wanted, Errc::shape, "fix_weight_scale: {} has {} scales, got {}", name,
          wanted, scale.size());
  for (const float s : scale) {
    require(std::isfinite(s) && s > 0.0f, Errc::range, "fix_weight_scale: {}: scale {} must be positive and finite", name, s);
  }
  kept_scale(unit).fix(std::move(scale));
}
#endif

namespace detail {

// Per node, the unit that makes its value, or null.
inline std::vector<const Unit*> units_by_output(const QatModel& qat) {
  std::vector<const Unit*> unit_of(qat.graph().nodes().size(), nullptr);
  for (const Unit& unit : qat.units()) unit_of[static_cast<std::size_t>(unit.output)] = &unit;
  return unit_of;
}

}  // namespace detail

}  // namespace stet
