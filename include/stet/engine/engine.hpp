#pragma once
// Engine: runs an IntegerModel. Weights are packed and memory is planned once; no training code is included.

#include <stet/engine/step.hpp>
#include <stet/engine/workspaces.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/graph/memory_plan.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/quant/qtensor.hpp>
#include <stet/quant/range.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Executes the integers of a model on batches of any size. Any number of threads may run one engine at the same time:
/// each call computes in memory of its own, which is kept for later calls. Copies share the packed weights. The
/// operators themselves run in parallel; with as many callers as cores, set_threads(1) is faster.
class Engine {
 public:
  using Observe = FunctionRef<void(int value, std::span<const std::int8_t> codes)>;

  /// Checks and packs a model.
  /// Errors:    Errc::state, Errc::shape, Errc::range or Errc::unsupported listing all faults of its structure (the code
  ///            is that of the first); Errc::shape or Errc::range naming the node whose constants or shapes do not fit
  explicit Engine(const IntegerModel& model) : target_(model.target), values_(model.values), outputs_(model.outputs) {
    const IntegerStructure structure = check_structure(model);
    if (!structure.faults.empty()) fail(structure.faults[0].code, "engine: this model cannot run:{}", structure.text());
    for (const IntegerNode& node : model.nodes) {
      if (!graph::is<graph::op::Input>(node.op)) steps_.push_back(make_step(model, node));
    }
    inputs_ = model.inputs();
    plan_ = plan_memory(model);
  }

  /// Values of the inputs, in the order in which run takes them, and of the outputs, in the order in which it gives them: their
  /// names, shapes and what their codes mean are those of values().
  [[nodiscard]] const std::vector<int>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<int>& outputs() const { return outputs_; }
  [[nodiscard]] const std::vector<IntegerValue>& values() const { return values_; }
  /// Shape of an input, without the batch.
  /// Errors:    Errc::state if the engine was moved from; Errc::range if there is no such input
  [[nodiscard]] const Shape& input_shape(std::size_t input = 0) const {
    require_whole();
    require(input < inputs_.size(), Errc::range, "engine: input {} does not exist, the model has {}", input, inputs_.size());
    return value(inputs_[input]).shape;
  }
  /// Arena bytes for one sample; a batch needs as many times as much.
  [[nodiscard]] std::int64_t bytes_per_sample() const { return plan_.bytes; }

  /// Computes the codes of all outputs.
  /// Shapes:    inputs [N] + their shapes, the same N everywhere -> codes [N] + the outputs' shapes
  /// Errors:    Errc::shape if an input does not fit; Errc::range if a value of it is NaN or infinite, which codes would hide;
  ///            Errc::state if the engine was moved from
  [[nodiscard]] std::vector<QTensor> run(std::span<const Tensor<float>> inputs) const { return execute(inputs, nullptr); }
  /// The same; `observe` sees the codes of every value that has some as it is made, on the calling thread.
  [[nodiscard]] std::vector<QTensor> run(std::span<const Tensor<float>> inputs, Observe observe) const { return execute(inputs, &observe); }
  /// The same of a model with one input and one output.
  /// Errors:    as above; Errc::shape if there are others
  [[nodiscard]] QTensor run(const Tensor<float>& x) const { return only(execute({&x, 1}, nullptr)); }
  [[nodiscard]] QTensor run(const Tensor<float>& x, Observe observe) const { return only(execute({&x, 1}, &observe)); }

 private:
  void require_whole() const { require(!values_.empty(), Errc::state, "engine: used after it was moved from"); }
  [[nodiscard]] const IntegerValue& value(int v) const { return values_[static_cast<std::size_t>(v)]; }
  static QTensor only(std::vector<QTensor> outputs) {
    require(outputs.size() == 1, Errc::shape, "engine: the model has {} outputs; pass the inputs as a list to get a list of outputs", outputs.size());
    return std::move(outputs[0]);
  }
  // Returns the size of the batch.
  std::int64_t check(std::span<const Tensor<float>> inputs) const {
    require_whole();
    require(inputs.size() == inputs_.size(), Errc::shape, "engine: the model has {} inputs, got {}", inputs_.size(), inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const IntegerValue& wanted = value(inputs_[i]);
      const Shape& x = inputs[i].shape();
      require(x.rank() > 0 && x.unbatched() == wanted.shape && x[0] == inputs[0].shape()[0], Errc::shape,
              "engine: input '{}' wants [N] + {}, the same N everywhere, got {}", wanted.name, wanted.shape, x);
      require(x[0] > 0, Errc::shape, "engine: the batch is empty (input {})", x);
      detail::require_finite(("engine: input '" + wanted.name + "'").c_str(), inputs[i].span());
    }
    return inputs[0].shape()[0];
  }

  std::vector<QTensor> execute(std::span<const Tensor<float>> inputs, const Observe* observe) const {
    const std::int64_t batch = check(inputs);
    const detail::Workspaces::Loan loan(workspaces_);
    place(*loan, batch);
    detail::EngineValues& values = (*loan).values;
    std::vector<Tensor<std::int8_t>>& tensors = values.codes;
    const auto seen = [&](int v) {
      if (observe != nullptr && !values_[static_cast<std::size_t>(v)].real) (*observe)(v, tensors[static_cast<std::size_t>(v)].span());
    };
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Affine& in = value(inputs_[i]).codes;
      integer::quantize_input(target_.input, inputs[i].span(), in.scale, in.zero_point, in.grid,
                              tensors[static_cast<std::size_t>(inputs_[i])].edit());
      seen(inputs_[i]);
    }
    for (const EngineStep& step : steps_) {
      step.run(values);
      seen(step.output);
    }
    std::vector<QTensor> outputs;
    for (const int v : outputs_) {
      const Tensor<std::int8_t>& codes = tensors[static_cast<std::size_t>(v)];
      outputs.push_back({Tensor<std::int8_t>(codes.shape(), codes.span()), qparams(value(v).codes)});
    }
    return outputs;
  }

  // Lets every value's tensor refer to its place in the arena.
  void place(detail::Workspace& work, std::int64_t batch) const {
    if (batch == work.batch) return;
    work.batch = -1;  // until every tensor has its place
    if (work.arena.size() < plan_.bytes * batch) work.arena = Tensor<std::int8_t>(Shape{plan_.bytes * batch});
    work.values.codes.resize(values_.size());
    work.values.reals.resize(values_.size());
    std::int8_t* base = work.arena.edit().data();
    for (std::size_t v = 0; v < values_.size(); ++v) {
      if (values_[v].real) continue;
      const Shape shape = values_[v].shape.batched(batch);
      work.values.codes[v] = Tensor<std::int8_t>::borrow({base + plan_.offset[v] * batch, static_cast<std::size_t>(shape.elements())}, shape);
    }
    work.batch = batch;
  }

  Target target_;
  std::vector<IntegerValue> values_;
  std::vector<int> inputs_{}, outputs_;
  std::vector<EngineStep> steps_;
  MemoryPlan plan_;
  mutable detail::Workspaces workspaces_;
};

namespace detail {
inline Tensor<float> reals_of(const QTensor& codes) {
  Tensor<float> y(codes.shape());
  integer::dequantize_output(codes.codes.span(), codes.params.scale[0], codes.params.zero_point[0], y.edit());
  return y;
}
}  // namespace detail

/// Outputs (logits) of an integer model in real units.
/// Errors:    as Engine::run
inline std::vector<Tensor<float>> infer(const Engine& engine, std::span<const Tensor<float>> inputs) {
  std::vector<Tensor<float>> outputs;
  for (const QTensor& codes : engine.run(inputs)) outputs.push_back(detail::reals_of(codes));
  return outputs;
}
/// The same of a model with one input and one output.
inline Tensor<float> infer(const Engine& engine, const Tensor<float>& x) { return detail::reals_of(engine.run(x)); }

}  // namespace stet
