#pragma once
// choose_ranges: the observer and the ranges of weights with which the quantized network answers most like the float one.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/passes/post_training.hpp>
#include <stet/passes/rounding_data.hpp>
#include <stet/qat/recipe.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/qat_forward.hpp>
#include <stet/passes/override_weights.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/train/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#endif

namespace stet {

/// What choose_ranges tries, and how it measures.
struct ChooseRangesOptions {
  std::vector<AnyObserver> observers{};  ///< of activations, beside the recipe's own; empty: range_observers()
  std::vector<WeightRange> weights{WeightRange::absmax, WeightRange::mse};  ///< of symmetric weights
  bool per_layer = true;                 ///< then layer by layer, for weights of less than 8 bits
  RoundingData data{};                   ///< images on which answers are compared; its layers: those that are tried alone
  QuantizeOptions quantize{};            ///< passes and calibration with which each is measured: those of deployment
};

/// One set of ranges, and how far the answers with it are from the float network's.
struct RangeTrial {
  std::string what{};
  double divergence = 0;
  bool taken = false;
};
struct ChooseRangesReport {
  std::vector<RangeTrial> trials{};

  [[nodiscard]] std::string str() const;
};

/// Observers that choose_ranges tries where its options name none: the two of the recipes, the smallest and largest value, and
/// 99.99 percent.
STET_ENTRY std::vector<AnyObserver> range_observers();

/// The recipe with the ranges that measure best: first of all weights, then the observer of activations, then of each layer's
/// weights (as overrides), each kept if the network that quantize makes diverges less from the float one on the data. The least
/// error of the weights or values themselves does not say that (docs/observers.md). What it returns is never worse than the
/// recipe given, on these data. Each trial calibrates, and runs the passes and the data, once.
/// Formula:   divergence = mean over images of sum p (log p - log q), p and q the softmax of the float and the quantized logits,
///            those of several outputs added
/// Errors:    Errc::state if the data are empty; Errc::range if an option is impossible or a layer does not exist; as calibrated
STET_ENTRY Recipe choose_ranges(const Model& model, const Recipe& recipe, const Dataset& data, const ChooseRangesOptions& options = {},
                                ChooseRangesReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string ChooseRangesReport::str() const {
  std::string text;
  for (const RangeTrial& t : trials) text += formatted("{}: divergence {:.4g}{}\n", t.what, t.divergence, t.taken ? ", taken" : "");
  return text;
}

STET_ENTRY std::vector<AnyObserver> range_observers() {
  return {MedianObserver<MseObserver>{}, MseObserver{}, MinMaxObserver{}, PercentileObserver(Granularity::per_tensor(), 99.99)};
}

namespace detail {

// Probabilities of rows of logits, in double, of all outputs one after the other.
inline std::vector<double> log_softmax_rows(const std::vector<Tensor<float>>& outputs) {
  std::vector<double> rows;
  for (const Tensor<float>& logits : outputs) {
    const std::int64_t classes = logits.shape().back();
    for (std::int64_t i = 0; i < logits.size(); ++i) {
      const std::int64_t first = i - i % classes;
      rows.push_back(-cross_entropy_of(logits.span().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(classes)), static_cast<int>(i % classes)));
    }
  }
  return rows;
}

// Measures recipes against a float model on the same images.
class Divergence {
 public:
  Divergence(const Model& model, const Dataset& data, const ChooseRangesOptions& o)
      : model_(model), data_(data), options_(o), batches_(data.size(), {.size = o.data.batch, .seed = o.data.seed, .images = o.data.images, .even = true}, 0) {
    for (std::int64_t i = 0; i < batches_.size(); ++i) wanted_.push_back(log_softmax_rows(infer(model, data.batch(batches_[i]).inputs())));
  }

  [[nodiscard]] double operator()(const Recipe& recipe) const {
    const QatModel qat = calibrated(model_, recipe, data_, options_.quantize);
    double sum = 0;
    std::int64_t images = 0;
    for (std::int64_t i = 0; i < batches_.size(); ++i) {
      const Batch batch = data_.batch(batches_[i]);
      const std::vector<double> is = log_softmax_rows(infer(qat, batch.inputs()));
      const std::vector<double>& p = wanted_[static_cast<std::size_t>(i)];
      for (std::size_t k = 0; k < p.size(); ++k) sum += std::exp(p[k]) * (p[k] - is[k]);
      images += batch.size();
    }
    return sum / static_cast<double>(images);
  }

 private:
  const Model& model_;
  const Dataset& data_;
  const ChooseRangesOptions& options_;
  Batches batches_;
  std::vector<std::vector<double>> wanted_{};
};

inline const char* range_name(WeightRange range) { return range == WeightRange::mse ? "least squared error" : "absmax"; }

// The same weights with another range; nothing if they are not symmetric integers of 2 bits and more, or have this one.
inline std::optional<AnyScheme> with_range(const AnyScheme& scheme, WeightRange range) {
  const bool is_mse = scheme.traits().keeps_scale;
  const AnyScheme absmax = scheme.bits() >= 2 && scheme.bits() <= 8 ? symmetric(scheme.bits(), scheme.per_channel()) : AnyScheme();
  const AnyScheme mse = scheme.bits() >= 2 && scheme.bits() <= 8 ? symmetric(scheme.bits(), scheme.per_channel(), WeightRange::mse) : AnyScheme();
  if (scheme.describe() != (is_mse ? mse : absmax).describe() || is_mse == (range == WeightRange::mse)) return std::nullopt;
  return range == WeightRange::mse ? mse : absmax;
}

}  // namespace detail

STET_ENTRY Recipe choose_ranges(const Model& model, const Recipe& recipe, const Dataset& data, const ChooseRangesOptions& options, ChooseRangesReport* report) {
  const QatModel plan = prepare(model, recipe);  // says what the recipe cannot do before anything is measured
  const RoundingData& d = options.data;
  require(data.size() > 0, Errc::state, "choose_ranges: the data set is empty");
  require(d.images >= 0 && d.batch > 0, Errc::range, "choose_ranges: needs a positive batch and images (0 is all), got {} and {}", d.batch, d.images);
  for (const std::string& layer : d.layers) {
    const bool found = std::any_of(plan.units().begin(), plan.units().end(), [&](const Unit& u) { return u.has_weights() && plan.node_name(u.node) == layer; });
    require(found, Errc::range, "choose_ranges: no layer with integer weights is named {}", layer);
  }
  ChooseRangesReport unread;
  ChooseRangesReport& said = report == nullptr ? unread : *report;
  const detail::Divergence divergence(model, data, options);
  Recipe best = recipe;
  double least = divergence(best);
  said.trials.push_back({"the recipe as it is", least, true});
  const auto attempt = [&](std::string what, const Recipe& other) {
    const double got = divergence(other);
    said.trials.push_back({std::move(what), got, got < least});
    if (!(got < least)) return;
    best = other;
    least = got;
  };
  for (const WeightRange range : options.weights) {
    Recipe other = best;
    const std::optional<AnyScheme> weights = detail::with_range(best.weights, range), linear = detail::with_range(best.linear_weights, range);
    if (weights) other.weights = *weights;
    if (linear) other.linear_weights = *linear;
    if (weights || linear) attempt(formatted("weights by {}", detail::range_name(range)), other);
  }
  for (const AnyObserver& observer : options.observers.empty() ? range_observers() : options.observers) {
    if (observer.describe() == best.calibration_observer.describe()) continue;
    Recipe other = best;
    other.calibration_observer = observer;
    attempt(formatted("activations by {}", observer.describe()), other);
  }
  if (!options.per_layer) return best;
  const QatModel whole = prepare(model, best);
  for (const Unit& unit : whole.units()) {
    const std::string& name = plan.node_name(unit.node);
    const bool named = d.layers.empty() || std::find(d.layers.begin(), d.layers.end(), name) != d.layers.end();
    if (!unit.has_weights() || unit.weights.bits() >= 8 || !named) continue;
    for (const WeightRange range : options.weights) {
      const std::optional<AnyScheme> weights = detail::with_range(unit.weights, range);
      if (!weights) continue;
      Recipe other = best;
      detail::override_weights(other, name, *weights);
      attempt(formatted("weights of {} by {}", name, detail::range_name(range)), other);
    }
  }
  return best;
}
#endif

}  // namespace stet
