#pragma once
// ada_round: weights of a calibrated model, whose rounding up or down is learned so that each layer's output comes closest to
// the float network's.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/ada_round_codes.hpp>
#include <stet/passes/rounding_data.hpp>
#include <stet/train/progress.hpp>

#include <cstdint>

#if STET_DEFINE_ENTRIES
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_windows.hpp>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>
#endif

namespace stet {

/// Which data ada_round looks at, what it comes close to and how it learns.
struct AdaRoundOptions {
  RoundingData data{};
  AdaRoundLearning learning{};
  std::int64_t windows = 16384;  ///< drawn per layer, from all images; all are held in memory, in float
  bool asymmetric = true;  ///< close to what the layer makes in the float network, so that it also makes good what those before
                           ///< it lost; false: to what its own float weights make of the codes that it reads
  ProgressMode progress = ProgressMode::automatic;
};

/// Learns the rounding of the weights of convolutions and linear layers (ada_round_codes), layer by layer: each reads the
/// codes that the layers before it make with their rounded weights. The weights become multiples of their scales, which
/// are kept as they were (fix_weight_scale), so that convert and training go on from these codes. Biases and batch norm stay.
/// Formula:   per output channel, over all windows x of the images: |act(q x) - act(w x')|^2, batch norm included, is never
///            larger than with the nearest codes: a channel where it would be keeps these
/// Rounding:  every code is floor or ceil of w/s, inside the grid
/// Errors:    Errc::state if a range is missing or there are no data; Errc::unsupported if the recipe simulates its codes, or
///            weights are binary; Errc::range if an option is impossible, a layer does not exist or a value is not finite;
///            nothing is changed then
/// Source:    Nagel 2020, AdaRound, arXiv 2004.10568
STET_ENTRY void ada_round(QatModel& qat, const Dataset& data, const AdaRoundOptions& options = {});
#if STET_DEFINE_ENTRIES
namespace detail {

inline Tensor<std::int8_t> nearest_codes(const LayerSteps& l) {
  Tensor<std::int8_t> codes(l.steps.shape());
  const std::span<std::int8_t> to = codes.edit();
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    const double v = std::clamp(round_half_even(static_cast<double>(l.steps[i])), static_cast<double>(l.grid.lo), static_cast<double>(l.grid.hi));
    to[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(v);
  }
  return codes;
}

// Learns the codes of one layer; tells how much of its steps is done, 0 to 1.
inline Tensor<std::int8_t> learned_codes(const LayerSteps& l, const LayerGoals& goals, const AdaRoundLearning& learning, FunctionRef<void(double done)> progress) {
  const LayerMatrix& m = goals.matrix;
  std::vector<Tensor<float>> rows;
  std::vector<RoundingLearner> learners;
  std::vector<std::pair<std::int64_t, std::int64_t>> blocks;  // learner and its block
  for (std::int64_t g = 0; g < m.groups; ++g) rows.push_back(group_rows(m, l.steps, g, false));
  for (std::int64_t g = 0; g < m.groups; ++g) {
    const auto at = static_cast<std::size_t>(g);
    check_goal(goals.of_group[at], rows[at]);
    learners.emplace_back(goals.of_group[at], rows[at], l.grid, learning);
    for (std::int64_t b = 0; b < learners.back().blocks(); ++b) blocks.emplace_back(g, b);
  }
  std::vector<Tensor<std::int8_t>> found(learners.size(), Tensor<std::int8_t>(Shape{m.outputs, m.depth}));
  std::vector<std::int8_t*> to;
  for (Tensor<std::int8_t>& f : found) to.push_back(f.edit().data());
  constexpr std::int64_t parts = 20;  // after each, threads wait for each other
  for (std::int64_t p = 0; p < parts; ++p) {
    const Chunk steps = chunk_of(learning.iterations, parts, p);
    parallel(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t i) {
      const auto [g, b] = blocks[static_cast<std::size_t>(i)];
      RoundingLearner& learner = learners[static_cast<std::size_t>(g)];
      if (p == 0) learner.begin(b);
      learner.run(b, steps.first, steps.last);
      if (p == parts - 1) learner.finish(b, to[static_cast<std::size_t>(g)]);
    });
    progress(static_cast<double>(p + 1) / static_cast<double>(parts));
  }
  Tensor<std::int8_t> codes(l.steps.shape());
  const std::span<std::int8_t> out = codes.edit();
  for (std::int64_t g = 0; g < m.groups; ++g) {
    for (std::int64_t i = 0; i < m.outputs * m.depth; ++i) {
      out[static_cast<std::size_t>(m.offset(g, i / m.depth, i % m.depth))] = found[static_cast<std::size_t>(g)][i];
    }
  }
  return codes;
}

// Codes of one layer: per channel the learned ones, or the nearest if these are no worse over all windows.
struct RoundedLayer {
  Tensor<std::int8_t> codes{};
  double error = 0, nearest = 0;  // over all windows
};

inline RoundedLayer better_channels(const LayerSteps& l, const Tensor<std::int8_t>& nearest, const Tensor<std::int8_t>& learned, const std::vector<std::vector<double>>& errors) {
  RoundedLayer r{learned, 0, 0};
  const std::span<std::int8_t> out = r.codes.edit();
  for (std::int64_t i = 0; i < nearest.size(); ++i) {
    const auto c = static_cast<std::size_t>(l.channel.index(i));
    if (!(errors[1][c] < errors[0][c])) out[static_cast<std::size_t>(i)] = nearest[i];
  }
  for (std::size_t c = 0; c < errors[0].size(); ++c) {
    r.nearest += errors[0][c];
    r.error += std::min(errors[0][c], errors[1][c]);
  }
  return r;
}

}  // namespace detail

STET_ENTRY void ada_round(QatModel& qat, const Dataset& data, const AdaRoundOptions& options) {
  const std::vector<const Unit*> units = detail::layers_to_round("ada_round", qat, data, options.data);
  options.learning.check("ada_round");
  require(options.windows >= 1, Errc::range, "ada_round: windows is {}, must be at least 1", options.windows);
  QatModel work = qat;  // an error on the way leaves qat as it was
  Model original = qat.model();
  std::int64_t all = 0;
  for (const Unit* unit : units) all += qat.model().parameter(qat.node_name(unit->node) + ".weight").value.size();
  Progress progress("ada_round", 1, all, options.progress, stderr, false);
  std::vector<std::pair<detail::LayerSteps, Tensor<std::int8_t>>> chosen;
  std::int64_t done = 0;
  double parts = 0;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  for (const Unit* unit : units) {
    detail::LayerSteps layer = detail::layer_steps(work, *unit);
    const detail::LayerTarget target{&original, options.asymmetric};
    const detail::LayerGoals goals = detail::draw_goals(work, *unit, layer, target, data, options.data, options.windows);
    const std::int64_t weights = layer.steps.size();
    const Tensor<std::int8_t> found = detail::learned_codes(layer, goals, options.learning, [&](double d) {
      progress.update(0, done + static_cast<std::int64_t>(d * 0.9 * static_cast<double>(weights)), none, none);
    });
    const std::vector<Tensor<std::int8_t>> both{detail::nearest_codes(layer), found};
    const detail::RoundedLayer r = detail::better_channels(layer, both[0], both[1], detail::channel_errors(work, *unit, layer, target, data, options.data, both));
    detail::set_codes(work, *unit, layer, r.codes);
    done += weights;
    parts += r.nearest > 0 ? r.error / r.nearest : 1.0;
    chosen.emplace_back(std::move(layer), r.codes);
  }
  for (std::size_t i = 0; i < units.size(); ++i) detail::set_codes(qat, *units[i], chosen[i].first, chosen[i].second);
  progress.finish_epoch(0, none, none, formatted("{} layers, {:.2f} of the error of nearest codes", units.size(), parts / static_cast<double>(units.size())));
}
#endif

}  // namespace stet
