#pragma once
// find_learning_rate: the loss while the learning rate rises from step to step, to choose one by.

#include <stet/core/text.hpp>
#include <stet/train/fit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace stet {

/// Which rates are tried.
struct LearningRateSearch {
  double lowest = 1e-6, highest = 1;
  int steps = 100;         ///< one batch each
  double smoothing = 0.9;  ///< share of what was before in the smoothed loss, 0 to below 1
  double diverged = 4;     ///< the search ends where the smoothed loss is so many times the lowest one
};

/// The loss over the rate.
struct LearningRateCurve {
  std::vector<double> rates{}, losses{}, smoothed{};  ///< of every step that was taken
  double suggested = std::numeric_limits<double>::quiet_NaN();  ///< where the smoothed loss falls steepest; not a number if it never falls
  bool diverged = false;                                        ///< whether the search ended before the highest rate

  /// The rate with the lowest smoothed loss: the end of what is of use.
  [[nodiscard]] double of_lowest_loss() const {
    const auto lowest = std::min_element(smoothed.begin(), smoothed.end());
    return lowest == smoothed.end() ? std::numeric_limits<double>::quiet_NaN() : rates[static_cast<std::size_t>(lowest - smoothed.begin())];
  }
  /// A table with a picture: some twenty rates, their smoothed losses and bars of it; the suggested rate is marked.
  [[nodiscard]] std::string str() const {
    std::string text = formatted("{:>12} {:>10}\n", "rate", "loss");
    const std::size_t every = std::max<std::size_t>(1, rates.size() / 20);
    double least = std::numeric_limits<double>::infinity(), most = 0;
    for (std::size_t i = 0; i < smoothed.size(); ++i) {
      least = std::min(least, smoothed[i]);
      if (i < 1 || smoothed[i] <= smoothed.front()) most = std::max(most, smoothed[i]);
    }
    bool marked = false;
    for (std::size_t i = 0; i < rates.size(); i += every) {
      const double part = most > least ? std::clamp((smoothed[i] - least) / (most - least), 0.0, 1.0) : 0.0;
      const bool here = !marked && i + every > 0 && rates[std::min(i + every, rates.size()) - 1] >= suggested;
      marked = marked || here;
      text += formatted("{:12.3g} {:10.4f} {}{}\n", rates[i], smoothed[i], std::string(static_cast<std::size_t>(part * 40 + 0.5), '#'),
                        here ? "  <- suggested" : "");
    }
    text += std::isnan(suggested) ? std::string("the loss does not fall at any of these rates; look at data and loss, or search others\n")
                                  : formatted("suggested rate: {:.3g}; the loss is lowest at {:.3g}{}\n", suggested, of_lowest_loss(),
                                              diverged ? ", and diverges behind that" : "");
    return text;
  }
};

namespace detail {

// The schedule of a search: rates that grow by one factor from step to step, whatever the length of the run.
struct RisingRate {
  double base = 1, lowest = 0, highest = 1;
  int steps = 1;

  [[nodiscard]] double rate(std::int64_t step) const {
    const double part = steps > 1 ? static_cast<double>(std::min<std::int64_t>(step, steps - 1)) / static_cast<double>(steps - 1) : 0.0;
    return lowest * std::pow(highest / lowest, part);
  }
  [[nodiscard]] double at(std::int64_t step, std::int64_t) const { return rate(step) / base; }
};

// Adds the loss of a step; whether the search is over with it.
inline bool add_loss(LearningRateCurve& curve, const LearningRateSearch& search, double rate, double loss) {
  curve.rates.push_back(rate);
  curve.losses.push_back(loss);
  // The running mean less its start at 0, as in Adam.
  double mean = 0, weight = 0;
  for (const double x : curve.losses) {
    mean = search.smoothing * mean + (1 - search.smoothing) * x;
    weight = search.smoothing * weight + (1 - search.smoothing);
  }
  curve.smoothed.push_back(mean / weight);
  const double lowest = *std::min_element(curve.smoothed.begin(), curve.smoothed.end());
  curve.diverged = curve.smoothed.size() > 3 && lowest > 0 && curve.smoothed.back() > search.diverged * lowest;
  return curve.diverged || static_cast<int>(curve.rates.size()) >= search.steps;
}

// Where the smoothed loss falls steepest before it is lowest, by the logarithm of the rate, over two steps.
inline double steepest(const LearningRateCurve& curve) {
  const auto lowest = static_cast<std::size_t>(std::min_element(curve.smoothed.begin(), curve.smoothed.end()) - curve.smoothed.begin());
  double best = 0, rate = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 1; i + 1 < curve.smoothed.size() && i <= lowest; ++i) {
    const double fall = curve.smoothed[i - 1] - curve.smoothed[i + 1];  // all steps are alike in the logarithm
    if (fall <= best) continue;
    best = fall;
    rate = curve.rates[i];
  }
  return rate;
}

}  // namespace detail

/// Trains a copy of a model on one batch after the other while the learning rate rises, and says where the loss falls steepest.
/// The model is as it was afterwards. A quantized one must be calibrated, and trains as at the beginning of its schedule.
///
///   const LearningRateCurve curve = find_learning_rate(model, data, options);
///   fmt::print("{}", curve.str());
///   options.optimizer = Adam{.lr = curve.suggested};
///
/// Of the options those count that say how a step is taken: optimizer (its rule, not its rate), batch, loss and losses, rates,
/// augment, clip_norm, label_smoothing, seed. Schedule, validation, checkpoint, log and callbacks do not.
/// Formula:   rate of step i = lowest * (highest / lowest)^(i / (steps - 1)); smoothed loss: a running mean, b = smoothing,
///            s[i] = b * s[i-1] + (1-b) * loss[i], over 1 - b^(i+1)
/// Errors:    Errc::range if an option of the search is impossible, or already the first steps diverge; those of fit
/// Source:    Smith 2017, arXiv 1506.01186, section 3.3
template <Trainable M>
LearningRateCurve find_learning_rate(const M& model, const Dataset& data, const FitOptions& options = {}, const LearningRateSearch& search = {}) {
  require(search.lowest > 0 && search.lowest < search.highest && std::isfinite(search.highest), Errc::range,
          "find_learning_rate: rates from {} to {}; they must be positive and rise", search.lowest, search.highest);
  require(search.steps >= 10, Errc::range, "find_learning_rate: {} steps, must be at least 10", search.steps);
  require(search.smoothing >= 0 && search.smoothing < 1, Errc::range, "find_learning_rate: smoothing is {}, must be from 0 to below 1", search.smoothing);
  require(search.diverged > 1, Errc::range, "find_learning_rate: diverged is {}, must be above 1", search.diverged);
  const double base = options.optimizer.lr();
  require(base > 0, Errc::range, "find_learning_rate: the optimizer has the learning rate {}; give it a positive one, it is replaced", base);
  FitOptions o;
  o.batch = options.batch;
  o.optimizer = options.optimizer;
  o.seed = options.seed;
  o.label_smoothing = options.label_smoothing;
  o.clip_norm = options.clip_norm;
  o.loss = options.loss;
  o.losses = options.losses;
  o.rates = options.rates;
  o.augment = options.augment;
  o.drop_last = options.drop_last;
  o.progress = ProgressMode::quiet;
  o.monitor.on = false;
  const detail::RisingRate rising{base, search.lowest, search.highest, search.steps};
  o.schedule = rising;
  // A run so long that what is tried is its beginning.
  const std::int64_t steps = steps_per_epoch(data.size(), detail::batches_of(o));
  o.epochs = static_cast<int>(std::max<std::int64_t>(options.epochs, 20 * ((search.steps - 1) / steps + 1)));
  LearningRateCurve curve;
  o.stop_in_epoch = [&](const StepReport& step) { return detail::add_loss(curve, search, rising.rate(step.step), step.loss); };
  M copy = model;
  try {
    fit(copy, data, o);
  } catch (const Error& e) {
    // Numbers that are none: the rate is too high by far. Before any step was taken it is a fault of the call.
    if (e.code() != Errc::range || curve.rates.size() < 3) throw;
    curve.diverged = true;
  }
  curve.suggested = detail::steepest(curve);
  return curve;
}

}  // namespace stet
