#pragma once
// fit: the training loop, one for every stage of a model.

#include <stet/data/loader.hpp>
#include <stet/ops/loss.hpp>
#include <stet/train/clip.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_checkpoint.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/forward.hpp>

#include <cmath>
#include <concepts>

#include <time.h>

namespace stet {

/// The trained tensors of a model as an optimizer sees them: weight decay applies to weights only.
inline std::vector<ParameterRef> parameter_refs(Model& model) {
  std::vector<ParameterRef> refs;
  for (NamedParameter& p : model.parameters()) {
    refs.push_back({&p.parameter, p.name, p.role == graph::Role::weight, 1.0});
  }
  return refs;
}

/// What fit can train: forward(tape, model, x, Mode, options) -> logits, parameter_refs(model), both found by
/// argument-dependent lookup, infer for validation, and fields(f) for checkpoints. A member advance(progress), if there
/// is one, is called before every step with the part of the run that is done; what a function training_warnings(model)
/// gives, if there is one, stands in the report.
template <class M>
concept Trainable = Classifier<M> && requires(M& model, Tape& tape, const Tensor<float>& x, const ForwardOptions& o) {
  { forward(tape, model, x, Mode::training, o) } -> std::same_as<Var<Tensor<float>>>;
  { parameter_refs(model) } -> std::same_as<std::vector<ParameterRef>>;
};

namespace detail {

// One stage's side of the loop.
struct FitStage {
  FunctionRef<Var<Tensor<float>>(Tape&, const Tensor<float>&, const ForwardOptions&)> forward;
  FunctionRef<void(double)> advance;
  FunctionRef<Evaluation(const Dataset&)> evaluate;
  FunctionRef<void()> save;
};

inline double fit_clock() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

STET_ENTRY void check_fit(const Dataset& data, const FitOptions& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY void check_fit(const Dataset& data, const FitOptions& o) {
  require(o.epochs >= 1, Errc::range, "fit: epochs is {}, must be at least 1", o.epochs);
  require(o.batch >= 1, Errc::range, "fit: batch is {}, must be at least 1", o.batch);
  require(o.clip_norm >= 0, Errc::range, "fit: clip_norm is {}, must not be negative", o.clip_norm);
  require(o.label_smoothing >= 0 && o.label_smoothing <= 1, Errc::range,
          "fit: label_smoothing is {}, must be in 0..1", o.label_smoothing);
  require(o.early_stop.patience >= 0, Errc::range, "fit: early_stop.patience is {}, must not be negative",
          o.early_stop.patience);
  require(o.early_stop.patience == 0 || o.validation != nullptr, Errc::state,
          "fit: early_stop watches the validation loss; set validation to a data set");
  require(o.validation == nullptr || o.validation->shape() == data.shape(), Errc::shape,
          "fit: validation images are {}, training images {}", o.validation == nullptr ? Shape{} : o.validation->shape(),
          data.shape());
  require(!o.loss || o.label_smoothing == 0, Errc::state,
          "fit: label_smoothing {} belongs to softmax cross-entropy, which options.loss replaces", o.label_smoothing);
  require(!o.resume || !o.checkpoint.empty(), Errc::state, "fit: resume needs the name of a checkpoint file");
}
#endif

inline std::int64_t count_correct(const Tensor<float>& logits, const Tensor<std::int32_t>& labels) {
  const auto classes = static_cast<std::size_t>(logits.shape().back());
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    correct += argmax(logits.span().subspan(static_cast<std::size_t>(i) * classes, classes)) == labels[i] ? 1 : 0;
  }
  return correct;
}

// Forward, loss and backward of one batch. What the tape holds is free again when this returns, so that the optimizer
// writes parameters in place.
struct BatchResult {
  double loss = 0;
  std::int64_t correct = 0;
};
inline BatchResult learn_batch(const FitStage& stage, const Batch& batch, const FitOptions& o, Rng& rng,
                               std::string_view where) {
  Tape tape;
  const Var<Tensor<float>> logits = stage.forward(tape, batch.x, {.rng = &rng});
  const Var<Tensor<float>> loss =
      o.loss ? o.loss(logits, batch)
             : softmax_cross_entropy(logits, batch.labels, {.label_smoothing = o.label_smoothing});
  require(loss.value().size() == 1, Errc::shape, "fit: the loss must be one number, got {}", loss.shape());
  const auto value = static_cast<double>(loss.value()[0]);
  require(std::isfinite(value), Errc::range,
          "fit: the loss is {} at {}; lower the learning rate, warm it up or set clip_norm", value, where);
  tape.backward(loss);
  return {value, count_correct(logits.value(), batch.labels)};
}

inline EpochReport run_epoch(const FitStage& stage, const Dataset& data, const FitOptions& o,
                             std::span<const ParameterRef> parameters, OptimizerState& optimizer, int epoch,
                             Progress& progress) {
  const double start = fit_clock();
  BatchLoader loader(data, Batches(data.size(), {.size = o.batch, .seed = o.seed}, static_cast<std::uint64_t>(epoch)));
  const std::int64_t steps = loader.size(), total = steps * o.epochs;
  double loss = 0;
  std::int64_t correct = 0, seen = 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::optional<Batch> batch = loader.next();
    const std::int64_t step = epoch * steps + i;
    stage.advance(static_cast<double>(step) / static_cast<double>(total));
    Rng rng = Rng(o.seed).split(0x5354u).split(static_cast<std::uint64_t>(step));
    clear_gradients(parameters);
    const BatchResult result =
        learn_batch(stage, *batch, o, rng, fmt::format("step {} of epoch {}", i + 1, epoch + 1));
    const double factor = o.schedule.at(step, total);
    StepReport report{epoch, step, total, result.loss, factor * o.optimizer.lr(), 0.0};
    if (o.on_gradients) o.on_gradients(report);
    if (o.clip_norm > 0) report.gradient_norm = clip_gradients(parameters, o.clip_norm);
    optimizer.step(parameters, factor);
    loss += result.loss * static_cast<double>(batch->size());
    correct += result.correct;
    seen += batch->size();
    if (o.on_step) o.on_step(report);
    progress.update(epoch, i + 1, loss / static_cast<double>(seen),
                    static_cast<double>(correct) / static_cast<double>(seen));
  }
  clear_gradients(parameters);
  EpochReport report;
  report.epoch = epoch;
  report.loss = loss / static_cast<double>(seen);
  report.accuracy = static_cast<double>(correct) / static_cast<double>(seen);
  report.seconds = fit_clock() - start;
  return report;
}

inline bool should_stop(FitState& state, double loss, const EarlyStop& rule) {
  if (loss < state.best_loss - rule.min_delta) {
    state.best_loss = loss;
    state.epochs_without_better = 0;
  } else {
    ++state.epochs_without_better;
  }
  return rule.patience > 0 && state.epochs_without_better >= rule.patience;
}

STET_ENTRY FitReport run_fit(const FitStage& stage, const Dataset& data, const FitOptions& o,
                         std::span<const ParameterRef> parameters, OptimizerState& optimizer, FitState& state);
#if STET_DEFINE_ENTRIES
STET_ENTRY FitReport run_fit(const FitStage& stage, const Dataset& data, const FitOptions& o,
                         std::span<const ParameterRef> parameters, OptimizerState& optimizer, FitState& state) {
  Progress progress(o.title, o.epochs, (data.size() + o.batch - 1) / o.batch, o.progress);
  while (state.epoch < o.epochs && !state.stopped) {
    EpochReport report =
        run_epoch(stage, data, o, parameters, optimizer, static_cast<int>(state.epoch), progress);
    std::string note;
    if (o.validation != nullptr) {
      const Evaluation e = stage.evaluate(*o.validation);
      report.validation_loss = e.loss;
      report.validation_accuracy = e.accuracy;
      note = fmt::format("validation loss {:.4f}  accuracy {:.2f} %", e.loss, 100 * e.accuracy);
      state.stopped = should_stop(state, e.loss, o.early_stop);
    }
    progress.finish_epoch(state.epoch, report.loss, report.accuracy, note);
    state.record(report);
    ++state.epoch;
    if (!o.checkpoint.empty()) stage.save();
    if (o.on_epoch) o.on_epoch(report);
  }
  return state.report();
}
#endif

}  // namespace detail

/// Trains a classifier with softmax cross-entropy. Every run of the same options on the same data is the same, bit for
/// bit, whatever the thread count, and so is a run that was interrupted and resumed from its checkpoint.
/// Errors:    Errc::range if an option is impossible or the loss becomes infinite or not a number; Errc::state if
///            options contradict each other or a checkpoint is of another run; those of the model's forward
template <Trainable M>
FitReport fit(M& model, const Dataset& data, const FitOptions& options = {}) {
  detail::check_fit(data, options);
  const std::vector<ParameterRef> parameters = parameter_refs(model);
  OptimizerState optimizer(options.optimizer, parameters);
  detail::FitState state;
  const auto run = [&](Tape& tape, const Tensor<float>& x, const ForwardOptions& o) {
    return forward(tape, model, x, Mode::training, o);
  };
  const auto advance = [&]([[maybe_unused]] double progress) {
    if constexpr (requires { model.advance(progress); }) model.advance(progress);
  };
  const auto validate = [&](const Dataset& validation) { return evaluate(model, validation); };
  std::string description = detail::describe_run(data, options);
  if constexpr (requires { model.recipe().describe(); }) description += ", recipe " + model.recipe().describe();
  const auto save = [&] { detail::save_run(options, description, model, optimizer, state); };
  if (options.resume && CheckpointReader::exists(options.checkpoint)) {
    detail::load_run(options, description, model, optimizer, state);
  }
  FitReport report = detail::run_fit({run, advance, validate, save}, data, options, parameters, optimizer, state);
  if constexpr (requires { training_warnings(model); }) report.warnings = training_warnings(model);
  return report;
}

}  // namespace stet
