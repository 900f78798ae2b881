#pragma once
// fit: the training loop, one for every stage of a model.

#include <stet/io/file.hpp>
#include <stet/io/file_lock.hpp>
#include <stet/model/forward.hpp>
#include <stet/ops/loss.hpp>
#include <stet/train/clip.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_check.hpp>
#include <stet/train/fit_checkpoint.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/fit_run.hpp>
#include <stet/train/log.hpp>
#include <stet/train/run_monitor.hpp>
#include <stet/train/step_loss.hpp>
#include <stet/train/validate.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <time.h>

#if STET_DEFINE_ENTRIES
#include <stet/data/loader.hpp>
#endif

namespace stet {

/// The trained tensors of a model as an optimizer sees them, without those that are frozen: weight decay applies to weights
/// only.
inline std::vector<ParameterRef> parameter_refs(Model& model) {
  std::vector<ParameterRef> refs;
  for (NamedParameter& p : model.parameters()) {
    if (!p.frozen) refs.push_back({&p.parameter, p.name, p.role == graph::Role::weight, 1.0});
  }
  return refs;
}

/// Whether a model is trained on lists: forward(tape, model, list of inputs, Mode, options) -> list of outputs, found by
/// argument-dependent lookup.
template <class M>
concept TrainsOnLists = requires(M& model, Tape& tape, std::span<const Tensor<float>> inputs, const ForwardOptions& o) {
  { forward(tape, model, inputs, Mode::training, o) } -> std::same_as<std::vector<Var<Tensor<float>>>>;
};
/// The same of a model with one input and one output: forward(tape, model, x, Mode, options) -> logits.
template <class M>
concept TrainsOnTensors = requires(M& model, Tape& tape, const Tensor<float>& x, const ForwardOptions& o) {
  { forward(tape, model, x, Mode::training, o) } -> std::same_as<Var<Tensor<float>>>;
};

/// What fit can train: forward of lists or of a tensor, parameter_refs(model), both found by
/// argument-dependent lookup, infer for validation, and fields(f) for checkpoints. A member advance(progress), if there
/// is one, is called before every step with the part of the run that is done, and begin_run() before the first; what a
/// function training_warnings(model) gives, if there is one, stands in the report, and what monitor_of(model, options), if
/// there is one, sees of the steps. A member graph() lets fit compare the
/// data with the model before it begins.
template <class M>
concept Trainable = Classifier<M> && (TrainsOnLists<M> || TrainsOnTensors<M>) && requires(M& model) {
  { parameter_refs(model) } -> std::same_as<std::vector<ParameterRef>>;
};

namespace detail {

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

STET_ENTRY FitReport run_fit(const FitStage& stage, const Dataset& data, const FitOptions& o,
                             std::span<const ParameterRef> parameters, FitRun& run);
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

// Compares an epoch with the best one before; says whether it is better.
inline bool compare_epoch(FitState& state, const EpochReport& report, const FitOptions& o) {
  const double value = !o.metric ? report.validation_loss : o.metric.higher_is_better ? -report.validation_metric : report.validation_metric;
  require(!std::isnan(value) || (o.early_stop.patience == 0 && !o.early_stop.restore_best), Errc::range,
          "fit: metric '{}' is {} after epoch {}, so no epoch is better than another", o.metric.name, value, report.epoch + 1);
  const bool better = value < state.best - o.early_stop.min_delta;
  if (better) {
    state.best = value;
    state.best_epoch = report.epoch;
  }
  state.epochs_without_better = better ? 0 : state.epochs_without_better + 1;
  state.stopped = state.stopped || (o.early_stop.patience > 0 && state.epochs_without_better >= o.early_stop.patience);
  return better;
}

STET_ENTRY FitReport run_fit(const FitStage& stage, const Dataset& data, const FitOptions& o,
                             std::span<const ParameterRef> parameters, FitRun& run) {
  Progress progress(o.title, o.epochs, steps_per_epoch(data.size(), batches_of(o)), o.progress);
  FitState& state = run.state();
  const std::int64_t last = o.stop_after == 0 ? o.epochs : std::min<std::int64_t>(o.epochs, state.epoch + o.stop_after);
  while (state.epoch < last && !state.stopped) {
    run.inside_epoch(true);
    std::optional<EpochReport> made =
        run_epoch(stage, data, o, parameters, run.optimizer(), static_cast<int>(state.epoch), progress, state.stopped_step);
    if (!made) {
      state.stopped = state.stopped_by_callback = true;
      run.inside_epoch(false);
      if (!o.checkpoint.empty()) stage.save();
      break;
    }
    EpochReport& report = *made;
    std::string note;
    if (o.validation != nullptr) {
      validate(stage.infer, o, report);
      note = formatted("validation loss {:.4f}", report.validation_loss);
      if (!std::isnan(report.validation_accuracy)) note += formatted("  accuracy {:.2f} %", 100 * report.validation_accuracy);
      if (o.metric) note += formatted("  {} {:.4g}", o.metric.name, report.validation_metric);
      if (compare_epoch(state, report, o)) stage.keep_best();
    }
    progress.finish_epoch(state.epoch, report.loss, report.accuracy, note);
    state.record(report);
    ++state.epoch;
    if (o.stop_when && o.stop_when(report)) state.stopped = state.stopped_by_callback = true;
    run.inside_epoch(false);
    if (!o.checkpoint.empty()) stage.save();
    if (!o.log.empty()) write_file_atomically(o.log, log_text(o, state.report()));
    if (o.on_epoch) o.on_epoch(report);
  }
  FitReport report = state.report();
  report.metric = o.metric.name;
  if (state.stopped || state.epoch >= o.epochs) {
    if (report.best_epoch >= 0) stage.restore_best();
    if (o.early_stop.restore_best) report.restored_epoch = report.best_epoch;
  }
  return report;
}
#endif

// Makes a run ready for its next step; what it says is whether the state of model and run lies in the checkpoint.
STET_ENTRY bool enter_run(FitRun& run, const FitOptions& o, std::span<const ParameterRef> parameters,
                          const std::string& description, const std::string& start);
#if STET_DEFINE_ENTRIES
STET_ENTRY bool enter_run(FitRun& run, const FitOptions& o, std::span<const ParameterRef> parameters,
                          const std::string& description, const std::string& start) {
  const bool begun = run.begun();
  if (begun) {
    const std::vector<std::string> differences = differing_lines(run.description(), description);
    require(differences.empty(), Errc::state, "fit: options.run belongs to another run: {}; begin it with a new FitRun",
            join_some(differences));
  }
  const std::string unfinished = begun || o.resume || o.replace || o.checkpoint.empty() ? "" : unfinished_run(o.checkpoint);
  require(unfinished.empty(), Errc::state,
          "fit: the checkpoint {} holds a run that has done {}; set resume to go on with it, or replace to begin anew in "
          "its place, or name another file",
          o.checkpoint, unfinished);
  const bool load = o.resume && (!begun || run.broken()) && CheckpointReader::exists(o.checkpoint);
  require(
      !run.broken() || load, Errc::state,
      "fit: options.run was ended by an error inside epoch {}, the model is no longer where the run was; resume from "
      "a checkpoint, or begin a new run",
      run.state().epoch + 1);
  if (!begun) run.begin(OptimizerState(o.optimizer, parameters), description, start, o.epochs);
  return load;
}
#endif

}  // namespace detail

/// Trains a model: with softmax cross-entropy where the data have labels, with mean squared error where they have targets, with
/// options.loss where that is set. Of several outputs each is compared with the data's answers for it (Dataset::with_labels,
/// with_targets), and the sum of their losses, weighed as options.losses says, is made small. Every run of the same options on
/// the same data is the same, bit for bit, whatever the thread count, and so is a run that was interrupted and resumed from its checkpoint, or done in parts.
///
/// Every call is a run of its own, unless options.run or a resumed checkpoint goes on with one: a quantized model goes
/// through its schedule over this run's epochs, and what an earlier run froze moves again (QatModel::begin_run).
/// Errors:    Errc::range if an option is impossible, a label has no logit, or the loss, a parameter, a buffer of the
///            optimizer or a running mean or variance becomes infinite or not a number (named with step and epoch);
///            Errc::shape if images do not fit the model; Errc::state if options contradict each other or a run or
///            checkpoint is another, or the checkpoint file holds a run that has not come to its end and neither resume nor
///            replace is set; those of the model's forward. All but the loss are found before anything is changed
template <Trainable M>
FitReport fit(M& model, const Dataset& data, const FitOptions& options = {}) {
  detail::check_fit(data, options);
  if constexpr (requires { model.graph(); }) {
    detail::check_fit_data(model.graph(), data, options, [&]([[maybe_unused]] double progress) {
      if constexpr (requires { model.batch_norm_live_at(progress); }) {
        return model.batch_norm_live_at(progress);
      } else {
        return true;
      }
    });
  }
  std::vector<ParameterRef> parameters = parameter_refs(model);
  detail::set_rates(parameters, options);
  detail::RunMonitor<M> monitor(model, options.monitor);
  FitRun whole;
  FitRun& run = options.run == nullptr ? whole : *options.run;
  FitRun entered = run;  // a copy: what fails below leaves the run as it was
  const bool keeps_best = options.early_stop.restore_best;
  if (keeps_best && !entered.best().has_value()) entered.best() = detail::BestModel<M>{model};
  const auto best_of = [](FitRun& r) { return std::any_cast<detail::BestModel<M>>(&r.best()); };  // null if there is none
  std::optional<FileLock> lock;
  if (!options.checkpoint.empty()) {
    lock.emplace(options.checkpoint + ".lock", "fit: the checkpoint " + options.checkpoint);
    require_writable(options.checkpoint);  // now, not after the first epoch
  }
  if (!options.log.empty()) require_writable(options.log);
  std::string description, start;
  if (lock || options.run != nullptr) {  // else nobody asks
    description = detail::describe_run(data, options);
    start = run.begun() ? run.start() : detail::describe_start(model);
  }
  if (run.begun() && !run.broken() && !run.finished()) {
    require(
        run.left() == detail::describe_start(model), Errc::state,
        "fit: options.run goes on with the model as the last part left it, and this one has other weights or ranges; "
        "give it the same model, unchanged, or begin a new FitRun");
  }
  if (detail::enter_run(entered, options, parameters, description, start)) {
    start = detail::load_run(options, description + start, model, entered.optimizer(), entered.state(),
                             best_of(entered));
    entered.start_with(start);
    entered.inside_epoch(false);
  } else if constexpr (requires { model.begin_run(); }) {
    if (!run.begun()) model.begin_run();
  }
  run = std::move(entered);
  const auto step = [&](Tape& tape, const Batch& batch, const ForwardOptions& o) -> std::vector<Var<Tensor<float>>> {
    if constexpr (TrainsOnLists<M>) {
      return forward(tape, model, std::span<const Tensor<float>>(batch.inputs()), Mode::training, o);
    } else {
      return {forward(tape, model, batch.x, Mode::training, o)};
    }
  };
  const auto advance = [&]([[maybe_unused]] double progress) {
    if constexpr (requires { model.advance(progress); }) model.advance(progress);
  };
  const auto answer = [&](const Batch& batch) { return detail::outputs_of(model, batch); };
  monitor.restore(run.state());
  const auto watch = [&](const StepReport& report, const Batch& batch) { monitor.after_step(report, batch.inputs()); };
  const auto oscillating = [&] { return monitor.oscillating(); };
  const auto save = [&] {
    monitor.keep(run.state());
    detail::save_run(options, description + start, model, run.optimizer(), run.state(), best_of(run));
  };
  const auto statistics_fault = [&] { return detail::find_statistics_fault(model); };
  const auto fault = [&] { return detail::find_fault(model); };
  const auto keep_best = [&] {
    if (keeps_best) best_of(run)->model = model;
  };
  const auto restore_best = [&] {
    if (keeps_best) model = best_of(run)->model;
  };
  FitReport report = detail::run_fit({step, advance, answer, save, statistics_fault, fault, watch, oscillating, keep_best, restore_best}, data,
                                     options, parameters, run);
  monitor.report(report, run.finished());
  monitor.keep(run.state());
  if (options.run != nullptr) run.leave(detail::describe_start(model));
  if constexpr (requires { training_warnings(model); }) {
    // Of a part, phases that are still to come are no loss.
    if (run.finished()) report.warnings = training_warnings(model);
  }
  return report;
}

}  // namespace stet
