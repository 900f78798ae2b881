#pragma once
// One epoch of fit: batch after batch, forward, loss, backward, update.

#include <stet/autograd/tape.hpp>
#include <stet/core/entry.hpp>
#include <stet/core/parallel.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/forward.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/optimizer.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/data/loader.hpp>
#include <stet/train/clip.hpp>
#include <stet/train/step_loss.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <time.h>
#endif

namespace stet::detail {

// One stage's side of the loop.
struct FitStage {
  FunctionRef<std::vector<Var<Tensor<float>>>(Tape&, const Batch&, const ForwardOptions&)> forward;
  FunctionRef<void(double)> advance;
  FunctionRef<std::vector<Tensor<float>>(const Batch&)> infer;  // for validation
  FunctionRef<void()> save;
  FunctionRef<std::string()> statistics_fault;  // of running means and variances, after every step
  FunctionRef<std::string()> fault;             // of everything, after every epoch
  FunctionRef<void(const StepReport&, const Batch&)> watch;  // after every step, to look
  FunctionRef<double()> oscillating;
  FunctionRef<void()> keep_best, restore_best;
};

#if STET_DEFINE_ENTRIES
inline double fit_clock() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline void require_finite(const std::string& fault, std::string_view where) {
  require(fault.empty(), Errc::range,
          "fit: {} in {}; a checkpoint of the epoch before is as it was: lower the learning rate, warm it up or set "
          "clip_norm",
          fault, where);
}

// Forward, loss and backward of one batch. What the tape holds is free again when this returns, so that the optimizer
// writes parameters in place.
struct BatchResult {
  double loss = 0, correct = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> of_output{};
};
inline BatchResult learn_batch(const FitStage& stage, const Batch& batch, const Dataset& data, const FitOptions& o, Rng& rng,
                               std::string_view where) {
  Tape tape;
  // A value that diverged is found in the layer, which does not know the step.
  const auto located = [&](auto run) {
    try {
      return run();
    } catch (const Error& e) {
      if (e.code() != Errc::range) throw;
      const std::string_view what = e.what();
      const bool said = what.find("lower the learning rate") != std::string_view::npos;
      throw Error(Errc::range, formatted("fit: at {}: {}{}", where, what,
                                         said ? "" : "; if it came with training, lower the learning rate, warm it up or set clip_norm"));
    }
  };
  const std::vector<Var<Tensor<float>>> outputs = located([&] { return stage.forward(tape, batch, {.rng = &rng}); });
  StepLoss loss = loss_of(outputs, batch, o);
  const bool trains = std::any_of(outputs.begin(), outputs.end(), [](const Var<Tensor<float>>& y) { return y.wanted(); });
  require(!trains || (loss.total.wanted() && &loss.total.tape() == &tape), Errc::state,
          "fit: the loss does not depend on the model's output, so that nothing is learned; compute it from y by functions of the tape "
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

// Nothing if the run was stopped within the epoch, after the step that is then in stopped_step.
inline std::optional<EpochReport> run_epoch(const FitStage& stage, const Dataset& data, const FitOptions& o,
                                            std::span<const ParameterRef> parameters, OptimizerState& optimizer, int epoch,
                                            Progress& progress, std::int64_t& stopped_step) {
  const double start = fit_clock();
  const Batches batches(data.size(), batches_of(o), static_cast<std::uint64_t>(epoch));
  const std::int64_t steps = batches.size(), total = steps * o.epochs;
  BatchLoader loader(steps, [&](std::int64_t i) {
    Batch batch = data.batch(batches[i]);
    augment_batch(batch, o.augment, Rng(o.seed).split(0x4147u).split(static_cast<std::uint64_t>(epoch * steps + i)));
    return batch;
  });
  double loss = 0, correct = 0, lr = 0;
  MeanLosses of_output;
  double seen = 0;  // by weight
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::optional<Batch> batch = loader.next();
    const std::int64_t step = epoch * steps + i;
    stage.advance(static_cast<double>(step) / static_cast<double>(total));
    Rng rng = Rng(o.seed).split(0x5354u).split(static_cast<std::uint64_t>(step));
    clear_gradients(parameters);
    const std::string where = formatted("step {} of epoch {}", i + 1, epoch + 1);
    const BatchResult result = learn_batch(stage, *batch, data, o, rng, where);
    require_finite(stage.statistics_fault(), where);
    const double factor = o.schedule.at(step, total);
    StepReport report{epoch, step, total, result.loss, factor * o.optimizer.lr(), 0.0};
    if (o.on_gradients) o.on_gradients(report);
    if (o.clip_norm > 0) report.gradient_norm = clip_gradients(parameters, o.clip_norm);
    optimizer.step(parameters, factor);
    require_finite(optimizer.fault(), where);
    const double weight = batch->total_weight();
    loss += result.loss * weight;
    correct += result.correct;
    of_output.add(result.of_output, weight);
    seen += weight;
    if (o.on_step) o.on_step(report);
    stage.watch(report, *batch);
    lr = report.lr;
    progress.update(epoch, i + 1, loss / seen, correct / seen);
    if (o.stop_in_epoch && o.stop_in_epoch(report)) {
      stopped_step = step;
      break;
    }
  }
  clear_gradients(parameters);
  // What callbacks changed, too.
  require_finite(stage.fault(), formatted("the last steps of epoch {}", epoch + 1));
  if (stopped_step >= 0) return std::nullopt;
  EpochReport report;
  report.epoch = epoch;
  report.loss = loss / seen;
  report.accuracy = correct / seen;
  report.losses = of_output.means();
  report.seconds = fit_clock() - start;
  report.lr = lr;
  report.oscillating = stage.oscillating();
  return report;
}
#endif

}  // namespace stet::detail
