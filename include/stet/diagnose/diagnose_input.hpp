#pragma once
// diagnose_input: whether images come to a deployed model as its calibration images did, and what was done to them if not.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/diagnose/input_corrections.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/integer_model.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/paired.hpp>
#include <stet/data/random_subset.hpp>
#include <stet/engine/engine.hpp>

#include <algorithm>
#include <cmath>
#endif

namespace stet {

/// One number of the images against calibration's.
struct InputStatistic {
  std::string name{};
  double seen = 0, calibrated = 0;
  double low = 0, high = 0;  ///< healthy from, to
  [[nodiscard]] bool off() const { return !(seen >= low && seen <= high); }
};

/// A correction and what became of the model's answers with it.
struct TriedInput {
  std::string id{}, what{}, remedy{};
  double accuracy = 0, loss = 0;  ///< of the deployed integers on the corrected images
  double distance = 0;            ///< of their fingerprint from calibration's, in standard deviations
};

/// How diagnose_input() goes about it.
struct InputDiagnosisOptions {
  std::int64_t images = 1000;  ///< drawn at random; 0: all
  std::uint64_t seed = 1;      ///< of the drawing
  double p = 0.01;             ///< a correction counts if by chance it would gain as much less often than this ...
  double points = 1.0;         ///< ... and gains so many percentage points, or
  double loss = 0.1;           ///< this part of the loss, more than four standard errors of it, with no image fewer right
  double least_loss = 0.02;    ///< what the loss alone must gain at least: of a network that is always right all parts are chance
};

/// What diagnose_input() found.
struct InputDiagnosis {
  InputFingerprint calibrated{}, seen{};
  std::vector<InputStatistic> statistics{};
  double accuracy = 0, loss = 0, distance = 0;  ///< as the images came
  std::int64_t images = 0;
  std::vector<TriedInput> tried{};   ///< corrections whose fingerprint is no farther than the images', as the first fault
  std::vector<TriedInput> causes{};  ///< faults in the order of their effect, each on top of those before; at most two

  /// Whether neither a fault is named nor a statistic is off.
  [[nodiscard]] bool healthy() const {
    bool any = !causes.empty();
    for (const InputStatistic& s : statistics) any = any || s.off();
    return !any;
  }
  /// At most a screen: verdict, remedy, statistics that are off.
  [[nodiscard]] std::string str() const;
};

/// Statistics of images against those of calibration, with their healthy ranges.
STET_ENTRY std::vector<InputStatistic> compare_inputs(const InputFingerprint& calibrated, const InputFingerprint& seen);
/// Root mean square of the differences of two fingerprints, in standard deviations of the first; each counts 10 at most.
STET_ENTRY double distance(const InputFingerprint& calibrated, const InputFingerprint& seen);

/// Compares images with the fingerprint of a deployed model's calibration images (of a file: load_tflite_integer gives it to the
/// model, load_input_fingerprint reads it from any), and tries on a sample what undoes each known
/// fault of preparing them: a fault is named where undoing it makes the integers better and brings the fingerprint no
/// farther from calibration's. Faults without an effect, such as a division by 256 or bytes cut to 4 bits, are none.
/// Errors:    Errc::state if the model has no fingerprint or the data are empty; Errc::shape if images have another shape
///            than the model's input; Errc::range if an option or the model's fingerprint cannot be; those of Engine and evaluate
STET_ENTRY InputDiagnosis diagnose_input(const IntegerModel& model, const Dataset& images, const InputDiagnosisOptions& options = {});

#if STET_DEFINE_ENTRIES
namespace detail {

// Deviation that differences are counted in; constant images have none.
inline double unit_of(const InputFingerprint& f) {
  if (f.sd > 0) return static_cast<double>(f.sd);
  const double range = static_cast<double>(f.most() - f.least());
  return range > 0 ? range : 1.0;
}

inline InputFingerprint fingerprint_of(const Tensor<float>& x) {
  FingerprintCollector collector;
  collector.observe(x);
  return std::move(collector).finish();
}

// Whether the second answers have a smaller loss than chance allows, and as many are right.
inline bool loses_less(const Answers& first, const Answers& second, const InputDiagnosisOptions& options) {
  if (second.accuracy() < first.accuracy()) return false;
  const auto n = static_cast<double>(first.images());
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < first.loss.size(); ++i) {
    const double d = static_cast<double>(first.loss[i] - second.loss[i]);
    sum += d;
    squares += d * d;
  }
  const double mean = sum / n, error = std::sqrt(std::max(0.0, squares / n - mean * mean) / n);
  return mean > options.loss * first.mean_loss() && mean > options.least_loss && mean > 4 * error;
}

// Tries corrections one after the other on top of what was found.
class InputSearch {
 public:
  InputSearch(const IntegerModel& model, const Dataset& sample, const InputDiagnosisOptions& options)
      : engine_(model), sample_(sample), options_(options), calibrated_(model.input_fingerprints[0]),
        images_(sample.batch(0, sample.size()).x) {}

  InputDiagnosis run() {
    InputDiagnosis d;
    d.calibrated = calibrated_;
    d.seen = fingerprint_of(images_);
    d.images = sample_.size();
    d.statistics = compare_inputs(calibrated_, d.seen);
    d.distance = distance_ = distance(calibrated_, d.seen);
    answers_ = answers(images_);
    d.accuracy = answers_.accuracy();
    d.loss = answers_.mean_loss();
    for (int round = 0; round < 2; ++round) {
      if (!step(d, round == 0)) break;
    }
    return d;
  }

 private:
  struct Trial {
    TriedInput tried{};
    Tensor<float> images{};
    Answers answers{};
    bool fitted = false;
  };

  Answers answers(const Tensor<float>& x) const {
    return answers_of(engine_, Dataset(x, sample_.batch(0, sample_.size()).labels, sample_.classes(), sample_.name()));
  }
  // By accuracy; a smaller loss alone counts where the images are like calibration's then, for what makes answers less sure is
  // no correction.
  [[nodiscard]] bool better(const Trial& t, const InputFingerprint& seen) const {
    if (compare(answers_, t.answers).better({.p = options_.p, .points = options_.points})) return true;
    if (!loses_less(answers_, t.answers, options_)) return false;
    const std::vector<InputStatistic> now = compare_inputs(calibrated_, seen);
    return std::none_of(now.begin(), now.end(), [](const InputStatistic& i) { return i.off(); });
  }
  // Which of two corrections is it: the one with clearly better answers; of like ones the one after which images look more
  // like calibration's.
  [[nodiscard]] static bool preferred(const Trial& t, const Trial& than) {
    if (t.tried.accuracy > than.tried.accuracy + 0.02) return true;
    if (t.tried.accuracy < than.tried.accuracy - 0.02) return false;
    return t.tried.distance < than.tried.distance - 0.01 || (t.tried.distance < than.tried.distance + 0.01 && t.tried.loss < than.tried.loss);
  }
  bool step(InputDiagnosis& d, bool first) {
    const InputFingerprint seen = fingerprint_of(images_);
    const std::vector<InputStatistic> statistics = compare_inputs(calibrated_, seen);
    const bool any_off = std::any_of(statistics.begin(), statistics.end(), [](const InputStatistic& i) { return i.off(); });
    Trial best;
    bool found = false;
    for (const InputCorrection& c : input_corrections(calibrated_, seen, sample_.shape())) {
      Trial t{{c.id, c.what, c.remedy, 0, 0, 0}, c.apply(images_), {}, c.fitted};
      const InputFingerprint then = fingerprint_of(t.images);
      t.tried.distance = distance(calibrated_, then);
      if (t.tried.distance > distance_ + 0.05) continue;  // farther from calibration: not the fault, whatever the answers
      // What fits any scale and offset is for images that are off, by a fault that has no name.
      if (c.fitted && (!any_off || found)) continue;
      t.answers = answers(t.images);
      t.tried.accuracy = t.answers.accuracy();
      t.tried.loss = t.answers.mean_loss();
      if (first) d.tried.push_back(t.tried);
      if (!better(t, then)) continue;
      if (found && !best.fitted && !preferred(t, best)) continue;
      best = std::move(t);
      found = true;
    }
    if (!found) return false;
    d.causes.push_back(best.tried);
    images_ = best.images;
    answers_ = best.answers;
    distance_ = best.tried.distance;
    return true;
  }

  Engine engine_;
  const Dataset& sample_;
  const InputDiagnosisOptions& options_;
  const InputFingerprint& calibrated_;
  Tensor<float> images_;
  Answers answers_{};
  double distance_ = 0;
};

}  // namespace detail

STET_ENTRY std::vector<InputStatistic> compare_inputs(const InputFingerprint& calibrated, const InputFingerprint& seen) {
  std::vector<InputStatistic> list;
  const double unit = detail::unit_of(calibrated), chance = 1.0 / std::sqrt(static_cast<double>(std::min(calibrated.images, seen.images)));
  const auto about = [&](std::string name, float is, float was, double margin) {
    const auto centre = static_cast<double>(was);
    list.push_back({std::move(name), static_cast<double>(is), centre, centre - margin * unit, centre + margin * unit});
  };
  const auto ratio = [&](std::string name, float is, float was, double factor) {
    const auto base = static_cast<double>(was);
    factor += 2 * chance;
    list.push_back({std::move(name), static_cast<double>(is), base, base / factor, base * factor});
  };
  about("mean", seen.mean, calibrated.mean, 0.25 + 2 * chance);
  ratio("standard deviation", seen.sd, calibrated.sd, 1.35);
  about("0.1 % quantile", seen.quantiles[1], calibrated.quantiles[1], 1 + 2 * chance);
  about("median", seen.quantiles[5], calibrated.quantiles[5], 0.75 + 4 * chance);
  about("99.9 % quantile", seen.quantiles[9], calibrated.quantiles[9], 1 + 2 * chance);
  const std::size_t channels = std::min(calibrated.channels(), seen.channels());
  for (std::size_t c = 0; c < channels && channels > 1; ++c) {
    about(formatted("mean of channel {}", c), seen.channel_mean[c], calibrated.channel_mean[c], 0.35 + 3 * chance);
  }
  if (calibrated.mean_image.size() == seen.mean_image.size() && !seen.mean_image.empty()) {
    std::size_t worst = 0;
    const auto apart = [&](std::size_t i) { return std::fabs(seen.mean_image[i] - calibrated.mean_image[i]); };
    for (std::size_t i = 1; i < seen.mean_image.size(); ++i) worst = apart(i) > apart(worst) ? i : worst;
    const std::size_t side = InputFingerprint::side;
    about(formatted("mean image at row {} of 4, column {} of 4", worst / side + 1, worst % side + 1), seen.mean_image[worst],
          calibrated.mean_image[worst], 0.5 + 4 * chance);
  }
  if (calibrated.gradient_x > 0) ratio("difference of neighbours along width", seen.gradient_x, calibrated.gradient_x, 1.6);
  if (calibrated.gradient_y > 0) ratio("difference of neighbours along height", seen.gradient_y, calibrated.gradient_y, 1.6);
  return list;
}

STET_ENTRY double distance(const InputFingerprint& calibrated, const InputFingerprint& seen) {
  const double unit = detail::unit_of(calibrated);
  double squares = 0, count = 0;
  const auto add = [&](double difference) {
    const double d = std::fmin(10.0, std::fabs(difference));
    squares += d * d;
    ++count;
  };
  const auto add_all = [&](const std::vector<float>& a, const std::vector<float>& b) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) add(static_cast<double>(a[i] - b[i]) / unit);
  };
  const auto add_ratio = [&](float a, float b) {
    if (a > 0) add(b > 0 ? std::log(static_cast<double>(b) / static_cast<double>(a)) : 10.0);
  };
  add_all(calibrated.quantiles, seen.quantiles);
  add_all(calibrated.channel_mean, seen.channel_mean);
  add_all(calibrated.mean_image, seen.mean_image);
  add_ratio(calibrated.sd, seen.sd);
  add_ratio(calibrated.gradient_x, seen.gradient_x);
  add_ratio(calibrated.gradient_y, seen.gradient_y);
  return std::sqrt(squares / count);
}

STET_ENTRY InputDiagnosis diagnose_input(const IntegerModel& model, const Dataset& images, const InputDiagnosisOptions& options) {
  require(images.size() > 0, Errc::state, "diagnose_input: the data set is empty");
  require(images.has_labels(), Errc::state, "diagnose_input: data set {} has no labels; what was done to images shows in how many are recognized", images.name());
  require(options.images >= 0, Errc::range, "diagnose_input: images must not be negative, got {}; 0 is all", options.images);
  const std::vector<int> inputs = model.inputs();
  require(inputs.size() < 2 && model.outputs.size() < 2, Errc::unsupported,
          "diagnose_input: the model has {} inputs and {} outputs; of those with one of each it tries corrections, of others "
          "compare_inputs(model.input_fingerprints[i], ...) says what differs",
          inputs.size(), model.outputs.size());
  require(!model.input_fingerprints.empty(), Errc::state,
          "diagnose_input: the model has no fingerprint of its calibration images; calibrate() and convert() it again, or load "
          "a file that stet wrote after that");
  require(options.p > 0 && options.points >= 0 && options.loss >= 0 && options.least_loss >= 0, Errc::range,
          "diagnose_input: p {}, points {}, loss {} and least_loss {}: p must be positive, the others not negative", options.p, options.points,
          options.loss, options.least_loss);
  require(!inputs.empty() && inputs[0] >= 0 && static_cast<std::size_t>(inputs[0]) < model.values.size(), Errc::shape,
          "diagnose_input: the model has no input");
  const Shape& wanted = model.values[static_cast<std::size_t>(inputs[0])].shape;
  require(images.shape() == wanted, Errc::shape, "diagnose_input: images have shape {}, the model's input has {}; resize them, or transpose [C,H,W] to [H,W,C]",
          images.shape(), wanted);
  if (const std::string fault = model.input_fingerprints[0].fault(wanted); !fault.empty()) {
    fail(Errc::range, "diagnose_input: the model's fingerprint cannot be: {}", fault);
  }
  const Dataset sample = random_subset(images, options.images, options.seed);
  return detail::InputSearch(model, sample, options).run();
}

STET_ENTRY std::string InputDiagnosis::str() const {
  std::string text;
  if (healthy()) {
    return formatted("input: as in calibration (mean {:.3g}, deviation {:.3g}; calibration {:.3g}, {:.3g}); {:.2f} % right of {} images\n",
                     seen.mean, seen.sd, calibrated.mean, calibrated.sd, 100 * accuracy, images);
  }
  if (causes.empty()) {
    text = formatted("input: differs from calibration's, and no fault that is known explains it; {:.2f} % right of {} images\n",
                     100 * accuracy, images);
  }
  double before = accuracy;
  for (const TriedInput& c : causes) {
    text += formatted("input: the images {} ({}): {:.2f} % right, {:.2f} % without that\n  remedy: {}\n", c.what, c.id, 100 * before,
                      100 * c.accuracy, c.remedy);
    before = c.accuracy;
  }
  for (const InputStatistic& s : statistics) {
    if (s.off()) text += formatted("  {}: {:.4g}, in calibration {:.4g}, healthy {:.4g} to {:.4g}\n", s.name, s.seen, s.calibrated, s.low, s.high);
  }
  text += formatted("  levels: {}, in calibration {}\n", seen.levels, calibrated.levels);
  return text;
}
#endif

}  // namespace stet
