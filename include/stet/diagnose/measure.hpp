#pragma once
// Measurements of a quantized network on data: they explain a loss that interventions have found, and decide nothing.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/qat_model.hpp>

#include <cstdint>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/data/batches.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/lower.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#endif

namespace stet {

/// Healthy values, of three networks and nine models without a fault, and where suspicion begins (docs/why.md).
struct HealthyRanges {
  double most_reach = 8.0, least_reach = 0.9;  ///< range / p99.9: healthy 1.6 to 2.3
  double clipped = 0.01;                       ///< part of the values: healthy at most 0.0012
  double largest_to_second = 2.0;              ///< image: healthy at most 1.07
  double disparity = 15.0;                     ///< largest channel / median: healthy 2.8 to 4.2
  double drift = 0.1;                          ///< of batch norm, in standard deviations: healthy at most 0.014
  double sqnr = 25.0;                          ///< dB, 8 bits: healthy 36 to 40
};

/// What the images of a data set look like to a network.
struct InputStatistics {
  double mean = 0, sd = 0, least = 0, most = 0;
  std::int64_t images = 0;
};

/// Mean, standard deviation and extremes of a sample of the images; sd of all numbers together.
/// Errors:    Errc::state if the data are empty; Errc::range if an option is impossible
STET_ENTRY InputStatistics input_statistics(const Dataset& data, const CalibrateOptions& sample = {});

/// Every value of the deployed network on a sample of data: range in use, values that came, what is cut, how large the error
/// of rounding is; of layers the disparity of channels, of batch norms how far the data are from the running mean. Nothing
/// of the model moves. Losses alone are for localize().
/// Errors:    Errc::state if a range is missing or the data are empty
STET_ENTRY std::vector<DiagnosedNode> measure_nodes(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample = {});

#if STET_DEFINE_ENTRIES
STET_ENTRY InputStatistics input_statistics(const Dataset& data, const CalibrateOptions& sample) {
  const Batches batches = detail::sample_of("input_statistics", data, sample);
  InputStatistics s{0, 0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0};
  double sum = 0, squares = 0, count = 0;
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    for (const float v : batch.x.span()) {
      const auto x = static_cast<double>(v);
      sum += x;
      squares += x * x;
      s.least = std::min(s.least, x);
      s.most = std::max(s.most, x);
    }
    count += static_cast<double>(batch.x.size());
    s.images += batch.size();
  }
  s.mean = sum / count;
  s.sd = std::sqrt(std::max(0.0, squares / count - s.mean * s.mean));
  return s;
}

namespace detail {

// Running sums about one value.
struct NodeSums {
  std::vector<double> channel_mean{};                ///< of the value in front of a batch norm
  double rows = 0;
  std::vector<std::pair<double, std::int64_t>> images{};  ///< largest magnitude of each image, and its position
  std::vector<std::int64_t> magnitudes{};            ///< histogram of |x|
  double signal = 0, noise = 0, clipped = 0, values = 0;
};

inline double largest_channel_to_median(const QatModel& qat, const Unit& unit) {
  const Tensor<float>& w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
  const ChannelOf channel = channel_of(w.shape(), unit.channel_axis());
  const std::optional<NormView> norm = norm_of(qat, unit);
  const std::vector<float> factors = norm ? norm->weight_factors() : std::vector<float>();
  std::vector<double> largest(static_cast<std::size_t>(channel.channels), 0.0);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const auto c = static_cast<std::size_t>(channel(i));
    const float factor = factors.empty() ? 1.0f : factors[c];
    largest[c] = std::max(largest[c], std::fabs(static_cast<double>(w[i] * factor)));
  }
  const auto middle = largest.begin() + static_cast<std::ptrdiff_t>(largest.size() / 2);
  const double most = *std::max_element(largest.begin(), largest.end());
  std::nth_element(largest.begin(), middle, largest.end());
  return *middle > 0 ? most / *middle : most > 0 ? std::numeric_limits<double>::infinity() : 1.0;
}

// Root mean square over channels of (mean of the data - running mean) / running standard deviation.
inline double drift_of(const QatModel& qat, const Unit& unit, const NodeSums& sums) {
  const std::optional<NormView> norm = norm_of(qat, unit);
  if (!norm || sums.rows == 0) return 0;
  double squares = 0;
  for (std::size_t c = 0; c < norm->mean.size(); ++c) {
    const double sd = std::sqrt(static_cast<double>(norm->variance[c]) + static_cast<double>(norm->eps));
    const double off = (sums.channel_mean[c] / sums.rows - static_cast<double>(norm->mean[c])) / sd;
    squares += off * off;
  }
  return std::sqrt(squares / static_cast<double>(norm->mean.size()));
}

// Value below which 99.9 % of the magnitudes lie, from a histogram between 0 and `most`.
inline double quantile_of(std::span<const std::int64_t> bins, double most, double part) {
  const double all = static_cast<double>(std::accumulate(bins.begin(), bins.end(), std::int64_t{0}));
  double below = 0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    below += static_cast<double>(bins[b]);
    if (below >= part * all) return most * static_cast<double>(b + 1) / static_cast<double>(bins.size());
  }
  return most;
}

inline constexpr std::size_t magnitude_bins = 8192, shown_bins = 64;

inline void add_extremes(DiagnosedNode& node, NodeSums& sums, const Tensor<float>& value, std::span<const std::int64_t> images) {
  const std::int64_t each = value.size() / value.shape()[0];
  for (std::int64_t i = 0; i < value.shape()[0]; ++i) {
    const auto [lo, hi] = std::minmax_element(value.data() + i * each, value.data() + (i + 1) * each);
    node.least = std::min(node.least, static_cast<double>(*lo));
    node.most = std::max(node.most, static_cast<double>(*hi));
    sums.images.emplace_back(std::max(std::fabs(static_cast<double>(*lo)), std::fabs(static_cast<double>(*hi))),
                             images[static_cast<std::size_t>(i)]);
  }
}

inline void add_values(DiagnosedNode& node, NodeSums& sums, const Tensor<float>& value, const QParams& p) {
  const double top = std::max(std::fabs(node.least), std::fabs(node.most)), width = node.most - node.least;
  const double to_magnitude = top > 0 ? static_cast<double>(magnitude_bins) / top : 0.0;
  const double to_shown = width > 0 ? static_cast<double>(shown_bins) / width : 0.0;
  const float scale = p.scale[0], low = static_cast<float>(node.low), high = static_cast<float>(node.high);
  for (const float v : value.span()) {
    const double x = static_cast<double>(v);
    ++sums.magnitudes[std::min(magnitude_bins - 1, static_cast<std::size_t>(std::fabs(x) * to_magnitude))];
    ++node.histogram[std::min(shown_bins - 1, static_cast<std::size_t>(std::max(0.0, x - node.least) * to_shown))];
    const float inside = std::clamp(v, low, high);
    const double error = static_cast<double>(scale * std::nearbyint((inside - low) / scale) + low) - x;
    sums.signal += x * x;
    sums.noise += error * error;
    sums.clipped += v < low - scale || v > high + scale ? 1.0 : 0.0;
  }
  sums.values += static_cast<double>(value.size());
}

}  // namespace detail

STET_ENTRY std::vector<DiagnosedNode> measure_nodes(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample) {
  qat.require_calibrated("measure_nodes");
  const Batches batches = detail::sample_of("measure_nodes", data, sample);
  const std::vector<Unit>& units = qat.units();
  std::vector<DiagnosedNode> nodes(units.size());
  std::vector<detail::NodeSums> sums(units.size());
  const std::vector<const Unit*> unit_of = detail::units_by_output(qat);
  std::vector<int> normed(qat.graph().nodes().size(), -1);  // the unit whose batch norm reads this value
  for (std::size_t u = 0; u < units.size(); ++u) {
    const Unit& unit = units[u];
    DiagnosedNode& node = nodes[u];
    node.node = qat.node_name(unit.output);
    node.layer = qat.node_name(unit.node);
    node.kind = std::string(graph::kind(unit.op()));
    node.inputs = unit.deployed.inputs;
    node.least = std::numeric_limits<double>::infinity();
    node.most = -node.least;
    node.histogram.assign(detail::shown_bins, 0);
    sums[u].magnitudes.assign(detail::magnitude_bins, 0);
    if (unit.real_output) continue;
    const Range range = qat.quantizer(unit.quantizer).range();
    node.low = static_cast<double>(range.lo);
    node.high = static_cast<double>(range.hi);
    if (!unit.shares_scale()) node.activation_bits = qat.activations(unit).bits();
    if (!unit.has_weights()) continue;
    node.weight_bits = unit.weights.bits();
    node.channel_disparity = detail::largest_channel_to_median(qat, unit);
    if (unit.batch_norm >= 0) {
      const int read = qat.graph().node(unit.batch_norm).inputs[0];
      normed[static_cast<std::size_t>(read)] = static_cast<int>(u);
      sums[u].channel_mean.assign(static_cast<std::size_t>(qat.graph().node(read).shape.back()), 0.0);
    }
  }
  for (const bool second : {false, true}) {
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const std::vector<std::int64_t> images(batches[i].begin(), batches[i].end());
      (void)infer(qat.model(), data.batch(images).x, {.observe = [&](int id, const Tensor<float>& value) {
        if (const int u = normed[static_cast<std::size_t>(id)]; u >= 0 && !second) {
          std::vector<double>& mean = sums[static_cast<std::size_t>(u)].channel_mean;
          const std::size_t channels = mean.size();
          for (std::size_t k = 0; k < static_cast<std::size_t>(value.size()); k += channels) {
            for (std::size_t c = 0; c < channels; ++c) mean[c] += static_cast<double>(value.span()[k + c]);
          }
          sums[static_cast<std::size_t>(u)].rows += static_cast<double>(value.size()) / static_cast<double>(channels);
        }
        const Unit* unit = unit_of[static_cast<std::size_t>(id)];
        if (unit == nullptr) return;
        const auto u = static_cast<std::size_t>(unit - units.data());
        if (!second) {
          detail::add_extremes(nodes[u], sums[u], value, images);
        } else if (!unit->real_output) {
          detail::add_values(nodes[u], sums[u], value, qat.params(*unit));
        }
      }});
    }
  }
  for (std::size_t u = 0; u < units.size(); ++u) {
    DiagnosedNode& node = nodes[u];
    detail::NodeSums& s = sums[u];
    if (units[u].batch_norm >= 0) node.batch_norm_drift = detail::drift_of(qat, units[u], s);
    if (s.images.size() > 1) {
      std::partial_sort(s.images.begin(), s.images.begin() + 2, s.images.end(), std::greater<>());
      node.extreme_image = s.images[0].second;
      node.largest_to_second = s.images[1].first > 0 ? s.images[0].first / s.images[1].first : 1.0;
    }
    if (s.values == 0) continue;
    const double top = std::max(std::fabs(node.least), std::fabs(node.most));
    node.p999 = detail::quantile_of(s.magnitudes, top, 0.999);
    node.reach = node.p999 > 0 ? std::max(std::fabs(node.low), std::fabs(node.high)) / node.p999 : 1.0;
    node.clipped = s.clipped / s.values;
    node.sqnr = s.signal > 0 ? 10.0 * std::log10(s.signal / std::max(s.noise, 1e-30)) : 0.0;
  }
  return nodes;
}
#endif

}  // namespace stet
