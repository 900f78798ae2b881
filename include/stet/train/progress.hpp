#pragma once
// Progress of long work: one line that is updated on a terminal, few plain lines elsewhere.

#include <stet/core/error.hpp>
#include <stet/core/output.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include <time.h>
#include <unistd.h>

namespace stet {

/// Where a long computation stands.
struct ProgressState {
  std::string_view title{};
  std::int64_t epoch = 0, epochs = 1;                          ///< epoch counts from 0
  std::int64_t step = 0, steps = 1;                            ///< steps done in this epoch
  double loss = std::numeric_limits<double>::quiet_NaN();      ///< left out of the text if not a number
  double accuracy = std::numeric_limits<double>::quiet_NaN();  ///< 0 to 1; left out likewise
  double seconds = 0;                                          ///< since the clock was started
  double from = 0;  ///< share of the work that was done before that (a resumed run)
  bool count_epochs = true;  ///< false: work that has none
  /// Share of the whole work that is done, 0 to 1.
  [[nodiscard]] double done() const {
    const double all = static_cast<double>(epochs) * static_cast<double>(steps);
    return all <= 0
               ? 1.0
               : std::fmin(1.0,
                           (static_cast<double>(epoch) * static_cast<double>(steps) + static_cast<double>(step)) / all);
  }
};

/// Duration as text: 9 s, 3:07, 1:02:45.
inline std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds > 0 ? seconds + 0.5 : 0.0);
  if (s < 60) return formatted("{} s", s);
  if (s < 3600) return formatted("{}:{:02}", s / 60, s % 60);
  return formatted("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

/// The line that shows a state, without a line end; `bar` is the width of the bar, 0 leaves it out.
inline std::string format_progress(const ProgressState& p, int bar) {
  std::string line(p.title);
  if (p.count_epochs) line += formatted("{}epoch {}/{}", line.empty() ? "" : "  ", p.epoch + 1, p.epochs);
  const double part = p.steps > 0 ? static_cast<double>(p.step) / static_cast<double>(p.steps) : 1.0;
  if (bar > 0) {
    const auto filled = static_cast<std::size_t>(static_cast<double>(bar) * std::fmin(1.0, part));
    line += " [" + std::string(filled, '#') + std::string(static_cast<std::size_t>(bar) - filled, '.') + "]";
  } else {
    line += formatted(" {:3.0f} %", 100 * std::fmin(1.0, part));
  }
  if (!std::isnan(p.loss)) line += formatted("  loss {:.4f}", p.loss);
  if (!std::isnan(p.accuracy)) line += formatted("  accuracy {:.2f} %", 100 * p.accuracy);
  const double done = p.done();
  if (done >= 1) {
    line += "  " + format_duration(p.seconds);
  } else if (done > p.from && p.seconds >= 1) {
    line += "  " + format_duration(p.seconds * (1 - done) / (done - p.from)) + " left";
  }
  return line;
}

/// How progress is shown.
enum class ProgressMode {
  automatic,  ///< bar on a terminal, lines elsewhere
  bar,        ///< one line, rewritten at most ten times a second
  lines,      ///< a line at every tenth of an epoch at most, and one at its end
  quiet       ///< nothing
};

/// Shows the progress of epochs of steps. A stream that is closed or full ends nothing: nothing more is shown then.
class Progress {
 public:
  /// count_epochs: false for work that has none; then there is one, the whole
  Progress(std::string title, std::int64_t epochs, std::int64_t steps, ProgressMode mode = ProgressMode::automatic,
           std::FILE* stream = stderr, bool count_epochs = true)
      : title_(std::move(title)), epochs_(epochs), steps_(steps), count_epochs_(count_epochs), mode_(mode), stream_(stream), start_(now()) {
    require(stream != nullptr, Errc::range, "Progress: the stream is null");
    if (mode_ == ProgressMode::automatic) {
      const bool terminal = isatty(fileno(stream)) == 1;
      mode_ = terminal ? ProgressMode::bar : ProgressMode::lines;
    }
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Ends a line that was left open, so that what is printed next starts on its own.
  ~Progress() {
    if (open_) put("\n");
  }

  /// Shows that `step` steps of an epoch (counted from 0) are done.
  void update(std::int64_t epoch, std::int64_t step, double loss, double accuracy) {
    if (mode_ == ProgressMode::quiet) return;
    const double time = now();
    if (mode_ == ProgressMode::bar) {
      if (time - shown_ >= 0.1) show(epoch, step, loss, accuracy, time);
    } else if (step < steps_ && step * 10 / steps_ > tenth_) {
      tenth_ = step * 10 / steps_;
      show(epoch, step, loss, accuracy, time);
    }
  }
  /// Shows that an epoch is complete and leaves its line standing; `note` is put behind it.
  void finish_epoch(std::int64_t epoch, double loss, double accuracy, std::string_view note = {}) {
    if (mode_ == ProgressMode::quiet) return;
    show(epoch, steps_, loss, accuracy, now(), note);
    if (open_) put("\n");
    open_ = false;
    length_ = 0;
    tenth_ = 0;
  }

 private:
  static double now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  // The first text that the stream does not take is the last one: whoever looked is gone, or the disk is full.
  bool put(std::string_view text) {
    const bool taken = detail::show_text(stream_, text);
    if (!taken) mode_ = ProgressMode::quiet;
    return taken;
  }
  void show(std::int64_t epoch, std::int64_t step, double loss, double accuracy, double time,
            std::string_view note = {}) {
    const bool bar = mode_ == ProgressMode::bar;
    if (first_epoch_ < 0) first_epoch_ = epoch;
    const double from = epochs_ > 0 ? static_cast<double>(first_epoch_) / static_cast<double>(epochs_) : 0.0;
    std::string line =
        format_progress({title_, epoch, epochs_, step, steps_, loss, accuracy, time - start_, from, count_epochs_}, bar ? 24 : 0);
    if (!note.empty()) line += formatted("  {}", note);
    if (bar) {
      const std::size_t length = line.size();
      if (length < length_) line.append(length_ - length, ' ');
      open_ = put("\r" + line);
      length_ = length;
    } else {
      put(line + "\n");
    }
    shown_ = time;
  }

  std::string title_;
  std::int64_t epochs_, steps_;
  bool count_epochs_ = true;
  std::int64_t first_epoch_ = -1;  // the epoch that was shown first; later than 0 in a resumed run
  ProgressMode mode_;
  std::FILE* stream_;
  double start_, shown_ = 0;
  std::int64_t tenth_ = 0;  // tenths of this epoch that were printed
  std::size_t length_ = 0;  // characters of the open line
  bool open_ = false;
};

}  // namespace stet
