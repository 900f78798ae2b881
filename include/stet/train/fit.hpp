#pragma once
// fit: the training loop, one for every stage of a model.

#include <stet/io/file.hpp>
#include <stet/io/file_lock.hpp>
#include <stet/model/forward.hpp>
#include <stet/train/agreement.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_check.hpp>
#include <stet/train/fit_checkpoint.hpp>
#include <stet/train/fit_epoch.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/fit_run.hpp>
#include <stet/train/log.hpp>
#include <stet/train/run_identity.hpp>
#include <stet/train/run_monitor.hpp>
#include <stet/train/validate.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

STET_ENTRY FitReport run_fit(const FitStage& stage, const Dataset& data, const FitOptions& o,
                             std::span<const ParameterRef> parameters, FitRun& run);
#if STET_DEFINE_ENTRIES
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
  const bool first = is_first(o.comm);
  Progress progress(o.title, o.epochs, steps_per_epoch(data.size(), batches_of(o)), first ? o.progress : ProgressMode::quiet);
  FitState& state = run.state();
  const std::int64_t last = o.stop_after == 0 ? o.epochs : std::min<std::int64_t>(o.epochs, state.epoch + o.stop_after);
  while (state.epoch < last && !state.stopped) {
    run.inside_epoch(true);
    std::optional<EpochReport> made =
        run_epoch(stage, data, o, parameters, run.optimizer(), static_cast<int>(state.epoch), progress, state.stopped_step);
    if (!made) {
      state.stopped = state.stopped_by_callback = true;
      run.inside_epoch(false);
      if (!o.checkpoint.empty() && first) stage.save();
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
    if (o.stop_when && any_process(o.comm, o.stop_when(report))) state.stopped = state.stopped_by_callback = true;
    run.inside_epoch(false);
    if (!o.checkpoint.empty() && first) stage.save();
    if (!o.log.empty() && first) write_file_atomically(o.log, log_text(o, state.report()));
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

template <Trainable M>
FitReport fit_model(M& model, const Dataset& data, const FitOptions& options) {
  check_fit(data, options);
  const bool first = is_first(options.comm);
  if constexpr (requires { model.graph(); }) {
    check_fit_data(model.graph(), data, options, [&]([[maybe_unused]] double progress) {
      if constexpr (requires { model.batch_norm_live_at(progress); }) {
        return model.batch_norm_live_at(progress);
      } else {
        return true;
      }
    });
  }
  const CommunicationCost before = options.comm == nullptr ? CommunicationCost() : options.comm->cost();
  if (options.comm != nullptr) {
    require(std::copy_constructible<M>, Errc::unsupported, "fit: parts of a batch are learned on copies of the model, and this one cannot be copied; leave options.comm out");
    if constexpr (requires { model.require_calibrated("fit"); }) model.require_calibrated("fit: with options.comm");
  }
  std::vector<ParameterRef> parameters = parameter_refs(model);
  set_rates(parameters, options);
  MonitorOptions watching = options.monitor;
  watching.on = watching.on && first;
  RunMonitor<M> monitor(model, watching);
  FitRun whole;
  FitRun& run = options.run == nullptr ? whole : *options.run;
  FitRun entered = run;  // a copy: what fails below leaves the run as it was
  const bool keeps_best = options.early_stop.restore_best;
  if (keeps_best && !entered.best().has_value()) entered.best() = BestModel<M>{model};
  const auto best_of = [](FitRun& r) { return std::any_cast<BestModel<M>>(&r.best()); };  // null if there is none
  std::optional<FileLock> lock;
  if (!options.checkpoint.empty() && first) {
    lock.emplace(options.checkpoint + ".lock", "fit: the checkpoint " + options.checkpoint);
    require_writable(options.checkpoint);  // now, not after the first epoch
  }
  if (!options.log.empty() && first) require_writable(options.log);
  std::string description, start;
  if (!options.checkpoint.empty() || options.run != nullptr || options.comm != nullptr) {  // else nobody asks
    description = describe_run(data, options);
    start = run.begun() ? run.start() : describe_start(model);
  }
  if (run.begun() && !run.broken() && !run.finished()) {
    require(
        run.left() == describe_start(model), Errc::state,
        "fit: options.run goes on with the model as the last part left it, and this one has other weights or ranges; "
        "give it the same model, unchanged, or begin a new FitRun");
  }
  if (enter_run(entered, options, parameters, description, start)) {
    start = load_run(options, description + start, model, entered.optimizer(), entered.state(),
                             best_of(entered));
    entered.start_with(start);
    entered.inside_epoch(false);
  } else if constexpr (requires { model.begin_run(); }) {
    if (!run.begun()) model.begin_run();
  }
  if (options.comm != nullptr) {
    const std::string where = formatted("epoch {}\nmodel {}", entered.state().epoch, describe_start(model));
    require_same(*options.comm, describe_program() + formatted("stop_after {}\nstop_when {}\nstop_in_epoch {}\n", options.stop_after, static_cast<bool>(options.stop_when), static_cast<bool>(options.stop_in_epoch)) + description + start + where);
  }
  run = std::move(entered);
  // Copies share all numbers with the model until one of them writes.
  std::vector<M> copies;
  const auto lane = [&](std::size_t i) -> M& { return i == 0 ? model : copies[i - 1]; };
  const auto copy_lanes = [&](std::size_t lanes) {
    if constexpr (std::copy_constructible<M>) copies.assign(lanes - 1, model);
  };
  const auto lane_parameters = [&](std::size_t i) -> std::vector<ParameterRef> { return parameter_refs(lane(i)); };
  const auto step = [&](std::size_t i, Tape& tape, const Batch& batch, const ForwardOptions& o) -> std::vector<Var<Tensor<float>>> {
    if constexpr (TrainsOnLists<M>) {
      return forward(tape, lane(i), std::span<const Tensor<float>>(batch.inputs()), Mode::training, o);
    } else {
      return {forward(tape, lane(i), batch.x, Mode::training, o)};
    }
  };
  const auto advance = [&]([[maybe_unused]] double progress) {
    if constexpr (requires { model.advance(progress); }) model.advance(progress);
  };
  const auto answer = [&](const Batch& batch) { return outputs_together(options.comm, model, batch); };
  monitor.restore(run.state());
  const auto watch = [&](const StepReport& report, const Batch& batch) { monitor.after_step(report, batch.inputs()); };
  const auto oscillating = [&] { return monitor.oscillating(); };
  const auto save = [&] {
    monitor.keep(run.state());
    save_run(options, description + start, model, run.optimizer(), run.state(), best_of(run));
  };
  const auto statistics_fault = [&] { return find_statistics_fault(model); };
  // Of everything, after every epoch; callbacks may have changed one of several models.
  const auto fault = [&] {
    if (options.comm != nullptr) require_same(*options.comm, describe_numbers(model), "fit: models that are trained together");
    return find_fault(model);
  };
  const auto keep_best = [&] {
    if (keeps_best) best_of(run)->model = model;
  };
  const auto restore_best = [&] {
    if (keeps_best) model = best_of(run)->model;
  };
  FitReport report = run_fit({step, copy_lanes, lane_parameters, advance, answer, save, statistics_fault, fault, watch, oscillating, keep_best, restore_best}, data,
                                     options, parameters, run);
  if (options.comm != nullptr) report.communication = options.comm->cost() - before;
  monitor.report(report, run.finished());
  monitor.keep(run.state());
  if (options.run != nullptr) run.leave(describe_start(model));
  if constexpr (requires { training_warnings(model); }) {
    // Of a part, phases that are still to come are no loss.
    if (run.finished()) report.warnings = training_warnings(model);
  }
  return report;
}

}  // namespace detail

/// Trains a model: with softmax cross-entropy where the data have labels, with mean squared error where they have targets, with
/// options.loss where that is set. Of several outputs each is compared with the data's answers for it (Dataset::with_labels,
/// with_targets), and the sum of their losses, weighed as options.losses says, is made small. Every run of the same options on
/// the same data is the same, bit for bit, whatever the thread count, and so is a run that was interrupted and resumed from its checkpoint, or done in parts.
///
/// With options.comm several processes train one model: every step is cut into parts, statistics of batch norm and ranges are
/// those of the whole batch, and the gradients of all parts are added up. With SumOrder::fixed model and reports have the same
/// bits for any number of processes and threads, and so has a run that is resumed with another number; they are not those of
/// a run without comm, in which sums are cut otherwise.
///
/// Every call is a run of its own, unless options.run or a resumed checkpoint goes on with one: a quantized model goes
/// through its schedule over this run's epochs, and what an earlier run froze moves again (QatModel::begin_run).
/// Errors:    Errc::range if an option is impossible, a label has no logit, or the loss, a parameter, a buffer of the
///            optimizer or a running mean or variance becomes infinite or not a number (named with step and epoch);
///            Errc::shape if images do not fit the model; Errc::state if options contradict each other or a run or
///            checkpoint is another, or the checkpoint file holds a run that has not come to its end and neither resume nor
///            replace is set; those of the model's forward. With options.comm
///            Errc::state in all processes if one of them has another program, other options, data or start, and
///            Errc::io if one of them failed, ended or does not come. All but the loss are found before anything is changed
template <Trainable M>
FitReport fit(M& model, const Dataset& data, const FitOptions& options = {}) {
  if (options.comm == nullptr) return detail::fit_model(model, data, options);
  try {
    return detail::fit_model(model, data, options);
  } catch (const std::exception& e) {
    options.comm->report_failure(e.what());  // else the others would wait
    throw;
  } catch (...) {
    options.comm->report_failure("something that is no std::exception was thrown");
    throw;
  }
}

}  // namespace stet
