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

/// Samples that are mixed with others of their batch (Mixup): x is of both, the answers are each sample's own, and those of the
/// partner are at its position.
struct Mixing {
  std::vector<std::int64_t> partner{};  ///< of each sample; empty: nothing is mixed
  double share = 0;                     ///< of the partner in every input, 0 to 1
};

/// Inputs of one step, and what the model should make of them. Of models with several inputs or outputs, x, labels and targets
/// are those of the first.
struct Batch {
  Tensor<float> x{};              ///< [B, ...]
  Tensor<std::int32_t> labels{};  ///< [B]; empty unless the data have labels
  Tensor<float> targets{};        ///< [B, ...]; empty unless the data have targets
  std::vector<Tensor<float>> more_inputs{};  ///< those behind x, [B, ...] each
  std::vector<Truth> more_truth{};       ///< of the outputs behind the first
  Tensor<float> weights{};               ///< [B], how much each sample counts in losses and metrics; empty: all alike
  Mixing mixing{};                       ///< what Mixup did

  [[nodiscard]] std::int64_t size() const { return x.shape().rank() > 0 ? x.shape()[0] : 0; }
  /// How much the batch counts in a mean over samples: the sum of the weights, without them the number of samples.
  [[nodiscard]] double total_weight() const {
    if (weights.empty()) return static_cast<double>(size());
    double sum = 0;
    for (const float w : weights.span()) sum += static_cast<double>(w);
    return sum;
  }
  /// The same mixed inputs with the answers and weights of the partners: what the loss of a mixed batch sees second.
  /// Errors:    Errc::state if nothing is mixed; Errc::range if a partner does not exist
  [[nodiscard]] Batch of_partners() const {
    require(static_cast<std::int64_t>(mixing.partner.size()) == size(), Errc::state, "Batch: {} samples have {} partners; mix them first", size(),
            mixing.partner.size());
    for (const std::int64_t p : mixing.partner) {
      require(p >= 0 && p < size(), Errc::range, "Batch: partner {} of {} samples does not exist", p, size());
    }
    const auto theirs = [&](const auto& own) {
      auto other = own;
      if (own.empty()) return other;
      const std::int64_t each = own.size() / size();
      auto to = other.edit();
      for (std::int64_t i = 0; i < own.size(); ++i) to[static_cast<std::size_t>(i)] = own[mixing.partner[static_cast<std::size_t>(i / each)] * each + i % each];
      return other;
    };
    Batch b = *this;
    b.labels = theirs(labels);
    b.targets = theirs(targets);
    b.weights = theirs(weights);
    for (Truth& t : b.more_truth) t = {theirs(t.labels), theirs(t.targets)};
    return b;
  }
  /// Samples [first, last) with their answers and weights, as a batch of their own; who is mixed with whom is left out.
  /// Errors:    Errc::range if there are no such samples
  [[nodiscard]] Batch rows(std::int64_t first, std::int64_t last) const {
    require(0 <= first && first < last && last <= size(), Errc::range, "Batch: samples {} to {} of {} do not exist", first, last, size());
    const auto cut = [&]<class T>(const Tensor<T>& all) {
      if (all.empty()) return all;
      const std::int64_t each = all.size() / size();
      return Tensor<T>(all.shape().unbatched().batched(last - first), all.span().subspan(static_cast<std::size_t>(first * each), static_cast<std::size_t>((last - first) * each)));
    };
    Batch b{cut(x), cut(labels), cut(targets), {}, {}, cut(weights), {}};
    for (const Tensor<float>& input : more_inputs) b.more_inputs.push_back(cut(input));
    for (const Truth& t : more_truth) b.more_truth.push_back({cut(t.labels), cut(t.targets)});
    return b;
  }
  /// All inputs in the order of the model's.
  [[nodiscard]] std::vector<Tensor<float>> inputs() const {
    std::vector<Tensor<float>> all{x};
    all.insert(all.end(), more_inputs.begin(), more_inputs.end());
    return all;
  }
  /// The same samples with the answers for one output as labels and targets, as a loss of that output sees them; both are empty
  /// where the data have none for it.
  [[nodiscard]] Batch for_output(std::size_t output) const {
    Batch b{x, labels, targets, more_inputs, {}, weights, mixing};
    if (output == 0) return b;
    Truth a = output <= more_truth.size() ? more_truth[output - 1] : Truth{};
    b.labels = std::move(a.labels);
    b.targets = std::move(a.targets);
    return b;
  }
};

}  // namespace stet
