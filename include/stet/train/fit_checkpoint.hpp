#pragma once
// The whole state of a run of fit in one file, so that training continues from it bit for bit.

#include <stet/train/best_model.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/monitor_state.hpp>
#include <stet/train/run_identity.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace stet::detail {

// Where a run stands between two epochs. The order of the images and the random numbers of dropout follow from the
// seed and the number of the step, so there is no other random state.
struct FitState {
  std::int64_t epoch = 0;  // epochs done
  double best = std::numeric_limits<double>::infinity();  // loss or metric of validation; smaller is better
  std::int64_t epochs_without_better = 0, best_epoch = -1, stopped_step = -1;
  bool stopped = false, stopped_by_callback = false;
  std::vector<double> history{};  // nine numbers of every epoch
  std::vector<double> losses{};   // of every epoch the losses of each output, then those of validation; as many in each epoch
  MonitorState monitor{};

  void record(const EpochReport& e) {
    for (const double x : {e.loss, e.accuracy, e.validation_loss, e.validation_accuracy, e.seconds, static_cast<double>(e.epoch), e.lr,
                           e.oscillating, e.validation_metric}) {
      history.push_back(x);
    }
    losses.insert(losses.end(), e.losses.begin(), e.losses.end());
    for (std::size_t k = 0; k < e.losses.size(); ++k) {
      losses.push_back(e.validation_losses.empty() ? std::numeric_limits<double>::quiet_NaN() : e.validation_losses[k]);
    }
  }
  [[nodiscard]] FitReport report() const {
    FitReport r;
    r.stopped_early = stopped;
    r.stopped_by_callback = stopped_by_callback;
    r.stopped_step = stopped_step;
    r.best_epoch = static_cast<int>(best_epoch);
    for (std::size_t i = 0; i + 8 < history.size(); i += 9) {
      r.epochs.push_back({static_cast<int>(history[i + 5]), history[i], history[i + 1], history[i + 2], history[i + 3],
                          history[i + 4], history[i + 6], history[i + 7], history[i + 8], {}, {}});
      r.seconds += r.epochs.back().seconds;
      const std::size_t each = losses.size() / (history.size() / 9);
      const auto first = losses.begin() + static_cast<std::ptrdiff_t>(i / 9 * each), middle = first + static_cast<std::ptrdiff_t>(each / 2);
      r.epochs.back().losses.assign(first, middle);
      if (!std::isnan(history[i + 2])) r.epochs.back().validation_losses.assign(middle, middle + static_cast<std::ptrdiff_t>(each / 2));
    }
    return r;
  }
  template <class F>
  void fields(F&& f) {
    f("epoch", epoch);
    f("best", best);
    f("epochs_without_better", epochs_without_better);
    f("best_epoch", best_epoch);
    f("stopped", stopped);
    f("stopped_by_callback", stopped_by_callback);
    f("stopped_step", stopped_step);
    f("epoch_reports", history);
    f("output_losses", losses);
    monitor.fields([&](const char* name, auto& field) { f("monitor/" + std::string(name), field); });
  }
};

// best: null unless the run keeps one.
template <class M>
void save_run(const FitOptions& options, const std::string& run, M& model, OptimizerState& optimizer, FitState& state,
              BestModel<M>* best) {
  CheckpointWriter writer;
  writer.model(model);
  writer.fields(std::string(training_prefix), state);
  writer.fields(std::string(training_prefix) + "optimizer/", optimizer);
  if (best != nullptr) writer.fields(std::string(training_prefix) + "best/", *best);
  for (const CallbackState& callback : options.state) callback.save(writer);
  writer.note("run", run);
  writer.save(options.checkpoint);
}

// Where the lines of describe_start begin in the note of a run.
inline std::size_t find_start(std::string_view run) { return run.rfind("start weights"); }

// Says how far the run is whose state a file holds, if it has not come to its end; else, and of any other file, nothing.
inline std::string unfinished_run(const std::string& path) {
  if (!CheckpointReader::exists(path)) return {};
  FitState state;
  std::string run;
  try {
    CheckpointReader reader(path);
    if (const std::string* note = reader.note("run")) run = *note;
    reader.fields(std::string(training_prefix), state);
    reader.ignore("");
    reader.finish();
  } catch (const Error&) {
    return {};
  }
  for (const std::string_view line : lines_of(run)) {
    const std::string_view key = "epochs ";
    if (!line.starts_with(key) || state.stopped) continue;
    const std::string_view all = line.substr(key.size());
    return all == std::to_string(state.epoch) ? "" : formatted("{} of {} epochs", state.epoch, all);
  }
  return {};
}

// Reads a run back; gives with what it started, because a model may get its ranges from the file.
template <class M>
std::string load_run(const FitOptions& options, const std::string& run, M& model, OptimizerState& optimizer, FitState& state,
                     BestModel<M>* best) {
  CheckpointReader reader(options.checkpoint);
  reader.model(model);
  reader.require_stage();
  const auto note = [&](std::string_view key) { return reader.note(key) == nullptr ? std::string() : *reader.note(key); };
  std::vector<std::string> found = differing_lines(note("run"), run);
  for (const auto& [part, text] : identity(model)) {
    if (note(part) != text) found.push_back(formatted("{}: {}", part, differences(note(part), text)));
  }
  require(found.empty(), Errc::state,
          "fit: the checkpoint {} was saved from something else than this run: {}; resume with the data, options and "
          "start that it had, or start anew, without resume or with another checkpoint",
          options.checkpoint, join_some(found));
  reader.fields(std::string(training_prefix), state);
  reader.fields(std::string(training_prefix) + "optimizer/", optimizer);
  if (best != nullptr) reader.fields(std::string(training_prefix) + "best/", *best);
  for (const CallbackState& callback : options.state) callback.load(reader);
  reader.finish();
  const std::string there = note("run");
  return there.substr(std::min(find_start(there), there.size()));
}

}  // namespace stet::detail
