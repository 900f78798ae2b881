#pragma once
// Options and results of fit.

#include <stet/autograd/tape.hpp>
#include <stet/core/communicator.hpp>
#include <stet/data/augment.hpp>
#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/loss.hpp>
#include <stet/train/metric.hpp>
#include <stet/train/progress.hpp>
#include <stet/train/schedule.hpp>
#include <stet/train/sgd.hpp>
#include <stet/train/training_finding.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace stet {

/// When to stop before the last epoch: as validation says, by FitOptions::metric where it is set, else by the loss.
struct EarlyStop {
  int patience = 0;      ///< epochs without a better validation after which training ends; 0: never
  double min_delta = 0;  ///< smallest change that counts as better
  /// When the run has come to its end, the model is that of its best epoch and not of the last; the checkpoint has both.
  bool restore_best = false;
};

/// Learning rate of a part of a model, relative to the others: of nodes (`stem*`) or parameters (`*.bias`) whose names fit.
struct LayerRate {
  std::string names{};  ///< * stands for any characters
  double factor = 1;    ///< above 0; what should not move at all is frozen (freeze)
};

/// What on_step sees, after the parameters were updated.
struct StepReport {
  int epoch = 0;
  std::int64_t step = 0, steps = 0;  ///< of the whole run; step counts from 0
  double loss = 0;                   ///< of this batch, before the update
  double lr = 0;                     ///< rule and schedule multiplied
  double gradient_norm = 0;          ///< before clipping; 0 if clip_norm is 0
  CommunicationCost communication{}; ///< of this process with others in this step (FitOptions::comm)
};

/// In which order the parts of a step are added up where several processes train (FitOptions::comm).
enum class SumOrder {
  fixed,  ///< that of a tree over the parts: the same bits for any number of processes and threads
  /// Whatever is fastest: a step has one part per process, and gradients are sent while the backward pass goes on, 1 MiB at a time.
  /// Results depend on the number of processes in the last bits, which training makes larger; a repetition may differ too.
  any
};

/// One epoch of a run.
struct EpochReport {
  int epoch = 0;
  double loss = 0, accuracy = 0;  ///< over the epoch's batches as they were trained on; accuracy is of the first output that
                                  ///< is one number per class and has labels, and not a number where there is none
  double validation_loss = std::numeric_limits<double>::quiet_NaN();      ///< not a number without validation
  double validation_accuracy = std::numeric_limits<double>::quiet_NaN();
  double seconds = 0;  ///< training alone
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< of the last step: rule and schedule multiplied
  /// Part of the weights of 2 to 4 bits that jump between two codes at its end; not a number without such weights, or
  /// without the monitor.
  double oscillating = std::numeric_limits<double>::quiet_NaN();
  double validation_metric = std::numeric_limits<double>::quiet_NaN();  ///< FitOptions::metric of the validation data
  std::vector<double> losses{}, validation_losses{};  ///< of each output, before its weight; empty of a model with one, or under a loss of all
};

/// A run so far, epochs before a resume and of earlier calls included.
struct FitReport {
  std::vector<EpochReport> epochs{};
  bool stopped_early = false;         ///< before the last epoch, by early_stop, stop_when or stop_in_epoch
  bool stopped_by_callback = false;   ///< by one of the latter two
  std::int64_t stopped_step = -1;     ///< step of the run, counted from 0, after which stop_in_epoch ended it; -1: it did not
  int restored_epoch = -1;            ///< the model is that of this epoch (EarlyStop::restore_best); -1: of the last one
  int best_epoch = -1;  ///< by validation, as EarlyStop compares; -1 without validation
  double seconds = 0;  ///< sum over the epochs
  /// What check knows as warnings about the model at the end, one sentence each with its remedy; empty for a float model.
  std::vector<std::string> warnings{};
  /// What the monitor of a quantized model found in this run, in the order of its beginning (FitOptions::monitor).
  std::vector<TrainingFinding> findings{};
  std::string metric{};  ///< name of FitOptions::metric
  CommunicationCost communication{};  ///< of this process with others, in this call (FitOptions::comm)

  /// A line per epoch, then one per warning and one per finding that is not among them.
  [[nodiscard]] std::string str() const {
    std::string text;
    for (const EpochReport& e : epochs) {
      const auto accuracy = [&](double of) {
        if (!std::isnan(of)) text += formatted(", accuracy {:.2f} %", 100 * of);
      };
      const auto losses = [&](const std::vector<double>& of_output) {
        for (std::size_t k = 0; k < of_output.size(); ++k) text += formatted("{}{:.4f}{}", k == 0 ? " (" : ", ", of_output[k], k + 1 == of_output.size() ? ")" : "");
      };
      text += formatted("epoch {}: loss {:.4f}", e.epoch + 1, e.loss);
      losses(e.losses);
      accuracy(e.accuracy);
      if (!std::isnan(e.validation_loss)) text += formatted("; validation loss {:.4f}", e.validation_loss);
      losses(e.validation_losses);
      accuracy(e.validation_accuracy);
      if (!metric.empty()) text += formatted(", {} {:.4g}", metric, e.validation_metric);
      if (!std::isnan(e.lr)) text += formatted("; learning rate {:.2g}", e.lr);
      if (!std::isnan(e.oscillating)) text += formatted(", {:.1f} % of the weights oscillate", 100 * e.oscillating);
      text += formatted(" ({:.1f} s)\n", e.seconds);
    }
    if (best_epoch >= 0) text += formatted("best validation: epoch {}\n", best_epoch + 1);
    if (stopped_early) {
      text += stopped_step >= 0 ? formatted("stopped after step {} of the run: stop_in_epoch asked for it\n", stopped_step + 1)
                                : formatted("stopped after epoch {}: {}\n", epochs.empty() ? 0 : epochs.back().epoch + 1,
                                            stopped_by_callback ? "stop_when asked for it" : "validation did not become better");
    }
    if (restored_epoch >= 0) text += formatted("the model is that of epoch {}\n", restored_epoch + 1);
    for (const std::string& w : warnings) text += formatted("warning: {}\n", w);
    for (const TrainingFinding& f : findings) {
      bool said = false;
      for (const std::string& w : warnings) said = said || w.find(f.what) != std::string::npos;
      if (!said) text += formatted("warning: {}\n", f);
    }
    return text;
  }
};

/// State of a callback that a checkpoint keeps along with the run, so that the callback resumes where it was: an object
/// with fields(f), which must outlive fit.
///
///   fit(qat, data, {.on_step = std::ref(freezing), .state = {{"freezing", freezing}}, .checkpoint = file});
class CallbackState {
 public:
  template <class Object>
  CallbackState(std::string name, Object& object)
      : name_(name),
        save_([name, &object](CheckpointWriter& writer) { writer.fields(prefix(name), object); }),
        load_([name, &object](CheckpointReader& reader) { reader.fields(prefix(name), object); }) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  void save(CheckpointWriter& writer) const { save_(writer); }
  /// The object is as it was until reader.finish().
  void load(CheckpointReader& reader) const { load_(reader); }

 private:
  static std::string prefix(const std::string& name) { return std::string(training_prefix) + name + "/"; }

  std::string name_;
  std::function<void(CheckpointWriter&)> save_;
  std::function<void(CheckpointReader&)> load_;
};

class FitRun;

struct FitOptions {
  int epochs = 1;  ///< length of the whole run: schedule and phases of QAT are fractions of it
  std::int64_t batch = 128;
  AnyOptimizer optimizer = Adam{};
  AnySchedule schedule = Constant{};
  std::uint64_t seed = 1;      ///< of the order of the images and of dropout
  double label_smoothing = 0;  ///< in the training loss
  double clip_norm = 0;        ///< largest norm of all gradients together; 0: any
  EarlyStop early_stop{};
  /// Evaluated after every epoch: by cross-entropy and accuracy where the data have labels and the output is a logit per
  /// class, else (and of several outputs) by the training loss; and by metric.
  const Dataset* validation = nullptr;
  Metric metric{};  ///< of the validation data, after every epoch; early_stop goes by it
  /// What is made small. Empty: softmax cross-entropy of labels (with label_smoothing), mean squared error of targets. With
  /// another one label_smoothing must be 0. Distillation is one. A function of a list of outputs is of all that the model has.
  AnyLoss loss{};
  /// Of a model with several outputs, the loss of each, in their order, and its weight. Empty: what suits the answers, all alike.
  ///
  ///   fit(model, data, {.losses = {{CrossEntropyLoss{}}, {HuberLoss{}, 0.5}}});
  std::vector<OutputLoss> losses{};
  std::vector<LayerRate> rates{};      ///< the last one that fits a parameter counts
  std::vector<Augmentation> augment{}; ///< what is done to every batch of training data, on the loader's thread, by the seed
  MonitorOptions monitor{};  ///< of a quantized model: what goes wrong is said while it trains (Monitor)
  std::string title{};
  ProgressMode progress = ProgressMode::automatic;
  std::function<void(const StepReport&)> on_gradients{};  ///< after backward: may change gradients before the update
  std::function<void(const StepReport&)> on_step{};       ///< after the update: may change parameters
  /// After the epoch's checkpoint was written: to look, not to change. What it changes, a resumed run lacks.
  std::function<void(const EpochReport&)> on_epoch{};
  /// After every epoch: true ends the run as early_stop does, with the best epoch restored if that is asked for. Of the decision
  /// the checkpoint knows, so that a run that was stopped stays so.
  ///
  ///   options.stop_when = [&](const EpochReport& e) { return clock.minutes() > 30 || e.validation_loss < 0.1; };
  std::function<bool(const EpochReport&)> stop_when{};
  /// After every step: true ends the run there, for signals and clocks that cannot wait for the end of an epoch. The epoch that it
  /// cuts is in no report and was not validated: without restore_best the model is as that step left it.
  std::function<bool(const StepReport&)> stop_in_epoch{};
  std::vector<CallbackState> state{};  ///< of these callbacks, kept in the checkpoint
  std::string checkpoint{};  ///< file that holds the whole state of training after every epoch
  bool resume = false;       ///< continue from that file if it exists and is of this run: same start, data and options
  bool replace = false;      ///< begin anew in place of that file, though the run in it has not come to its end
  /// File with a line for every epoch of the run: .csv, or .jsonl with a JSON object per line (log_csv, log_json_lines). It is
  /// written as a whole after every epoch and its checkpoint, so that it is never half a line, and that of a run which is
  /// resumed or done in parts holds every epoch once. A new run replaces it.
  std::string log{};
  bool drop_last = false;    ///< leave out the last batch of an epoch if it is not full
  int stop_after = 0;        ///< end this call after so many epochs of the run, which goes on in a later call; 0: at its end
  FitRun* run = nullptr;     ///< run that the call begins or goes on with (fit_run.hpp)
  /// Processes that train one model together, each of which calls fit with the same model, data and options (mpi::world() of
  /// stet/mpi.hpp); null: this one alone. Every step is cut into parts of so many samples, the processes share the parts, and
  /// all end with the same model. The first one writes checkpoint and log, shows progress and has the monitor, which looks at the
  /// first part of a step; callbacks run in all of them. Augmentation sees a part at a time.
  Communicator* comm = nullptr;
  std::int64_t part = 16;  ///< samples of a part, with comm: another number gives other last bits, another number of processes does not
  SumOrder sums = SumOrder::fixed;
  /// What else makes this run what it is, of the loss and the callbacks, which have no text: a run with another one is not
  /// continued.
  std::string identity{};
};

namespace detail {
// How fit cuts an epoch; whoever counts its steps asks steps_per_epoch with it.
inline BatchOptions batches_of(const FitOptions& o) { return {.size = o.batch, .drop_last = o.drop_last, .seed = o.seed}; }
}  // namespace detail

}  // namespace stet

template <>
struct fmt::formatter<stet::FitReport> : stet::TextFormatter {};
