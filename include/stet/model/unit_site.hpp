#pragma once
// UnitSite: one unit of a QatModel in a pass over the tape: its inputs, its parameters, what it observes and trains.

#include <stet/graph/resolve.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/output_estimator.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet::detail {

// A pass over all units. With `trained` null nothing is recorded and nothing moves: evaluation.
struct UnitPass {
  Tape& tape;
  const QatModel& qat;
  QatModel* trained;
  Rng* rng;
  std::optional<float> momentum{};  // of batch norm's statistics, if nothing else is to move
  const Tensor<float>* x = nullptr;                 // of the input whose unit runs
  std::vector<std::optional<Var<QTensor>>> values{};  // per unit
  std::vector<std::optional<Var<Tensor<float>>>> reals{};  // per unit whose output is real
  std::vector<Tensor<std::int8_t>> orders{};          // per unit, empty where no pool asks

  // Whether this pass is a step of training and not a new estimate of statistics.
  [[nodiscard]] bool trains() const { return trained != nullptr && !momentum; }
};

inline Range after(Activation activation, Range r) {
  return {std::clamp(r.lo, activation.lo, activation.hi), std::clamp(r.hi, activation.lo, activation.hi)};
}

class UnitSite {
 public:
  UnitSite(UnitPass& pass, const Unit& unit) : pass_(pass), unit_(unit) {}

  [[nodiscard]] const Unit& unit() const { return unit_; }
  [[nodiscard]] const QatModel& qat() const { return pass_.qat; }
  [[nodiscard]] Tape& tape() const { return pass_.tape; }
  [[nodiscard]] bool trains() const { return pass_.trains(); }
  /// What comes in, for the unit of an input.
  [[nodiscard]] const Tensor<float>& model_input() const { return *pass_.x; }

  [[nodiscard]] std::size_t inputs() const { return unit_.deployed.inputs.size(); }
  [[nodiscard]] const Var<QTensor>& input(std::size_t i = 0) const { return *pass_.values[at(unit_.deployed.inputs[i])]; }
  [[nodiscard]] Operand operand(std::size_t i = 0) const {
    return {input(i).shape().unbatched(), affine(input(i).value().params)};
  }
  /// An input of a unit that is kept in float.
  [[nodiscard]] Var<Tensor<float>> real_input(std::size_t i) const {
    const auto& real = pass_.reals[at(unit_.deployed.inputs[i])];
    return real ? *real : dequantize(input(i));
  }
  /// What the codes of the output mean.
  [[nodiscard]] QParams params() const { return qat().params(unit_); }

  /// The parameters of the unit's operator, between the values on the tape: behind dropout an input's scale is larger than
  /// the deployed.
  template <class Op>
  [[nodiscard]] auto resolve(const Op& o) const {
    return with_surroundings([&](const Surroundings& s) { return graph::op::resolve(o, s); });
  }
  /// Calls f(Surroundings).
  template <class F>
  [[nodiscard]] auto with_surroundings(F f) const {
    std::vector<Operand> in;
    for (std::size_t i = 0; i < inputs(); ++i) in.push_back(operand(i));
    const Operand out{qat().graph().node(unit_.output).shape, affine(params())};
    return f(Surroundings{qat().recipe().target, in, unit_.shares_scale() ? in[0] : out, unit_.deployed.activation});
  }

  /// Whether the range of the output wants to see this step's.
  [[nodiscard]] bool follows() const { return following() != nullptr; }
  /// Shows it the range before the unit's activation.
  void observe(const Range& range) const {
    if (Quantizer* q = following()) q->observe(after(unit_.activation(), range));
  }
  [[nodiscard]] OutputEstimator estimator() const {
    const auto& estimator = qat().recipe().activation_estimator;
    return {estimator ? &*estimator : nullptr, unit_.activation()};
  }
  /// The trained range of the output's codes, where it is being trained.
  [[nodiscard]] LearnedScale learned() const {
    if (pass_.trained == nullptr) return {};
    Quantizer& q = pass_.trained->quantizer(unit_.quantizer);
    if (!q.learns()) return {};
    return {&q.learned_range(), q.name()};
  }
  /// Where a layer leaves its outputs on finer codes: in training, for a maximum pool of fewer than 8 bits behind it.
  [[nodiscard]] Tensor<std::int8_t>* order() const {
    if (!trains() || qat().quantizer(unit_.quantizer).grid().levels() > 128) return nullptr;
    for (const Unit& reader : qat().units()) {
      if (reader.orders_inputs() && reader.deployed.inputs[0] == unit_.deployed.output) {
        return &pass_.orders[at(unit_.deployed.output)];
      }
    }
    return nullptr;
  }
  /// Those of its input's, null where there are none.
  [[nodiscard]] const Tensor<std::int8_t>* order_of_input() const {
    const Tensor<std::int8_t>& finer = pass_.orders[at(unit_.deployed.inputs[0])];
    return finer.empty() ? nullptr : &finer;
  }
  /// Errors:    Errc::state if forward was given none
  [[nodiscard]] Rng& rng() const {
    require(pass_.rng != nullptr, Errc::state, "forward: {} needs random numbers in training; set ForwardOptions::rng",
            unit_.deployed.name);
    return *pass_.rng;
  }

  /// A parameter of one of the unit's nodes in the float model; with a gradient in training, unless it is frozen.
  [[nodiscard]] Var<Tensor<float>> parameter(int node, const char* suffix) const {
    const std::string name = qat().node_name(node) + suffix;
    if (pass_.trained == nullptr || qat().model().frozen(node)) return tape().constant(qat().model().parameter(name).value);
    return tape().parameter(pass_.trained->model().parameter(name));
  }
  [[nodiscard]] const std::string& name() const { return qat().node_name(unit_.node); }

  /// The weights of a layer, straight through their codes.
  [[nodiscard]] Var<Tensor<float>> weights() const {
    const Var<Tensor<float>> w = parameter(unit_.node, ".weight");
    const auto& estimator = qat().recipe().weight_estimator;
    const bool kept = keeps_weight_scale(unit_);
    // Weights that a scheme of ranges covers, or one batch norm's factors are multiplied to, are passed straight through.
    const bool fixed = qat().fixed_weight_scale(unit_);
    const bool clips = (fixed || unit_.weights.traits().from_values) && (unit_.weights.per_channel() || unit_.batch_norm < 0);
    if (pass_.trained == nullptr || (!kept && !estimator && !clips)) return w;
    const int axis = unit_.channel_axis();
    if (kept) pass_.trained->renew_weight_scale(unit_);
    const std::vector<float> scale =
        kept || fixed ? qat().weight_scale(unit_) : initial_weight_scale(w.value(), axis, unit_.weights);
    LearnedScale learned;
    if (qat().learns_weight_scale(unit_)) learned = {&pass_.trained->weight_range(unit_), name()};
    return through_weight_codes(w, scale, axis, unit_.weights, estimator, learned);
  }
  /// The model whose batch norm moves in this pass, null if none does.
  [[nodiscard]] QatModel* live() const {
    const bool moves = pass_.trained != nullptr && unit_.batch_norm >= 0 &&
                       (pass_.momentum || !(qat().batch_norm_frozen() || qat().model().frozen(unit_.batch_norm)));
    return moves ? pass_.trained : nullptr;
  }
  [[nodiscard]] std::optional<float> momentum() const { return pass_.momentum; }
  /// The float model as a node that is kept in float sees it: null in evaluation.
  [[nodiscard]] Model* trained_model() const { return pass_.trained == nullptr ? nullptr : &pass_.trained->model(); }
  [[nodiscard]] Rng* random() const { return pass_.rng; }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] Quantizer* following() const {
    if (!trains()) return nullptr;
    Quantizer& q = pass_.trained->quantizer(unit_.quantizer);
    // A learned scale asks the data nothing, but is compared with them afterwards: now and then is enough for that.
    return q.follows() || (q.learns() && qat().phases().quantized_steps % 16 == 0) ? &q : nullptr;
  }

  UnitPass& pass_;
  const Unit& unit_;
};

}  // namespace stet::detail
