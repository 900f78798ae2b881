#pragma once
// What fit does with one batch, or with one part of it: forward, loss, backward.

#include <stet/train/fit_stage.hpp>
#include <stet/train/step_loss.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::detail {

// What a step has learned of a batch.
struct BatchResult {
  double loss = 0, correct = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> of_output{};
};

// Forward, loss and backward on a tape.
inline BatchResult learn_on(Tape& tape, const FitStage& stage, std::size_t lane, const Batch& batch,
                            const Dataset& data, Rng& rng, std::string_view where,
                            FunctionRef<StepLoss(std::span<const Var<Tensor<float>>>)> loss_of_outputs) {
  // A value that diverged is found in the layer, which does not know the step.
  const auto located = [&](auto run) {
    try {
      return run();
    } catch (const Error& e) {
      if (e.code() != Errc::range) throw;
      const std::string_view what = e.what();
      const bool said = what.find("lower the learning rate") != std::string_view::npos;
      throw Error(
          Errc::range,
          formatted("fit: at {}: {}{}", where, what,
                    said ? "" : "; if it came with training, lower the learning rate, warm it up or set clip_norm"));
    }
  };
  const std::vector<Var<Tensor<float>>> outputs =
      located([&] { return stage.forward(lane, tape, batch, {.rng = &rng}); });
  StepLoss loss = loss_of_outputs(outputs);
  const bool trains =
      std::any_of(outputs.begin(), outputs.end(), [](const Var<Tensor<float>>& y) { return y.wanted(); });
  require(!trains || (loss.total.wanted() && &loss.total.tape() == &tape), Errc::state,
          "fit: the loss does not depend on the model's output, so that nothing is learned; compute it from y by "
          "functions of the tape "
          "(stet/ops), not from y.value(), and on y.tape()");
  const auto value = static_cast<double>(loss.total.value()[0]);
  require(std::isfinite(value), Errc::range,
          "fit: the loss is {} at {}; lower the learning rate, warm it up or set clip_norm", value, where);
  located([&] { tape.backward(loss.total); });
  BatchResult result{.loss = value, .of_output = std::move(loss.of_output)};
  std::vector<Shape> shapes;
  for (const Var<Tensor<float>>& y : outputs) shapes.push_back(y.shape());
  const int classifies = classifying_output(shapes, data);
  if (classifies < 0) return result;
  const auto k = static_cast<std::size_t>(classifies);
  result.correct = count_correct(outputs[k].value(), batch.for_output(k));
  return result;
}

// One batch as a whole. What the tape holds is free again when this returns, so that the optimizer writes parameters in place.
inline BatchResult learn_batch(const FitStage& stage, const Batch& batch, const Dataset& data, const FitOptions& o,
                               Rng& rng, std::string_view where) {
  Tape tape;
  return learn_on(tape, stage, 0, batch, data, rng, where,
                  [&](std::span<const Var<Tensor<float>>> outputs) -> StepLoss { return loss_of(outputs, batch, o); });
}

}  // namespace stet::detail
