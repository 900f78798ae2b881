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

  Var<QTensor> run(const Tensor<float>& x, const Observe* observe) {
    if (trained_ != nullptr && !momentum_) widen_outputs(*trained_, false);
    const Graph& graph = qat_.graph();
    std::vector<int> readers(graph.nodes().size(), 0);
    for (const Unit& unit : qat_.units()) {
      for (const int in : unit.inputs) ++readers[static_cast<std::size_t>(in)];
    }
    for (const int out : graph.outputs()) ++readers[static_cast<std::size_t>(out)];
    values_.resize(graph.nodes().size());
    orders_.resize(graph.nodes().size());
    for (const Unit& unit : qat_.units()) {
      auto& slot = values_[static_cast<std::size_t>(unit.output)];
      slot.emplace(unit.kind == UnitKind::quantize ? quantize_input(unit, x) : run_unit(unit));
      if (observe != nullptr) (*observe)(unit.output, slot->value());
      for (const int in : unit.inputs) {
        if (--readers[static_cast<std::size_t>(in)] == 0) values_[static_cast<std::size_t>(in)].reset();
      }
    }
    if (trained_ != nullptr && !momentum_) {
      for (Quantizer& q : trained_->quantizers()) q.end_step();
    }
    return *values_[static_cast<std::size_t>(graph.outputs()[0])];
  }

 private:
  const Target& target() const { return qat_.recipe().target; }
  const graph::Operator& op(const Unit& unit) const { return qat_.graph().nodes()[static_cast<std::size_t>(unit.node)].op; }
  const Var<QTensor>& input(const Unit& unit, std::size_t i = 0) const {
    return *values_[static_cast<std::size_t>(unit.inputs[i])];
  }
  Quantizer* following(const Unit& unit) {
    if (trained_ == nullptr || momentum_) return nullptr;
    Quantizer& q = trained_->quantizer(unit.quantizer);
    return q.follows() ? &q : nullptr;
  }
  void observe(const Unit& unit, const Range& range) {
    if (Quantizer* q = following(unit)) q->observe(after(unit.activation, range));
  }
  // Where a layer leaves its outputs on finer codes: in training, for a maximum pool of fewer than 8 bits behind it.
  Tensor<std::int8_t>* order(const Unit& unit) {
    if (trained_ == nullptr || momentum_ || qat_.quantizer(unit.quantizer).grid().levels() > 128) return nullptr;
    for (const Unit& reader : qat_.units()) {
      if (reader.kind == UnitKind::max_pool && reader.inputs[0] == unit.output) {
        return &orders_[static_cast<std::size_t>(unit.output)];
      }
    }
    return nullptr;
  }
  // The trained scale of a unit's output codes, where it is being trained.
  LogScale log_scale(const Unit& unit) {
    if (trained_ == nullptr) return std::nullopt;
    Quantizer& q = trained_->quantizer(unit.quantizer);
    if (!q.learns()) return std::nullopt;
    return tape_.parameter(q.log_scale());
  }
  Var<Tensor<float>> weights(const Unit& unit, const Product& product) {
    const Var<Tensor<float>> w = parameter(qat_.node_name(unit.node) + ".weight");
    const auto& estimator = qat_.recipe().weight_estimator;
    const bool kept = keeps_weight_scale(unit);
    if (trained_ == nullptr || (!kept && !estimator)) return w;
    const int axis = product.channel_axis();
    if (kept) trained_->renew_weight_scale(unit);
    const std::vector<float> scale =
        kept ? qat_.weight_scale(unit) : initial_weight_scale(w.value(), axis, unit.weights);
    if (qat_.learns_weight_scale(unit)) {
      return through_weight_codes(w, tape_.parameter(trained_->weight_log_scale(unit)), axis, unit.weights, estimator);
    }
    return through_weight_codes(w, tape_.constant(logarithms(scale)), axis, unit.weights, estimator);
  }
  integer::Quantized quantized(const Var<QTensor>& x) const {
    return {x.value().params.scale[0], x.value().params.zero_point[0]};
  }
  integer::QuantizedOutput output(const Unit& unit) const {
    const QParams p = qat_.params(unit);
    return {p.scale[0], p.zero_point[0], unit.activation, p.grid};
  }
  Window window(const Unit& unit, Pair size, Pair stride, const Padding& padding) const {
    const Shape& x = input(unit).shape();
    return make_window(qat_.node_name(unit.node).c_str(), x[1], x[2], size, graph::op::pool_stride(size, stride), 1, padding);
  }

  Var<QTensor> quantize_input(const Unit& unit, const Tensor<float>& x) {
    const Shape& wanted = qat_.graph().nodes()[static_cast<std::size_t>(unit.node)].shape;
    require(x.shape().rank() > 0 && x.shape().unbatched() == wanted && x.shape()[0] > 0, Errc::shape,
            "forward: model expects input [N] + {}, got {}", wanted, x.shape());
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
    const Product product = product_of(qat_.graph(), unit);
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
      const integer::Bounds bounds = integer::clamp_bounds(target().weighted_clamp, unit.activation, out.scale[0],
                                                           out.zero_point[0], out.grid);
      const LiveNorm norm{parameter(bn + ".gamma"), parameter(bn + ".beta"), &trained_->model().buffer(bn + ".mean"),
                          &trained_->model().buffer(bn + ".variance"), bias_of(qat_, unit), attributes.eps,
                          momentum_ ? *momentum_ : attributes.momentum};
      const std::vector<float> scale = qat_.weight_scale(unit);
      return finish(live_layer(product, input(unit), weights(unit, product), unit.weights, norm,
                               {out.scale[0], out.zero_point[0], bounds.lo, bounds.hi, unit.activation != Activation::none},
                               out, observed, {scale, log_scale(unit), order(unit)}));
    }
    FrozenParameters p{weights(unit, product)};
    p.output_scale = log_scale(unit);
    p.order = order(unit);
    if (qat_.model().find_parameter(name + ".bias") != nullptr) p.bias = parameter(name + ".bias");
    if (unit.batch_norm >= 0) {
      p.gamma = parameter(bn + ".gamma");
      p.beta = parameter(bn + ".beta");
    }
    return finish(frozen_layer(product, input(unit), p, fold_unit(qat_, unit, input(unit).value().params),
                               qat_.params(unit), observed));
  }

  Var<QTensor> run_binary(const Unit& unit) {
    const Var<QTensor>& a = input(unit, 0);
    const Var<QTensor>& b = input(unit, 1);
    const bool subtract = unit.kind == UnitKind::sub;
    if (following(unit) != nullptr) {
      const Elementwise kind = unit.kind == UnitKind::mul ? Elementwise::mul : subtract ? Elementwise::sub : Elementwise::add;
      observe(unit, elementwise_range(kind, a.value(), b.value()));
    }
    if (unit.kind == UnitKind::mul) {
      return multiply(a, b, integer::make_multiply(target(), quantized(a), quantized(b), output(unit)), qat_.params(unit));
    }
    return add(a, b, integer::make_add(target(), quantized(a), quantized(b), output(unit), subtract), qat_.params(unit),
               log_scale(unit));
  }

  Var<QTensor> run_unit(const Unit& unit) {
    namespace op_ = graph::op;
    switch (unit.kind) {
      case UnitKind::conv2d:
      case UnitKind::depthwise_conv2d:
      case UnitKind::linear: return run_layer(unit);
      case UnitKind::add:
      case UnitKind::sub:
      case UnitKind::mul: return run_binary(unit);
      case UnitKind::max_pool: {
        const auto& a = *graph::as<op_::MaxPool>(op(unit));
        const Window w = window(unit, a.size, a.stride, a.padding);
        const integer::QuantizedOutput y = output(unit);
        const Tensor<std::int8_t>& finer = orders_[static_cast<std::size_t>(unit.inputs[0])];
        return max_pool(input(unit), w, integer::max_pool_bounds(target(), Activation::none, y.scale, y.zero_point, w, y.grid),
                        finer.empty() ? nullptr : &finer);
      }
      case UnitKind::average_pool: {
        const auto& a = *graph::as<op_::AveragePool>(op(unit));
        const integer::QuantizedOutput y = output(unit);
        return average_pool(input(unit), window(unit, a.size, a.stride, a.padding),
                            integer::make_average_pool(target(), Activation::none, y.scale, y.zero_point, y.grid));
      }
      case UnitKind::mean: {
        const Var<QTensor>& x = input(unit);
        if (following(unit) != nullptr) observe(unit, mean_range(x.value()));
        const integer::Quantized in = quantized(x);
        const integer::QuantizedOutput y = output(unit);
        return mean(x, integer::make_mean(target(), in.scale, in.zero_point, y.scale, y.zero_point,
                                          x.shape()[1] * x.shape()[2], y.grid),
                    qat_.params(unit));
      }
      case UnitKind::concat: {
        const int axis = graph::as<op_::Concat>(op(unit))->axis + 1;
        Var<QTensor> y = input(unit, 0);
        for (std::size_t i = 1; i < unit.inputs.size(); ++i) y = concat(y, input(unit, i), axis);
        return y;
      }
      case UnitKind::pad: {
        const auto& a = *graph::as<op_::Pad>(op(unit));
        return pad(input(unit), {{0, 0}, {a.top, a.bottom}, {a.left, a.right}, {0, 0}});
      }
      case UnitKind::reshape:
        return reshape(input(unit), qat_.graph().nodes()[static_cast<std::size_t>(unit.output)].shape.batched(input(unit).shape()[0]));
      case UnitKind::transpose: {
        std::vector<int> order{0};
        for (const int axis : graph::as<op_::Transpose>(op(unit))->axes) order.push_back(axis + 1);
        return transpose(input(unit), std::move(order));
      }
      case UnitKind::clamp: {
        // The input's own scale: behind dropout it is larger than the deployed one.
        const QParams& p = input(unit).value().params;
        return clamp(input(unit),
                     integer::make_clamp(target(), {p.scale[0], p.zero_point[0], unit.activation, p.grid}));
      }
      case UnitKind::lookup: {
        const auto table = *lookup_of(op(unit));
        const Var<QTensor>& x = input(unit);
        const integer::Quantized in = quantized(x);
        const integer::QuantizedOutput y = output(unit);
        const integer::TableSpec spec{table.function, table.alpha,  in.scale, in.zero_point,
                                      y.scale,        y.zero_point, y.grid};
        if (following(unit) != nullptr) observe(unit, lookup_range(x.value(), spec));
        return lookup(x, spec, integer::make_table(target(), spec), qat_.params(unit));
      }
      case UnitKind::dropout: {
        // With frozen batch norm training is the deployed arithmetic, which has no dropout.
        if (trained_ == nullptr || momentum_ || qat_.batch_norm_frozen()) return input(unit);
        require(rng_ != nullptr, Errc::state, "forward: {} needs random numbers in training; set ForwardOptions::rng",
                qat_.node_name(unit.node));
        return dropout(input(unit), static_cast<double>(graph::as<op_::Dropout>(op(unit))->rate), *rng_);
      }
      case UnitKind::quantize: break;
    }
    fail(Errc::range, "forward: unknown unit");
  }

  Tape& tape_;
  const QatModel& qat_;
  QatModel* trained_;
  Rng* rng_;
  std::optional<float> momentum_{};
  std::vector<std::optional<Var<QTensor>>> values_;
  std::vector<Tensor<std::int8_t>> orders_;  // per node, empty where no pool asks
};

}  // namespace stet::detail
