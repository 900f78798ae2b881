#pragma once
// Runs the units of a QatModel on the tape: between the quantized input and the logits' codes every value is codes.

#include <stet/integer/input_output.hpp>
#include <stet/qat/elementwise.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/live_layer.hpp>
#include <stet/qat/lookup.hpp>
#include <stet/qat/pooling.hpp>
#include <stet/qat/shape.hpp>
#include <stet/train/lower.hpp>
#include <stet/train/qat_model.hpp>
#include <stet/train/scale_limits.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

inline Range after(Activation activation, Range r) {
  if (activation == Activation::none) return r;
  r = {std::max(r.lo, 0.0f), std::max(r.hi, 0.0f)};
  if (activation == Activation::relu6) r = {std::min(r.lo, 6.0f), std::min(r.hi, 6.0f)};
  return r;
}

// Runs the units of a model. With `trained` null nothing is recorded and nothing moves: evaluation.
class UnitRunner {
 public:
  using Observe = FunctionRef<void(int node, const QTensor& codes)>;

  UnitRunner(Tape& tape, const QatModel& qat, QatModel* trained, Rng* rng) : tape_(tape), qat_(qat), trained_(trained), rng_(rng) {}

  /// Lets batch norm's statistics follow with this momentum, frozen or not, and nothing else.
  void reestimate(float momentum) { momentum_ = momentum; }

  Var<QTensor> run(const Tensor<float>& x, const Observe* observe);

 private:
  const Target& target() const { return qat_.recipe().target; }
  const Var<QTensor>& input(const Unit& unit, std::size_t i = 0) const {
    return *values_[static_cast<std::size_t>(unit.deployed.inputs[i])];
  }
  Quantizer* following(const Unit& unit) {
    if (trained_ == nullptr || momentum_) return nullptr;
    Quantizer& q = trained_->quantizer(unit.quantizer);
    // A learned scale asks the data nothing, but is compared with them afterwards: now and then is enough for that.
    return q.follows() || (q.learns() && qat_.phases().quantized_steps % 16 == 0) ? &q : nullptr;
  }
  void observe(const Unit& unit, const Range& range) {
    if (Quantizer* q = following(unit)) q->observe(after(unit.activation(), range));
  }
  // Where a layer leaves its outputs on finer codes: in training, for a maximum pool of fewer than 8 bits behind it.
  Tensor<std::int8_t>* order(const Unit& unit) {
    if (trained_ == nullptr || momentum_ || qat_.quantizer(unit.quantizer).grid().levels() > 128) return nullptr;
    for (const Unit& reader : qat_.units()) {
      if (graph::is<graph::op::MaxPool>(reader.op()) && reader.deployed.inputs[0] == unit.deployed.output) {
        return &orders_[static_cast<std::size_t>(unit.deployed.output)];
      }
    }
    return nullptr;
  }
  OutputEstimator estimator(const Unit& unit) const {
    const auto& estimator = qat_.recipe().activation_estimator;
    return {estimator ? &*estimator : nullptr, unit.activation()};
  }
  // The trained range of a unit's output codes, where it is being trained.
  LearnedScale learned(const Unit& unit) {
    if (trained_ == nullptr) return {};
    Quantizer& q = trained_->quantizer(unit.quantizer);
    if (!q.learns()) return {};
    return {&q.learned_range(), q.name()};
  }
  Var<Tensor<float>> weights(const Unit& unit) {
    const Var<Tensor<float>> w = parameter(qat_.node_name(unit.node) + ".weight");
    const auto& estimator = qat_.recipe().weight_estimator;
    const bool kept = keeps_weight_scale(unit);
    // Weights that a scheme of ranges covers, or one batch norm's factors are multiplied to, are passed straight through.
    const bool clips = unit.weights.traits().from_values && (unit.weights.per_channel() || unit.batch_norm < 0);
    if (trained_ == nullptr || (!kept && !estimator && !clips)) return w;
    const int axis = unit.channel_axis();
    if (kept) trained_->renew_weight_scale(unit);
    const std::vector<float> scale =
        kept ? qat_.weight_scale(unit) : initial_weight_scale(w.value(), axis, unit.weights);
    LearnedScale learned;
    if (qat_.learns_weight_scale(unit)) learned = {&trained_->weight_range(unit), qat_.node_name(unit.node)};
    return through_weight_codes(w, scale, axis, unit.weights, estimator, learned);
  }
  static Operand operand(const Var<QTensor>& x) { return {x.shape().unbatched(), affine(x.value().params)}; }
  Operand output(const Unit& unit) const {
    return {qat_.graph().nodes()[static_cast<std::size_t>(unit.output)].shape, affine(qat_.params(unit))};
  }
  // The parameters of an operator between values on the tape; behind dropout an input's scale is larger than the deployed.
  template <class Op>
  auto resolved(const Op& o, const Unit& unit) const {
    std::vector<Operand> in;
    for (std::size_t i = 0; i < unit.deployed.inputs.size(); ++i) in.push_back(operand(input(unit, i)));
    const Operand out = output(unit);
    return resolve(o, Surroundings{target(), in, unit.shares_scale() ? in[0] : out, unit.deployed.activation});
  }

  Var<QTensor> run(const graph::op::Input& o, const Unit& unit) {
    const Tensor<float>& x = *x_;
    const Shape& wanted = o.shape;
    require(x.shape().rank() > 0 && x.shape().unbatched() == wanted && x.shape()[0] > 0, Errc::shape,
            "forward: model expects input [N] + {}, got {}", wanted, x.shape());
    require_finite("forward: the input", x.span());
    if (following(unit) != nullptr) observe(unit, range_of("forward", qat_.node_name(unit.node), x.span()));
    QTensor codes{Tensor<std::int8_t>(x.shape()), qat_.params(unit)};
    integer::quantize_input(target().input, x.span(), codes.params.scale[0], codes.params.zero_point[0], codes.params.grid,
                            codes.codes.edit());
    return tape_.constant(std::move(codes));
  }

  Var<Tensor<float>> parameter(const std::string& name) {
    if (trained_ == nullptr) return tape_.constant(qat_.model().parameter(name).value);
    return tape_.parameter(trained_->model().parameter(name));
  }

  Var<QTensor> run_layer(const Unit& unit) {
    const Product product = product_of(unit);
    const std::string& name = qat_.node_name(unit.node);
    Range range;
    Range* observed = following(unit) != nullptr ? &range : nullptr;
    const auto finish = [&](Var<QTensor> y) {
      if (observed != nullptr) observe(unit, range);
      return y;
    };
    const std::string bn = unit.batch_norm < 0 ? std::string() : qat_.node_name(unit.batch_norm);
    if (trained_ != nullptr && unit.batch_norm >= 0 && (momentum_ || !qat_.batch_norm_frozen())) {
      const auto& attributes = *graph::as<graph::op::BatchNorm>(qat_.graph().nodes()[static_cast<std::size_t>(unit.batch_norm)].op);
      const QParams out = qat_.params(unit);
      const integer::Bounds bounds = integer::clamp_bounds(target().weighted_clamp, unit.deployed.activation, out.scale[0],
                                                           out.zero_point[0], out.grid);
      const LiveNorm norm{parameter(bn + ".gamma"), parameter(bn + ".beta"), &trained_->model().buffer(bn + ".mean"),
                          &trained_->model().buffer(bn + ".variance"), bias_of(qat_, unit), attributes.eps,
                          momentum_ ? *momentum_ : attributes.momentum};
      const std::vector<float> scale = qat_.weight_scale(unit);
      return finish(live_layer(product, input(unit), weights(unit), unit.weights, norm,
                               {out.scale[0], out.zero_point[0], bounds.lo, bounds.hi, unit.deployed.activation != Activation::none},
                               out, observed, {scale, learned(unit), order(unit), estimator(unit)}));
    }
    FrozenParameters p{weights(unit)};
    p.output = learned(unit);
    p.estimator = estimator(unit);
    p.order = order(unit);
    if (qat_.model().find_parameter(name + ".bias") != nullptr) p.bias = parameter(name + ".bias");
    if (unit.batch_norm >= 0) {
      p.gamma = parameter(bn + ".gamma");
      p.beta = parameter(bn + ".beta");
    }
    return finish(frozen_layer(product, input(unit), p, fold_unit(qat_, unit, input(unit).value().params),
                               qat_.params(unit), observed));
  }

  template <graph::op::LayerOp Op>
  Var<QTensor> run(const Op&, const Unit& unit) {
    return run_layer(unit);
  }
  void observe_binary(const Unit& unit, Elementwise kind) {
    if (following(unit) != nullptr) observe(unit, elementwise_range(kind, input(unit, 0).value(), input(unit, 1).value()));
  }
  Var<QTensor> run(const graph::op::Add& o, const Unit& unit) {
    observe_binary(unit, Elementwise::add);
    return add(input(unit, 0), input(unit, 1), resolved(o, unit), qat_.params(unit), learned(unit),
               estimator(unit));
  }
  Var<QTensor> run(const graph::op::Sub& o, const Unit& unit) {
    observe_binary(unit, Elementwise::sub);
    return add(input(unit, 0), input(unit, 1), resolved(o, unit), qat_.params(unit), learned(unit),
               estimator(unit));
  }
  Var<QTensor> run(const graph::op::Mul& o, const Unit& unit) {
    observe_binary(unit, Elementwise::mul);
    return multiply(input(unit, 0), input(unit, 1), resolved(o, unit), qat_.params(unit), estimator(unit));
  }
  Var<QTensor> run(const graph::op::MaxPool& o, const Unit& unit) {
    const Tensor<std::int8_t>& finer = orders_[static_cast<std::size_t>(unit.deployed.inputs[0])];
    return max_pool(input(unit), window(o, operand(input(unit)).shape), resolved(o, unit), finer.empty() ? nullptr : &finer);
  }
  Var<QTensor> run(const graph::op::AveragePool& o, const Unit& unit) {
    return average_pool(input(unit), window(o, operand(input(unit)).shape), resolved(o, unit));
  }
  Var<QTensor> run(const graph::op::GlobalAveragePool& o, const Unit& unit) {
    if (following(unit) != nullptr) observe(unit, mean_range(input(unit).value()));
    return mean(input(unit), resolved(o, unit), qat_.params(unit));
  }
  Var<QTensor> run(const graph::op::Concat& o, const Unit& unit) {
    Var<QTensor> y = input(unit, 0);
    for (std::size_t i = 1; i < unit.deployed.inputs.size(); ++i) y = concat(y, input(unit, i), o.axis + 1);
    return y;
  }
  Var<QTensor> run(const graph::op::Pad& o, const Unit& unit) {
    return pad(input(unit), {{0, 0}, {o.top, o.bottom}, {o.left, o.right}, {0, 0}});
  }
  Var<QTensor> run(const graph::op::Reshape& o, const Unit& unit) {
    return reshape(input(unit), o.shape.batched(input(unit).shape()[0]));
  }
  Var<QTensor> run(const graph::op::Transpose& o, const Unit& unit) {
    std::vector<int> order{0};
    for (const int axis : o.axes) order.push_back(axis + 1);
    return transpose(input(unit), std::move(order));
  }
  Var<QTensor> run(const graph::op::Relu& o, const Unit& unit) { return clamp(input(unit), resolved(o, unit)); }
  Var<QTensor> run(const graph::op::Relu6& o, const Unit& unit) { return clamp(input(unit), resolved(o, unit)); }
  template <graph::op::TableOp Op>
  Var<QTensor> run(const Op& o, const Unit& unit) {
    const Operand in = operand(input(unit)), out = output(unit);
    const integer::TableSpec spec = table_spec(o, {target(), {&in, 1}, out});
    if (following(unit) != nullptr) observe(unit, lookup_range(input(unit).value(), spec));
    return lookup(input(unit), spec, integer::make_table(target(), spec), qat_.params(unit));
  }
  Var<QTensor> run(const graph::op::Dropout& o, const Unit& unit) {
    // With frozen batch norm training is the deployed arithmetic, which has no dropout.
    if (trained_ == nullptr || momentum_ || qat_.batch_norm_frozen()) return input(unit);
    require(rng_ != nullptr, Errc::state, "forward: {} needs random numbers in training; set ForwardOptions::rng",
            unit.deployed.name);
    return dropout(input(unit), static_cast<double>(o.rate), *rng_);
  }

  Tape& tape_;
  const QatModel& qat_;
  QatModel* trained_;
  Rng* rng_;
  std::optional<float> momentum_{};
  const Tensor<float>* x_ = nullptr;
  std::vector<std::optional<Var<QTensor>>> values_;  // per unit
  std::vector<Tensor<std::int8_t>> orders_;  // per unit, empty where no pool asks
};

// Behind the class: clang 16 loses member templates that a generic lambda instantiates before their bodies are parsed.
inline Var<QTensor> UnitRunner::run(const Tensor<float>& x, const Observe* observe) {
  if (trained_ != nullptr && !momentum_) {
    trained_->clamp_ranges();
    widen_outputs(*trained_, false);
  }
  const Graph& graph = qat_.graph();
  x_ = &x;
  std::vector<int> readers(qat_.units().size(), 0);
  for (const Unit& unit : qat_.units()) {
    for (const int in : unit.deployed.inputs) ++readers[static_cast<std::size_t>(in)];
  }
  values_.resize(qat_.units().size());
  orders_.resize(qat_.units().size());
  std::optional<Var<QTensor>> result;
  for (const Unit& unit : qat_.units()) {
    auto& slot = values_[static_cast<std::size_t>(unit.deployed.output)];
    slot.emplace(graph::match(unit.op(), [&](const auto& o) -> Var<QTensor> {
      if constexpr (std::remove_cvref_t<decltype(o)>::form == graph::IntegerForm::none) {
        fail(Errc::unsupported, "forward: {} has no integer form", kind(o));
      } else {
        return run(o, unit);
      }
    }));
    if (observe != nullptr) (*observe)(unit.output, slot->value());
    if (graph.is_output(unit.output)) result = *slot;
    for (const int in : unit.deployed.inputs) {
      if (--readers[static_cast<std::size_t>(in)] == 0) values_[static_cast<std::size_t>(in)].reset();
    }
  }
  if (trained_ != nullptr && !momentum_) {
    for (Quantizer& q : trained_->quantizers()) q.end_step();
  }
  return *result;
}

}  // namespace stet::detail
