#pragma once
// WeightWatch: how far weights move in a step, how many jump between two codes, how many lie beyond their learned scale. It looks at a
// sample of each layer's weights after every step, because turns show in successive steps only.

#include <stet/model/qat_model.hpp>
#include <stet/train/monitor_state.hpp>
#include <stet/train/weight_oscillation.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

class WeightWatch {
 public:
  explicit WeightWatch(const QatModel& qat) : qat_(&qat) {
    std::int64_t all = 0, coded = 0;
    for (std::size_t u = 0; u < qat.units().size(); ++u) {
      const Unit& unit = qat.units()[u];
      if (!unit.has_weights()) continue;
      const Tensor<float>& w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
      Layer layer{u, &w, channel_of(w.shape(), unit.channel_axis()), all, -1, {}};
      const std::int64_t count = std::min(w.size(), most_weights);
      for (std::int64_t i = 0; i < count; ++i) layer.index.push_back(i * w.size() / count);
      all += count;
      if (can_oscillate(unit)) {
        layer.first_code = coded;
        coded += count;
      }
      layers_.push_back(std::move(layer));
    }
    codes_.resize(static_cast<std::size_t>(coded));
    weights_ = static_cast<std::size_t>(all);
  }

  // What a state of this model must look like.
  [[nodiscard]] bool fits(const MonitorState& s) const {
    return (s.weights.empty() || (s.weights.size() == weights_ && s.movement.size() == layers_.size())) &&
           (s.codes.empty() || s.codes.codes().size() == codes_.size());
  }

  void after_step(MonitorState& s) {
    const bool first = s.weights.empty();
    if (first) {
      s.weights.resize(weights_);
      s.movement.assign(layers_.size(), 0.0);
    }
    const bool codes = qat_->quantizing() && !codes_.empty();
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      double moved = 0, size = 0;
      float* before = s.weights.data() + layer.first;
      for (std::size_t i = 0; i < layer.index.size(); ++i) {
        const float now = (*layer.weights)[layer.index[i]], change = now - before[i];
        moved += static_cast<double>(change * change);
        size += static_cast<double>(now * now);
        before[i] = now;
      }
      if (!first) s.movement[l] += memory * (std::sqrt(moved / std::max(size, 1e-30)) - s.movement[l]);
      if (codes && layer.first_code >= 0) encode(layer);
    }
    if (codes) s.codes.update(codes_);
  }

  /// Root mean square of a unit's sampled weights; 0 without weights or before the first step.
  [[nodiscard]] double size(const MonitorState& s, std::size_t unit) const {
    for (const Layer& layer : layers_) {
      if (layer.unit != unit || s.weights.empty()) continue;
      double squares = 0;
      for (std::size_t i = 0; i < layer.index.size(); ++i) {
        const auto w = static_cast<double>(s.weights[static_cast<std::size_t>(layer.first) + i]);
        squares += w * w;
      }
      return std::sqrt(squares / static_cast<double>(layer.index.size()));
    }
    return 0;
  }
  /// Part of a layer's sampled weights that turned lately; `unit` counts units. 0 where none can.
  [[nodiscard]] double oscillating(const MonitorState& s, std::size_t unit) const {
    if (s.codes.empty()) return 0;
    for (const Layer& layer : layers_) {
      if (layer.unit != unit || layer.first_code < 0) continue;
      return part_of(s, layer.first_code, static_cast<std::int64_t>(layer.index.size()));
    }
    return 0;
  }
  /// The same of all weights of 2 to 4 bits; not a number if there are none.
  [[nodiscard]] double oscillating(const MonitorState& s) const {
    if (s.codes.empty()) return std::numeric_limits<double>::quiet_NaN();
    return part_of(s, 0, static_cast<std::int64_t>(codes_.size()));
  }
  /// Mean over the layers of the relative change of weights in one step.
  [[nodiscard]] static double movement(const MonitorState& s) {
    double sum = 0;
    for (const double m : s.movement) sum += m;
    return s.movement.empty() ? 0 : sum / static_cast<double>(s.movement.size());
  }

 private:
  static constexpr std::int64_t most_weights = 2048;
  static constexpr double memory = 0.05, turns = 0.005;  // turns per step above which a weight oscillates, as oscillating_count

  struct Layer {
    std::size_t unit;
    const Tensor<float>* weights;
    ScaleMap channel;
    std::int64_t first, first_code;  // in the sample of all, and of those of few bits
    std::vector<std::int64_t> index;
  };

  void encode(const Layer& layer) {
    const Unit& unit = qat_->units()[layer.unit];
    const std::vector<float> scale = qat_->weight_scale(unit);
    const Grid grid = *unit.weights.traits().grid;
    std::int8_t* to = codes_.data() + layer.first_code;
    for (std::size_t i = 0; i < layer.index.size(); ++i) {
      const std::int64_t at = layer.index[i];
      const float s = scale[scale.size() == 1 ? 0 : static_cast<std::size_t>(layer.channel.index(at))];
      to[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint((*layer.weights)[at] / s), static_cast<float>(grid.lo), static_cast<float>(grid.hi)));
    }
  }
  static double part_of(const MonitorState& s, std::int64_t first, std::int64_t count) {
    const auto f = s.codes.frequency().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    return static_cast<double>(std::count_if(f.begin(), f.end(), [](float x) { return static_cast<double>(x) > turns; })) / static_cast<double>(count);
  }

  const QatModel* qat_;
  std::vector<Layer> layers_;
  std::vector<std::int8_t> codes_;
  std::size_t weights_ = 0;
};

}  // namespace stet::detail
