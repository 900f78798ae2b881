#pragma once
// What fit makes small: losses as values, and AnyLoss, which holds one of them or a function of one's own.

#include <stet/core/description.hpp>
#include <stet/data/dataset.hpp>
#include <stet/ops/loss.hpp>

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// The targets of a batch in the shape of the output: [B] stands for [B,1] too.
inline Tensor<float> targets_like(const char* op, const Var<Tensor<float>>& y, const Batch& batch) {
  require(!batch.targets.empty(), Errc::state,
          "{}: the data have no targets; make the Dataset with a tensor of floats [N, ...]", op);
  const Shape& shape = batch.targets.shape();
  const bool last_left_out =
      y.shape().rank() == shape.rank() + 1 && y.shape().back() == 1 && y.value().size() == batch.targets.size();
  require(y.shape() == shape || last_left_out, Errc::shape,
          "{}: the output is {}, the targets are {}; give them one shape", op, y.shape(), shape);
  return batch.targets.reshaped(y.shape());
}

}  // namespace detail

/// Softmax cross-entropy of labels: what fit takes by itself for data with labels.
/// Formula:   as cross_entropy
struct CrossEntropyLoss {
  double label_smoothing = 0;
  std::vector<double> class_weights{};  ///< one per class, for classes that are rare or dear; empty: all alike

  Var<Tensor<float>> operator()(const Var<Tensor<float>>& logits, const Batch& batch) const {
    require(!batch.labels.empty(), Errc::state,
            "CrossEntropyLoss: the data have no labels; make the Dataset with labels [N] and the number of classes, or take a loss of "
            "targets (MseLoss, BinaryCrossEntropyLoss)");
    return softmax_cross_entropy(logits, batch.labels,
                                 {.label_smoothing = label_smoothing, .class_weights = class_weights, .sample_weights = batch.weights});
  }
  [[nodiscard]] std::string describe() const {
    std::string weights;
    for (const double w : class_weights) weights += formatted("{}{}", weights.empty() ? ", class weights " : " ", w);
    // As fit's own where nothing is set: it is the same run.
    const std::string smoothing = label_smoothing == 0 ? "" : formatted(", label smoothing {}", label_smoothing);
    return formatted("softmax cross-entropy{}{}", smoothing, weights);
  }
};

/// Mean squared error of targets: what fit takes by itself for data with targets.
/// Formula:   as mse
struct MseLoss {
  Var<Tensor<float>> operator()(const Var<Tensor<float>>& y, const Batch& batch) const {
    const Tensor<float> targets = detail::targets_like("MseLoss", y, batch);
    return batch.weights.empty() ? mse(y, y.tape().constant(targets)) : mse(y, targets, batch.weights);
  }
  [[nodiscard]] std::string describe() const { return "mean squared error"; }
};

/// Huber's loss of targets.
/// Formula:   as huber
struct HuberLoss {
  double delta = 1.0;  ///< where the squared error becomes a linear one, in units of the targets

  Var<Tensor<float>> operator()(const Var<Tensor<float>>& y, const Batch& batch) const {
    return huber(y, detail::targets_like("HuberLoss", y, batch), delta, batch.weights);
  }
  [[nodiscard]] std::string describe() const { return formatted("Huber, delta {}", delta); }
};

/// Binary cross-entropy of targets in [0, 1], or of the labels 0 and 1 where the output is one logit.
/// Formula:   as binary_cross_entropy
struct BinaryCrossEntropyLoss {
  Var<Tensor<float>> operator()(const Var<Tensor<float>>& y, const Batch& batch) const {
    if (batch.labels.empty()) return binary_cross_entropy(y, detail::targets_like("BinaryCrossEntropyLoss", y, batch), batch.weights);
    require(y.value().size() == batch.size(), Errc::shape,
            "BinaryCrossEntropyLoss: labels are 0 or 1 of one logit each, the output is {}; give the data targets of "
            "its shape",
            y.shape());
    Tensor<float> wanted(y.shape());
    auto to = wanted.edit();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(batch.labels[static_cast<std::int64_t>(i)]);
    return binary_cross_entropy(y, wanted, batch.weights);
  }
  [[nodiscard]] std::string describe() const { return "binary cross-entropy"; }
};

/// What a function must be to be a loss of one output.
template <class F>
concept LossOfOutput = std::is_invocable_r_v<Var<Tensor<float>>, const F&, const Var<Tensor<float>>&, const Batch&>;
/// The same of all outputs together.
template <class F>
concept LossOfOutputs = std::is_invocable_r_v<Var<Tensor<float>>, const F&, std::span<const Var<Tensor<float>>>, const Batch&>;

/// A loss of fit: one of the above, or any function of the model's output and the batch that gives a tensor of one number.
/// Empty: what suits the data.
///
///   fit(model, data, {.loss = [](const auto& y, const Batch& b) { return mse(y, y.tape().constant(b.targets)); }});
///
/// A function of a list of outputs (which it must say, auto is taken for one) is a loss of all that a model has:
///
///   fit(model, data, {.loss = [](std::span<const Var<Tensor<float>>> y, const Batch& b) { return contrastive(y[0], y[1], b.labels); }});
class AnyLoss {
 public:
  AnyLoss() = default;
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, AnyLoss>) && (LossOfOutput<F> || LossOfOutputs<F>)
  AnyLoss(F loss) {  // NOLINT: converts, as std::function does
    if constexpr (requires { loss.describe(); }) text_ = loss.describe();
    if constexpr (LossOfOutput<F>) {
      call_ = [f = std::move(loss)](std::span<const Var<Tensor<float>>> y, const Batch& batch) { return f(y[0], batch); };
    } else {
      call_ = std::move(loss);
      of_all_ = true;
    }
  }

  explicit operator bool() const { return static_cast<bool>(call_); }
  Var<Tensor<float>> operator()(const Var<Tensor<float>>& y, const Batch& batch) const { return call_(std::span(&y, 1), batch); }
  Var<Tensor<float>> operator()(std::span<const Var<Tensor<float>>> outputs, const Batch& batch) const { return call_(outputs, batch); }
  /// Whether it is of a list of outputs, and not of one.
  [[nodiscard]] bool of_all() const { return of_all_; }
  /// What it is, for the identity of a run; a function of one's own has no text (FitOptions::identity).
  [[nodiscard]] const std::string& describe() const { return text_; }

 private:
  std::function<Var<Tensor<float>>(std::span<const Var<Tensor<float>>>, const Batch&)> call_{};
  std::string text_ = "of its own";
  bool of_all_ = false;
};

/// The loss of one of several outputs, and how much it weighs.
struct OutputLoss {
  AnyLoss loss{};     ///< empty: what suits the data's answers for this output
  double weight = 1;  ///< factor in the sum of all; 0: the output is not trained, and needs no answers
};

}  // namespace stet
