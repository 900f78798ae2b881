#pragma once
// NetworkMeter: collects what every value of a network does on batches of data, beside the ranges that it has.

#include <stet/core/tensor.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/lower.hpp>
#include <stet/model/measured_node.hpp>
#include <stet/model/qat_model.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

// Largest channel of the weights, batch norm's factors included, beside the median one.
inline double largest_channel_to_median(const QatModel& qat, const Unit& unit) {
  const Tensor<float>& w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
  const ScaleMap channel = channel_of(w.shape(), unit.channel_axis());
  const std::optional<NormView> norm = norm_of(qat, unit);
  const std::vector<float> factors = norm ? norm->weight_factors() : std::vector<float>();
  std::vector<double> largest(static_cast<std::size_t>(channel.count), 0.0);
  channel.runs(w.size(), [&](std::size_t c, std::int64_t first, std::int64_t last) {
    const float factor = factors.empty() ? 1.0f : factors[c];
    for (std::int64_t i = first; i < last; ++i) {
      largest[c] = std::max(largest[c], std::fabs(static_cast<double>(w[i] * factor)));
    }
  });
  const auto middle = largest.begin() + static_cast<std::ptrdiff_t>(largest.size() / 2);
  const double most = *std::max_element(largest.begin(), largest.end());
  std::nth_element(largest.begin(), middle, largest.end());
  return *middle > 0 ? most / *middle : most > 0 ? std::numeric_limits<double>::infinity() : 1.0;
}

// Root mean square over channels of (mean of the data - running mean) / running standard deviation. `error`, if there is
// one, is the squared standard error of each mean: few images move it without any drift, so it is taken off.
inline double drift_between(const NormView& norm, std::span<const double> mean, std::span<const double> error = {}) {
  double squares = 0;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double variance = static_cast<double>(norm.variance[c]) + static_cast<double>(norm.eps);
    const double off = mean[c] - static_cast<double>(norm.mean[c]);
    squares += (off * off - (error.empty() ? 0.0 : error[c])) / variance;
  }
  return std::sqrt(std::max(0.0, squares) / static_cast<double>(mean.size()));
}

// Value below which a part of the magnitudes lies, from a histogram between 0 and `most`.
inline double quantile_of(std::span<const std::int64_t> bins, double most, double part) {
  const double all = static_cast<double>(std::accumulate(bins.begin(), bins.end(), std::int64_t{0}));
  double below = 0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    below += static_cast<double>(bins[b]);
    if (below >= part * all) return most * static_cast<double>(b + 1) / static_cast<double>(bins.size());
  }
  return most;
}

// Goes through batches of the float network with the model's weights. Several batches are shown twice, because histograms
// need the extremes of all of them; a single one is shown once. Nothing of the model moves.
class NetworkMeter {
 public:
  enum class Pass { extremes, values, both };

  explicit NetworkMeter(const QatModel& qat)
      : qat_(&qat), nodes_(qat.units().size()), sums_(nodes_.size()), unit_of_(units_by_output(qat)),
        normed_(qat.graph().nodes().size(), -1) {
    for (std::size_t u = 0; u < nodes_.size(); ++u) describe(u);
  }

  void show(std::span<const Tensor<float>> inputs, std::span<const std::int64_t> images, Pass pass) {
    (void)infer(qat_->model(), inputs, {.observe = [&](int id, const Tensor<float>& value) {
      if (const int u = normed_[static_cast<std::size_t>(id)]; u >= 0 && pass != Pass::values) add_means(static_cast<std::size_t>(u), value);
      const Unit* unit = unit_of_[static_cast<std::size_t>(id)];
      if (unit == nullptr) return;
      const auto u = static_cast<std::size_t>(unit - qat_->units().data());
      if (pass != Pass::values) add_extremes(u, value, images);
      if (pass != Pass::extremes && !unit->real_output) add_values(u, value);
    }});
  }

  [[nodiscard]] std::vector<MeasuredNode> finish() && {
    for (std::size_t u = 0; u < nodes_.size(); ++u) finish(u);
    return std::move(nodes_);
  }

 private:
  static constexpr std::size_t magnitude_bins = 8192, shown_bins = 64;

  // Running sums about one value.
  struct Sums {
    std::vector<double> channel_mean{};  // of the value in front of a batch norm
    double rows = 0;
    std::vector<std::pair<double, std::int64_t>> images{};  // largest magnitude of each image, and its position
    std::vector<std::int64_t> magnitudes{};                 // histogram of |x|
    double signal = 0, noise = 0, clipped = 0, stopped = 0, values = 0;
    std::vector<float> channel_least{}, channel_most{};
    std::vector<std::int32_t> at_end{};  // values of a channel at or beyond the upper end
    double channel_values = 0;
  };

  [[nodiscard]] const Unit& unit(std::size_t u) const { return qat_->units()[u]; }

  void describe(std::size_t u) {
    const Unit& unit = this->unit(u);
    MeasuredNode& node = nodes_[u];
    node.node = qat_->node_name(unit.output);
    node.layer = qat_->node_name(unit.node);
    node.kind = std::string(graph::kind(unit.op()));
    node.inputs = unit.deployed.inputs;
    node.least = std::numeric_limits<double>::infinity();
    node.most = -node.least;
    node.histogram.assign(shown_bins, 0);
    sums_[u].magnitudes.assign(magnitude_bins, 0);
    if (unit.real_output) return;
    const Range range = qat_->quantizer(unit.quantizer).range();
    node.low = static_cast<double>(range.lo);
    node.high = static_cast<double>(range.hi);
    if (!unit.shares_scale()) node.activation_bits = qat_->activations(unit).bits();
    if (!unit.has_weights()) return;
    node.weight_bits = unit.weights.bits();
    node.channel_disparity = largest_channel_to_median(*qat_, unit);
    node.channels = qat_->graph().node(unit.output).shape.back();
    const auto channels = static_cast<std::size_t>(node.channels);
    sums_[u].channel_least.assign(channels, std::numeric_limits<float>::infinity());
    sums_[u].channel_most.assign(channels, -std::numeric_limits<float>::infinity());
    sums_[u].at_end.assign(channels, 0);
    if (unit.batch_norm >= 0) {
      const int read = qat_->graph().node(unit.batch_norm).inputs[0];
      normed_[static_cast<std::size_t>(read)] = static_cast<int>(u);
      sums_[u].channel_mean.assign(static_cast<std::size_t>(qat_->graph().node(read).shape.back()), 0.0);
    }
  }

  void add_means(std::size_t u, const Tensor<float>& value) {
    std::vector<double>& mean = sums_[u].channel_mean;
    const std::size_t channels = mean.size();
    const std::span<const float> v = value.span();
    for (std::size_t k = 0; k < v.size(); k += channels) {
      for (std::size_t c = 0; c < channels; ++c) mean[c] += static_cast<double>(v[k + c]);
    }
    sums_[u].rows += static_cast<double>(value.size()) / static_cast<double>(channels);
  }

  void add_extremes(std::size_t u, const Tensor<float>& value, std::span<const std::int64_t> images) {
    MeasuredNode& node = nodes_[u];
    const std::int64_t each = value.size() / value.shape()[0];
    for (std::int64_t i = 0; i < value.shape()[0]; ++i) {
      const auto [lo, hi] = std::minmax_element(value.data() + i * each, value.data() + (i + 1) * each);
      node.least = std::min(node.least, static_cast<double>(*lo));
      node.most = std::max(node.most, static_cast<double>(*hi));
      sums_[u].images.emplace_back(std::max(std::fabs(static_cast<double>(*lo)), std::fabs(static_cast<double>(*hi))),
                                   images[static_cast<std::size_t>(i)]);
    }
  }

  void add_values(std::size_t u, const Tensor<float>& value) {
    MeasuredNode& node = nodes_[u];
    Sums& sums = sums_[u];
    const double top = std::max(std::fabs(node.least), std::fabs(node.most)), width = node.most - node.least;
    const double to_magnitude = top > 0 ? static_cast<double>(magnitude_bins) / top : 0.0;
    const double to_shown = width > 0 ? static_cast<double>(shown_bins) / width : 0.0;
    const float scale = qat_->params(unit(u)).scale[0], low = static_cast<float>(node.low), high = static_cast<float>(node.high);
    for (const float v : value.span()) {
      const double x = static_cast<double>(v);
      ++sums.magnitudes[std::min(magnitude_bins - 1, static_cast<std::size_t>(std::fabs(x) * to_magnitude))];
      ++node.histogram[std::min(shown_bins - 1, static_cast<std::size_t>(std::max(0.0, x - node.least) * to_shown))];
      const float inside = std::clamp(v, low, high);
      const double error = static_cast<double>(scale * std::nearbyint((inside - low) / scale) + low) - x;
      sums.signal += x * x;
      sums.noise += error * error;
      const float beyond = std::max(low - v, v - high);
      sums.clipped += beyond > scale ? 1.0 : 0.0;
      sums.stopped += beyond > 0.5f * scale ? 1.0 : 0.0;
    }
    sums.values += static_cast<double>(value.size());
    if (node.channels > 0) add_channels(sums, value, high - 0.5f * scale);
  }

  static void add_channels(Sums& sums, const Tensor<float>& value, float end) {
    const std::size_t channels = sums.at_end.size();
    const std::span<const float> v = value.span();
    float* least = sums.channel_least.data();
    float* most = sums.channel_most.data();
    std::int32_t* at_end = sums.at_end.data();
    for (std::size_t k = 0; k < v.size(); k += channels) {
      const float* row = v.data() + k;
      for (std::size_t c = 0; c < channels; ++c) {
        least[c] = std::min(least[c], row[c]);
        most[c] = std::max(most[c], row[c]);
        at_end[c] += row[c] >= end ? 1 : 0;
      }
    }
    sums.channel_values += static_cast<double>(v.size() / channels);
  }

  void finish(std::size_t u) {
    MeasuredNode& node = nodes_[u];
    Sums& s = sums_[u];
    if (const std::optional<NormView> norm = norm_of(*qat_, unit(u)); norm && s.rows > 0) {
      for (double& m : s.channel_mean) m /= s.rows;
      node.batch_norm_drift = drift_between(*norm, s.channel_mean);
    }
    if (s.images.size() > 1) {
      std::partial_sort(s.images.begin(), s.images.begin() + 2, s.images.end(), std::greater<>());
      node.extreme_image = s.images[0].second;
      node.largest_to_second = s.images[1].first > 0 ? s.images[0].first / s.images[1].first : 1.0;
    }
    if (s.values == 0) return;
    const double top = std::max(std::fabs(node.least), std::fabs(node.most));
    node.p999 = quantile_of(s.magnitudes, top, 0.999);
    node.reach = node.p999 > 0 ? std::max(std::fabs(node.low), std::fabs(node.high)) / node.p999 : 1.0;
    node.clipped = s.clipped / s.values;
    node.stopped = s.stopped / s.values;
    node.sqnr = s.signal > 0 ? 10.0 * std::log10(s.signal / std::max(s.noise, 1e-30)) : 0.0;
    const float scale = qat_->params(unit(u)).scale[0];
    for (std::size_t c = 0; c < s.at_end.size(); ++c) {
      const bool dead = s.channel_most[c] - s.channel_least[c] < 0.5f * scale;
      node.dead_channels += dead ? 1 : 0;
      node.saturated_channels += !dead && 2.0 * s.at_end[c] > s.channel_values ? 1 : 0;
    }
  }

  const QatModel* qat_;
  std::vector<MeasuredNode> nodes_;
  std::vector<Sums> sums_;
  std::vector<const Unit*> unit_of_;
  std::vector<int> normed_;  // per graph node, the unit whose batch norm reads its value
};

// Per quantizer, what 99.9 % of the magnitudes of all values that share it need.
inline std::vector<double> needed_of_scales(const QatModel& qat, std::span<const MeasuredNode> nodes) {
  std::vector<double> most(qat.quantizers().size(), 0.0);
  for (std::size_t u = 0; u < nodes.size(); ++u) {
    double& q = most[static_cast<std::size_t>(qat.units()[u].quantizer)];
    q = std::max(q, nodes[u].p999);
  }
  return most;
}

// Whether values of the float network are those of the quantized one: with few bits they are only about as large (logits of
// healthy networks of 2 bits are 1.5 times as large in float).
inline bool float_stands_for_codes(std::span<const MeasuredNode> nodes) {
  return std::none_of(nodes.begin(), nodes.end(), [](const MeasuredNode& n) {
    return (n.weight_bits > 0 && n.weight_bits < 8) || (n.activation_bits > 0 && n.activation_bits < 8);
  });
}

// Which part of the values a range may cut. Behind weights of one bit, values of the float network say nothing of it.
inline double limit_of_stopped(std::span<const MeasuredNode> nodes, double stopped) {
  const bool binary = std::any_of(nodes.begin(), nodes.end(), [](const MeasuredNode& n) { return n.weight_bits == 1; });
  return binary ? 1.0 : stopped;
}

}  // namespace stet::detail
