#pragma once
// Engine: runs an IntegerModel. Weights are packed and memory is planned once; no training code is included.

#include <stet/engine/memory_plan.hpp>
#include <stet/engine/step.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/quant/qtensor.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Executes the integers of a model on batches of any size. Not for use by several threads at the same time: give each
/// its own copy (copies share the packed weights). The operators themselves run in parallel.
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
      if (std::holds_alternative<integer_op::Quantize>(node.op)) {
        input_ = node.output;
      } else {
        steps_.push_back(make_step(model, node));
      }
    }
    plan_ = plan_memory(model);
  }

  [[nodiscard]] const Shape& input_shape() const { return values_[static_cast<std::size_t>(input_)].shape; }
  [[nodiscard]] const std::vector<IntegerValue>& values() const { return values_; }
  /// Arena bytes for one sample; a batch needs as many times as much.
  [[nodiscard]] std::int64_t bytes_per_sample() const { return plan_.bytes; }

  /// Computes the codes of the first output.
  /// Shapes:    x [N] + input shape -> codes [N] + output shape
  /// Errors:    Errc::shape if x does not fit
  [[nodiscard]] QTensor run(const Tensor<float>& x) const { return execute(x, nullptr); }
  /// The same; `observe` sees the codes of every value as it is made.
  [[nodiscard]] QTensor run(const Tensor<float>& x, Observe observe) const { return execute(x, &observe); }

 private:
  QTensor execute(const Tensor<float>& x, const Observe* observe) const {
    require(x.shape().rank() > 0 && x.shape().unbatched() == input_shape(), Errc::shape,
            "engine: model expects input [N] + {}, got {}", input_shape(), x.shape());
    const std::int64_t batch = x.shape()[0];
    require(batch > 0, Errc::shape, "engine: the batch is empty (input {})", x.shape());
    place(batch);
    const auto seen = [&](int v) {
      if (observe != nullptr) (*observe)(v, scratch_.tensors[static_cast<std::size_t>(v)].span());
    };
    const QParams& in = values_[static_cast<std::size_t>(input_)].params;
    integer::quantize_input(target_.input, x.span(), in.scale[0], in.zero_point[0], in.grid,
                            scratch_.tensors[static_cast<std::size_t>(input_)].edit());
    seen(input_);
    for (const EngineStep& step : steps_) {
      step.run(scratch_.tensors);
      seen(step.output);
    }
    const auto out = static_cast<std::size_t>(outputs_[0]);
    return {Tensor<std::int8_t>(scratch_.tensors[out].shape(), scratch_.tensors[out].span()), values_[out].params};
  }

  // Memory of run(), not state of the model: a copy of an engine starts with none, so that each thread can have its own.
  struct Scratch {
    Tensor<std::int8_t> arena{};
    std::vector<Tensor<std::int8_t>> tensors{};
    std::int64_t batch = -1;

    Scratch() = default;
    Scratch(const Scratch&) {}
    Scratch(Scratch&&) = default;
    Scratch& operator=(Scratch other) noexcept {
      arena = std::move(other.arena);
      tensors = std::move(other.tensors);
      batch = other.batch;
      return *this;
    }
  };

  // Lets every value's tensor refer to its place in the arena.
  void place(std::int64_t batch) const {
    if (batch == scratch_.batch) return;
    if (scratch_.arena.size() < plan_.bytes * batch) scratch_.arena = Tensor<std::int8_t>(Shape{plan_.bytes * batch});
    scratch_.tensors.resize(values_.size());
    std::int8_t* base = scratch_.arena.edit().data();
    for (std::size_t v = 0; v < values_.size(); ++v) {
      const Shape shape = values_[v].shape.batched(batch);
      scratch_.tensors[v] = Tensor<std::int8_t>::borrow({base + plan_.offset[v] * batch, static_cast<std::size_t>(shape.elements())}, shape);
    }
    scratch_.batch = batch;
  }

  Target target_;
  std::vector<IntegerValue> values_;
  std::vector<int> outputs_;
  std::vector<EngineStep> steps_;
  int input_ = -1;
  MemoryPlan plan_;
  mutable Scratch scratch_;
};

/// Logits of an integer model in real units.
inline Tensor<float> infer(const Engine& engine, const Tensor<float>& x) {
  const QTensor codes = engine.run(x);
  Tensor<float> y(codes.shape());
  integer::dequantize_output(codes.codes.span(), codes.params.scale[0], codes.params.zero_point[0], y.edit());
  return y;
}

}  // namespace stet
