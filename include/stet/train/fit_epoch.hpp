#pragma once
// One epoch of fit: batch after batch, forward, loss, backward, update.

#include <stet/autograd/tape.hpp>
#include <stet/core/entry.hpp>
#include <stet/core/parallel.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/forward.hpp>
#include <stet/train/agreement.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/fit_stage.hpp>
#include <stet/train/optimizer.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/data/loader.hpp>
#include <stet/train/clip.hpp>
#include <stet/train/learn_batch.hpp>
#include <stet/train/learn_parts.hpp>
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

// Nothing if the run was stopped within the epoch, after the step that is then in stopped_step.
inline std::optional<EpochReport> run_epoch(const FitStage& stage, const Dataset& data, const FitOptions& o,
                                            std::span<const ParameterRef> parameters, OptimizerState& optimizer, int epoch,
                                            Progress& progress, std::int64_t& stopped_step) {
  const double start = fit_clock();
  const Batches batches(data.size(), batches_of(o), static_cast<std::uint64_t>(epoch));
  const std::int64_t steps = batches.size(), total = steps * o.epochs;
  const auto augmentation = [&](std::int64_t step) { return Rng(o.seed).split(0x4147u).split(static_cast<std::uint64_t>(step)); };
  BatchLoader loader(steps, [&](std::int64_t i) {
    if (o.comm != nullptr) return data.batch(OwnParts(data, batches[i], o).samples());
    Batch batch = data.batch(batches[i]);
    augment_batch(batch, o.augment, augmentation(epoch * steps + i));
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
    const CommunicationCost before = o.comm == nullptr ? CommunicationCost() : o.comm->cost();
    double weight = batch->total_weight();
    BatchResult result;
    if (o.comm == nullptr) {
      result = learn_batch(stage, *batch, data, o, rng, where);
    } else {
      const OwnParts own(data, batches[i], o);
      result = learn_parts(stage, own, *batch, data, o, parameters, augmentation(step), rng, where);
      weight = own.weight();
    }
    require_finite(stage.statistics_fault(), where);
    const double factor = o.schedule.at(step, total);
    StepReport report{epoch, step, total, result.loss, factor * o.optimizer.lr(), 0.0, {}};
    if (o.comm != nullptr) report.communication = o.comm->cost() - before;
    if (o.on_gradients) o.on_gradients(report);
    if (o.clip_norm > 0) report.gradient_norm = clip_gradients(parameters, o.clip_norm);
    optimizer.step(parameters, factor);
    require_finite(optimizer.fault(), where);
    loss += result.loss * weight;
    correct += result.correct;
    of_output.add(result.of_output, weight);
    seen += weight;
    if (o.on_step) o.on_step(report);
    stage.watch(report, o.comm == nullptr ? *batch : batch->rows(0, std::min(o.part, batch->size())));
    lr = report.lr;
    progress.update(epoch, i + 1, loss / seen, correct / seen);
    if (o.stop_in_epoch && any_process(o.comm, o.stop_in_epoch(report))) {
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
