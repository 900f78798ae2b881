#pragma once
// Distillation as a loss of fit: the FP32 model teaches the quantized one.

#include <stet/data/dataset.hpp>
#include <stet/model/forward.hpp>
#include <stet/ops/distillation.hpp>

namespace stet {

/// A loss of fit that runs a float model in evaluation on every batch and learns from its probabilities too.
///
///   fit(qat, data, {.epochs = 4, .loss = Distillation(model)});
///
/// Formula:   distillation_loss
/// The teacher must outlive the run and must not change.
class Distillation {
 public:
  explicit Distillation(const Model& teacher, const DistillationOptions& options = {})
      : teacher_(&teacher), options_(options) {}

  Var<Tensor<float>> operator()(const Var<Tensor<float>>& logits, const Batch& batch) const {
    return distillation_loss(logits, infer(*teacher_, batch.x), batch.labels, options_);
  }

 private:
  const Model* teacher_;
  DistillationOptions options_;
};

}  // namespace stet
