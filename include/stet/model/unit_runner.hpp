#pragma once
// Runs the units of a QatModel on the tape: between the quantized input and the logits' codes every value is codes.

#include <stet/model/lower.hpp>
#include <stet/model/model_inputs.hpp>
#include <stet/model/scale_limits.hpp>
#include <stet/model/unit_site.hpp>
#include <stet/operators/quantized.hpp>
#include <stet/qat/live_layer.hpp>
#include <stet/qat/lookup.hpp>
#include <stet/qat/real.hpp>

#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::detail {

// A layer with weights: with live batch norm normalized in float, otherwise in the target's arithmetic.
inline Var<QTensor> run_layer(const Product& product, const UnitSite& s) {
  const Unit& unit = s.unit();
  const QatModel& qat = s.qat();
  Range range;
  Range* observed = s.follows() ? &range : nullptr;
  const auto finish = [&](Var<QTensor> y) {
    if (observed != nullptr) s.observe(range);
    return y;
  };
  const QParams out = s.params();
  if (QatModel* live = s.live()) {
    const auto& attributes = *graph::as<graph::op::BatchNorm>(qat.graph().node(unit.batch_norm).op);
    const integer::Bounds bounds = integer::clamp_bounds(qat.recipe().target.weighted_clamp, unit.deployed.activation,
                                                         out.scale[0], out.zero_point[0], out.grid);
    const std::string bn = qat.node_name(unit.batch_norm);
    const LiveNorm norm{s.parameter(unit.batch_norm, ".gamma"), s.parameter(unit.batch_norm, ".beta"), &live->model().buffer(bn + ".mean"),
                        &live->model().buffer(bn + ".variance"), bias_of(qat, unit), attributes.eps,
                        s.momentum() ? *s.momentum() : attributes.momentum};
    const std::vector<float> scale = qat.weight_scale(unit);
    return finish(live_layer(product, s.input(), s.weights(), unit.weights, norm,
                             {out.scale[0], out.zero_point[0], bounds.lo, bounds.hi, unit.deployed.activation.rectifies()},
                             out, observed, {scale, s.learned(), s.order(), s.estimator()}));
  }
  FrozenParameters p{s.weights()};
  p.output = s.learned();
  p.estimator = s.estimator();
  p.order = s.order();
  if (qat.model().find_parameter(s.name() + ".bias") != nullptr) p.bias = s.parameter(unit.node, ".bias");
  if (unit.batch_norm >= 0) {
    p.gamma = s.parameter(unit.batch_norm, ".gamma");
    p.beta = s.parameter(unit.batch_norm, ".beta");
  }
  return finish(frozen_layer(product, s.input(), p, fold_unit(qat, unit, s.input().value().params), out, observed));
}

inline Var<QTensor> quantized(const Var<Tensor<float>>& x, const UnitSite& s) {
  return quantize_real(x, s.qat().recipe().target.input, s.params(), s.estimator());
}

template <class Op>
Var<QTensor> run_unit(const Op& o, const UnitSite& s) {
  if constexpr (Op::form == graph::IntegerForm::none) {
    fail(Errc::unsupported, "forward: {} has no integer form", kind(o));
  } else if constexpr (Op::form == graph::IntegerForm::real) {
    return quantized(run_real(s), s);
  } else if constexpr (Op::form == graph::IntegerForm::layer) {
    return run_layer(product_of(o), s);
  } else if constexpr (graph::op::TableOp<Op>) {
    const integer::TableSpec spec = s.with_surroundings([&](const Surroundings& around) { return table_spec(o, around); });
    if (s.follows()) s.observe(lookup_range(s.input().value(), spec));
    return lookup(s.input(), spec, integer::make_table(s.qat().recipe().target, spec), s.params(), s.estimator());
  } else {
    return run(o, s);
  }
}

class UnitRunner {
 public:
  using Observe = FunctionRef<void(int node, const QTensor& codes)>;

  UnitRunner(Tape& tape, const QatModel& qat, QatModel* trained, Rng* rng) : pass_{tape, qat, trained, rng} {}

  /// Lets batch norm's statistics follow with this momentum, frozen or not, and nothing else.
  void reestimate(float momentum) { pass_.momentum = momentum; }

  /// Codes of the outputs.
  std::vector<Var<QTensor>> run(std::span<const Tensor<float>> inputs, const Observe* observe) {
    require_inputs("forward", pass_.qat.graph(), inputs);
    if (pass_.trains()) {
      pass_.trained->clamp_ranges();
      widen_outputs(*pass_.trained, false);
    }
    const std::vector<Unit>& units = pass_.qat.units();
    std::size_t next = 0;
    std::vector<int> readers(units.size(), 0);
    for (const Unit& unit : units) {
      for (const int in : unit.deployed.inputs) ++readers[static_cast<std::size_t>(in)];
    }
    pass_.values.resize(units.size());
    pass_.reals.resize(units.size());
    pass_.orders.resize(units.size());
    std::vector<std::optional<Var<QTensor>>> results(pass_.qat.graph().nodes().size());  // by node, of outputs
    for (const Unit& unit : units) {
      if (graph::is<graph::op::Input>(unit.op())) pass_.x = &inputs[next++];
      auto& slot = pass_.values[static_cast<std::size_t>(unit.deployed.output)];
      const UnitSite site(pass_, unit);
      if (unit.real_output) {
        pass_.reals[static_cast<std::size_t>(unit.deployed.output)] = run_real(site);
      } else {
        slot.emplace(graph::match(unit.op(), [&](const auto& o) { return run_unit(o, site); }));
        if (observe != nullptr) (*observe)(unit.output, slot->value());
      }
      if (pass_.qat.graph().is_output(unit.output)) results[static_cast<std::size_t>(unit.output)] = *slot;
      for (const int in : unit.deployed.inputs) {
        if (--readers[static_cast<std::size_t>(in)] > 0) continue;
        pass_.values[static_cast<std::size_t>(in)].reset();
        pass_.reals[static_cast<std::size_t>(in)].reset();
      }
    }
    if (pass_.trains()) end_step(pass_.trained->quantizers(), pass_.tape.parts());
    std::vector<Var<QTensor>> outputs;
    for (const int id : pass_.qat.graph().outputs()) outputs.push_back(*results[static_cast<std::size_t>(id)]);
    return outputs;
  }

 private:
  UnitPass pass_;
};

}  // namespace stet::detail
