#pragma once
// Distillation as a loss of fit: the FP32 model teaches the quantized one.

#include <stet/data/dataset.hpp>
#include <stet/model/inference_plan.hpp>
#include <stet/ops/distillation.hpp>

#include <cstddef>
#include <memory>

namespace stet {

/// A loss of fit that runs a float model in evaluation on every batch and learns from its probabilities too.
///
///   fit(qat, data, {.epochs = 4, .loss = Distillation(model)});
///
/// Formula:   distillation_loss
/// Of models with several outputs it is the loss of one: options.losses = {{Distillation(teacher, {}, 0)}, ...}.
/// It teaches as the teacher is when it is made, and holds it as an InferencePlan.
/// Errors:    Errc::range if the teacher has no such output
class Distillation {
 public:
  explicit Distillation(const Model& teacher, const DistillationOptions& options = {}, std::size_t output = 0)
      : teacher_(std::make_shared<const InferencePlan>(teacher)), options_(options), output_(output) {
    const std::size_t outputs = teacher.graph().outputs().size();
    require(output < outputs, Errc::range, "Distillation: the teacher has {} outputs, output {} does not exist", outputs, output);
  }

  Var<Tensor<float>> operator()(const Var<Tensor<float>>& logits, const Batch& batch) const {
    return distillation_loss(logits, infer(*teacher_, batch.inputs())[output_], batch.labels, options_, batch.weights);
  }

 private:
  std::shared_ptr<const InferencePlan> teacher_;
  DistillationOptions options_;
  std::size_t output_;
};

}  // namespace stet
