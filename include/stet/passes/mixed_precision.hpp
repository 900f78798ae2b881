#pragma once
// Mixed precision: how many bits each layer's weights get, so that the loss is least for what they may cost.

#include <stet/core/entry.hpp>
#include <stet/passes/layer_sensitivity.hpp>
#include <stet/passes/post_training.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/passes/override_weights.hpp>
#include <stet/train/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#endif

namespace stet {

/// What a layer costs with so many bits for its weights.
using PrecisionCost = std::function<double(const LayerSensitivity& layer, int bits)>;

/// Bytes of the weights as files hold them: codes of 3 bits take 4, of 5 to 7 bits 8.
inline double weight_bytes(const LayerSensitivity& layer, int bits) {
  const int stored = bits <= 2 ? 2 : bits <= 4 ? 4 : 8;
  return static_cast<double>((layer.weights * stored + 7) / 8);
}
/// Multiply-adds times the bits of both factors: the time of hardware that is faster the narrower they are. stet's engine,
/// LiteRT and ONNX Runtime multiply 8-bit codes whatever their width.
inline double bit_operations(const LayerSensitivity& layer, int bits) {
  return static_cast<double>(layer.multiply_adds) * bits * layer.activation_bits;
}

/// One way to spend bits: a width for every layer.
struct PrecisionChoice {
  std::vector<int> bits{};  ///< one per layer
  double cost = 0;
  double loss = 0;  ///< what the layers add one by one, summed: a prediction
  std::optional<double> measured_accuracy{}, measured_loss{};  ///< of the deployed integers, by measure_choices
};

/// The choices that no other beats in both cost and loss, by rising cost.
struct PrecisionFrontier {
  std::vector<LayerSensitivity> layers{};
  std::vector<int> bits{};  ///< widths, as in SensitivityOptions
  std::vector<PrecisionChoice> choices{};

  /// The choice of least loss that costs no more.
  /// Errors:    Errc::range if all cost more, with what the cheapest does
  [[nodiscard]] const PrecisionChoice& within(double budget) const;
  /// Positions of `rows` choices, evenly spread over their cost, the cheapest and the dearest among them, and of all that were measured.
  [[nodiscard]] std::vector<std::size_t> shown(std::size_t rows) const;
  /// Those choices as a table; as a picture: save_html (stet/diagnose/html_precision.hpp).
  [[nodiscard]] std::string str(std::size_t rows = 12) const;
};

/// Finds the frontier by dynamic programming over the layers, exactly as long as no more than 4096 choices of the layers so
/// far are on it; beyond, the best of each 4096th of the cost is kept.
/// Formula:   minimize sum over layers of loss(layer, bits) for every bound on the sum of cost(layer, bits)
/// Errors:    Errc::range if there are no layers, they do not have one loss per width, or a cost is negative or not finite; Errc::state if
///            the cost has no function
/// Source:    a multiple-choice knapsack, as Dong 2020, HAWQ-V2, arXiv 1911.03852, states the choice of widths
STET_ENTRY PrecisionFrontier precision_frontier(std::vector<LayerSensitivity> layers, const std::vector<int>& bits,
                                                const PrecisionCost& cost = weight_bytes);
/// The recipe with the widths of a choice as overrides, which leave alone what an override says of activations.
/// Errors:    Errc::shape if the choice has another number of layers; Errc::range if it has a width that the frontier has not
STET_ENTRY Recipe with_precision(Recipe recipe, const PrecisionFrontier& frontier, const PrecisionChoice& choice);
/// Quantizes with `count` of the choices, evenly spread, evaluates what is deployed, and keeps in the frontier what was found.
/// Errors:    Errc::range if count is not positive or there are no choices; Errc::state without labels; as calibrated and evaluate
STET_ENTRY void measure_choices(PrecisionFrontier& frontier, const Model& model, const Recipe& recipe, const Dataset& calibration,
                                const Dataset& validation, std::size_t count = 8, const QuantizeOptions& options = {});
#if STET_DEFINE_ENTRIES
namespace detail {

// A width for each of the layers so far, as a step from a state of one layer less.
struct PrecisionState {
  double cost = 0, loss = 0;
  std::size_t before = 0, width = 0;
};

// Leaves the states that no other beats, by rising cost and falling loss.
inline std::vector<PrecisionState> undominated(std::vector<PrecisionState> states, std::size_t most) {
  std::stable_sort(states.begin(), states.end(), [](const PrecisionState& a, const PrecisionState& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss;
  });
  std::vector<PrecisionState> kept;
  for (const PrecisionState& s : states) {
    if (kept.empty() || s.loss < kept.back().loss) kept.push_back(s);
  }
  if (kept.size() <= most) return kept;
  const double from = kept.front().cost, width = (kept.back().cost - from) / static_cast<double>(most - 1);
  std::vector<PrecisionState> thinned{kept.front()};
  for (std::size_t i = 1; i < kept.size(); ++i) {
    const auto bin = [&](const PrecisionState& s) { return std::floor((s.cost - from) / width); };
    // Loss falls along the row: the last of a bin is its best. The cheapest of all stays.
    if (thinned.size() > 1 && bin(thinned.back()) == bin(kept[i])) thinned.pop_back();
    thinned.push_back(kept[i]);
  }
  return thinned;
}

// `count` of `size` positions, evenly spread, both ends among them.
inline std::vector<std::size_t> evenly(std::size_t size, std::size_t count) {
  std::vector<std::size_t> at;
  if (count >= size) count = size;
  for (std::size_t i = 0; i < count; ++i) at.push_back(count == 1 ? size - 1 : i * (size - 1) / (count - 1));
  return at;
}

// The same over their cost: the position whose cost is nearest to each of so many even steps.
inline std::vector<std::size_t> evenly_by_cost(const std::vector<PrecisionChoice>& choices, std::size_t count) {
  if (choices.size() <= count) return evenly(choices.size(), count);
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < count; ++i) {
    const double part = count == 1 ? 1.0 : static_cast<double>(i) / static_cast<double>(count - 1);
    const double wanted = choices.front().cost + part * (choices.back().cost - choices.front().cost);
    std::size_t best = 0;
    for (std::size_t k = 1; k < choices.size(); ++k) {
      if (std::abs(choices[k].cost - wanted) < std::abs(choices[best].cost - wanted)) best = k;
    }
    if (at.empty() || at.back() != best) at.push_back(best);
  }
  return at;
}

}  // namespace detail

STET_ENTRY PrecisionFrontier precision_frontier(std::vector<LayerSensitivity> layers, const std::vector<int>& bits, const PrecisionCost& cost) {
  require(!layers.empty(), Errc::range, "precision_frontier: no layers to choose widths for; are all named in overrides?");
  require(!bits.empty(), Errc::range, "precision_frontier: no widths to choose from");
  require(static_cast<bool>(cost), Errc::state, "precision_frontier: the cost is an empty function; leave it out for weight_bytes");
  constexpr std::size_t most = 4096;
  std::vector<std::vector<detail::PrecisionState>> rows{{detail::PrecisionState{}}};
  for (const LayerSensitivity& layer : layers) {
    require(layer.loss.size() == bits.size() && layer.schemes.size() == bits.size(), Errc::range,
            "precision_frontier: {} has {} losses for {} widths; take them from one call of layer_sensitivity", layer.layer, layer.loss.size(), bits.size());
    std::vector<detail::PrecisionState> next;
    for (std::size_t b = 0; b < bits.size(); ++b) {
      const double price = cost(layer, bits[b]);
      require(std::isfinite(price) && price >= 0.0 && std::isfinite(layer.loss[b]), Errc::range,
              "precision_frontier: {} costs {} and adds loss {} at {} bits; both must be finite, the cost not negative", layer.layer, price,
              layer.loss[b], bits[b]);
      for (std::size_t s = 0; s < rows.back().size(); ++s) {
        next.push_back({rows.back()[s].cost + price, rows.back()[s].loss + layer.loss[b], s, b});
      }
    }
    rows.push_back(detail::undominated(std::move(next), most));
  }
  PrecisionFrontier frontier{std::move(layers), bits, {}};
  for (const detail::PrecisionState& end : rows.back()) {
    PrecisionChoice choice{std::vector<int>(frontier.layers.size()), end.cost, end.loss, {}, {}};
    const detail::PrecisionState* state = &end;
    for (std::size_t l = frontier.layers.size(); l-- > 0;) {
      choice.bits[l] = bits[state->width];
      state = &rows[l][state->before];
    }
    frontier.choices.push_back(std::move(choice));
  }
  return frontier;
}

STET_ENTRY const PrecisionChoice& PrecisionFrontier::within(double budget) const {
  require(!choices.empty() && choices.front().cost <= budget, Errc::range,
          "PrecisionFrontier: nothing costs no more than {}; the cheapest choice costs {}", budget,
          choices.empty() ? std::numeric_limits<double>::quiet_NaN() : choices.front().cost);
  const auto beyond = std::find_if(choices.begin(), choices.end(), [&](const PrecisionChoice& c) { return c.cost > budget; });
  return *(beyond - 1);
}

STET_ENTRY std::vector<std::size_t> PrecisionFrontier::shown(std::size_t rows) const {
  std::vector<std::size_t> shown = detail::evenly_by_cost(choices, rows);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].measured_loss) shown.push_back(i);
  }
  std::sort(shown.begin(), shown.end());
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

STET_ENTRY std::string PrecisionFrontier::str(std::size_t rows) const {
  std::string text = "| cost | predicted loss | measured loss | accuracy | bits of ";
  for (std::size_t l = 0; l < layers.size(); ++l) text += (l == 0 ? "" : ", ") + layers[l].layer;
  text += " |\n|---|---|---|---|---|\n";
  for (const std::size_t i : shown(rows)) {
    const PrecisionChoice& c = choices[i];
    text += formatted("| {:.0f} | {:.4f} | {} | {} | ", c.cost, c.loss, c.measured_loss ? formatted("{:.4f}", *c.measured_loss) : std::string("-"),
                      c.measured_accuracy ? formatted("{:.2f} %", 100.0 * *c.measured_accuracy) : std::string("-"));
    for (std::size_t l = 0; l < c.bits.size(); ++l) text += formatted("{}{}", l == 0 ? "" : " ", c.bits[l]);
    text += " |\n";
  }
  return text;
}

STET_ENTRY Recipe with_precision(Recipe recipe, const PrecisionFrontier& frontier, const PrecisionChoice& choice) {
  require(choice.bits.size() == frontier.layers.size(), Errc::shape, "with_precision: {} widths for {} layers", choice.bits.size(),
          frontier.layers.size());
  for (std::size_t l = 0; l < choice.bits.size(); ++l) {
    const LayerSensitivity& layer = frontier.layers[l];
    const auto width = std::find(frontier.bits.begin(), frontier.bits.end(), choice.bits[l]);
    require(width != frontier.bits.end(), Errc::range, "with_precision: {} bits for {} are not among the widths of the frontier", choice.bits[l],
            layer.layer);
    detail::override_weights(recipe, layer.layer, layer.schemes[static_cast<std::size_t>(width - frontier.bits.begin())]);
  }
  return recipe;
}

STET_ENTRY void measure_choices(PrecisionFrontier& frontier, const Model& model, const Recipe& recipe, const Dataset& calibration,
                                const Dataset& validation, std::size_t count, const QuantizeOptions& options) {
  require(count > 0, Errc::range, "measure_choices: count must be positive");
  detail::require_one_output("measure_choices", model.graph());
  require(!frontier.choices.empty(), Errc::range, "measure_choices: the frontier has no choices; make it by precision_frontier");
  require(validation.has_labels(), Errc::state, "measure_choices: data set {} has no labels; choices are compared by their answers", validation.name());
  for (const std::size_t i : detail::evenly_by_cost(frontier.choices, count)) {
    PrecisionChoice& c = frontier.choices[i];
    // The engine computes the same.
    const Evaluation e = evaluate(calibrated(model, with_precision(recipe, frontier, c), calibration, options), validation);
    c.measured_accuracy = e.accuracy;
    c.measured_loss = e.loss;
  }
}
#endif

}  // namespace stet
