#pragma once
// Engine: runs an IntegerModel. Weights are packed and memory is planned once; no training code is included.

#include <stet/engine/memory_plan.hpp>
#include <stet/engine/step.hpp>
#include <stet/engine/workspaces.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/quant/qtensor.hpp>
#include <stet/quant/range.hpp>

#include <cstdint>
#include <span>
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
      if (graph::is<graph::op::Input>(node.op)) {
        input_ = node.output;
      } else {
        steps_.push_back(make_step(model, node));
      }
    }
    plan_ = plan_memory(model);
  }

  /// Errors:    Errc::state if the engine was moved from
  [[nodiscard]] const Shape& input_shape() const {
    require(!values_.empty(), Errc::state, "engine: used after it was moved from");
    return values_[static_cast<std::size_t>(input_)].shape;
  }
  [[nodiscard]] const std::vector<IntegerValue>& values() const { return values_; }
  /// Arena bytes for one sample; a batch needs as many times as much.
  [[nodiscard]] std::int64_t bytes_per_sample() const { return plan_.bytes; }

  /// Computes the codes of the first output.
  /// Shapes:    x [N] + input shape -> codes [N] + output shape
  /// Errors:    Errc::shape if x does not fit; Errc::range if a value of it is NaN or infinite, which codes would hide;
  ///            Errc::state if the engine was moved from
  [[nodiscard]] QTensor run(const Tensor<float>& x) const { return execute(x, nullptr); }
  /// The same; `observe` sees the codes of every value that has some as it is made, on the calling thread.
  [[nodiscard]] QTensor run(const Tensor<float>& x, Observe observe) const { return execute(x, &observe); }

 private:
  QTensor execute(const Tensor<float>& x, const Observe* observe) const {
    require(x.shape().rank() > 0 && x.shape().unbatched() == input_shape(), Errc::shape,
            "engine: model expects input [N] + {}, got {}", input_shape(), x.shape());
    const std::int64_t batch = x.shape()[0];
    require(batch > 0, Errc::shape, "engine: the batch is empty (input {})", x.shape());
    detail::require_finite("engine: the input", x.span());
    const detail::Workspaces::Loan loan(workspaces_);
    place(*loan, batch);
    detail::EngineValues& values = (*loan).values;
    std::vector<Tensor<std::int8_t>>& tensors = values.codes;
    const auto seen = [&](int v) {
      if (observe != nullptr && !values_[static_cast<std::size_t>(v)].real) (*observe)(v, tensors[static_cast<std::size_t>(v)].span());
    };
    const Affine& in = values_[static_cast<std::size_t>(input_)].codes;
    integer::quantize_input(target_.input, x.span(), in.scale, in.zero_point, in.grid,
                            tensors[static_cast<std::size_t>(input_)].edit());
    seen(input_);
    for (const EngineStep& step : steps_) {
      step.run(values);
      seen(step.output);
    }
    const auto out = static_cast<std::size_t>(outputs_[0]);
    return {Tensor<std::int8_t>(tensors[out].shape(), tensors[out].span()), qparams(values_[out].codes)};
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
  std::vector<int> outputs_;
  std::vector<EngineStep> steps_;
  int input_ = -1;
  MemoryPlan plan_;
  mutable detail::Workspaces workspaces_;
};

/// Logits of an integer model in real units.
inline Tensor<float> infer(const Engine& engine, const Tensor<float>& x) {
  const QTensor codes = engine.run(x);
  Tensor<float> y(codes.shape());
  integer::dequantize_output(codes.codes.span(), codes.params.scale[0], codes.params.zero_point[0], y.edit());
  return y;
}

}  // namespace stet
