#pragma once
// Batch: samples of one step, and what the model should make of them.

#include <stet/core/tensor.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace stet {

/// What one output of a model should be: labels, targets or neither.
struct Truth {
  Tensor<std::int32_t> labels{};  ///< [B]
  Tensor<float> targets{};        ///< [B, ...]
};

/// Inputs of one step, and what the model should make of them. Of models with several inputs or outputs, x, labels and targets
/// are those of the first.
struct Batch {
  Tensor<float> x{};              ///< [B, ...]
  Tensor<std::int32_t> labels{};  ///< [B]; empty unless the data have labels
  Tensor<float> targets{};        ///< [B, ...]; empty unless the data have targets
  std::vector<Tensor<float>> more_inputs{};  ///< those behind x, [B, ...] each
  std::vector<Truth> more_truth{};       ///< of the outputs behind the first

  [[nodiscard]] std::int64_t size() const { return x.shape().rank() > 0 ? x.shape()[0] : 0; }
  /// All inputs in the order of the model's.
  [[nodiscard]] std::vector<Tensor<float>> inputs() const {
    std::vector<Tensor<float>> all{x};
    all.insert(all.end(), more_inputs.begin(), more_inputs.end());
    return all;
  }
  /// The same samples with the answers for one output as labels and targets, as a loss of that output sees them; both are empty
  /// where the data have none for it.
  [[nodiscard]] Batch for_output(std::size_t output) const {
    Batch b{x, labels, targets, more_inputs, {}};
    if (output == 0) return b;
    Truth a = output <= more_truth.size() ? more_truth[output - 1] : Truth{};
    b.labels = std::move(a.labels);
    b.targets = std::move(a.targets);
    return b;
  }
};

}  // namespace stet
