#pragma once
// Distillation as a loss of fit: the FP32 model teaches the quantized one.

#include <stet/data/dataset.hpp>
#include <stet/model/forward.hpp>
#include <stet/ops/distillation.hpp>

#include <cstddef>

namespace stet {

/// A loss of fit that runs a float model in evaluation on every batch and learns from its probabilities too.
///
///   fit(qat, data, {.epochs = 4, .loss = Distillation(model)});
///
/// Formula:   distillation_loss
/// Of models with several outputs it is the loss of one: options.losses = {{Distillation(teacher, {}, 0)}, ...}.
/// The teacher must outlive the run and must not change.
/// Errors:    Errc::range if the teacher has no such output
class Distillation {
 public:
  explicit Distillation(const Model& teacher, const DistillationOptions& options = {}, std::size_t output = 0)
      : teacher_(&teacher), options_(options), output_(output) {
    const std::size_t outputs = teacher.graph().outputs().size();
    require(output < outputs, Errc::range, "Distillation: the teacher has {} outputs, output {} does not exist", outputs, output);
  }

  Var<Tensor<float>> operator()(const Var<Tensor<float>>& logits, const Batch& batch) const {
    return distillation_loss(logits, infer(*teacher_, batch.inputs())[output_], batch.labels, options_, batch.weights);
  }

 private:
  const Model* teacher_;
  DistillationOptions options_;
  std::size_t output_;
};

}  // namespace stet
