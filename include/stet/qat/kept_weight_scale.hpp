#pragma once
// KeptWeightScale: the scales of a layer's weights from prepare on, and what happens to those that start on zeros.

#include <stet/core/parameter.hpp>
#include <stet/qat/weight_scale.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace stet {

/// Scales of one layer's weights that are found when the model is prepared and then kept or trained, as logarithms.
/// Weights that are all zero then have no scale to keep, and training moves a scale by a small part of itself, so that it
/// would not arrive where the weights do. Such a scale follows: it is that of the weights at hand, until settle().
/// Shapes:    weights as those it was made from -> one scale per output channel, or one
/// Units:     real per code, before quantize_weights shifts codes
class KeptWeightScale {
 public:
  KeptWeightScale() = default;
  /// Errors:    Errc::range if a weight is not finite
  KeptWeightScale(const Tensor<float>& w, int axis, const WeightScheme& scheme)
      : axis_(axis), scheme_(scheme), logarithm_{logarithms(initial_weight_scale(w, axis, scheme))} {
    for (const Range& range : min_max(w, weight_granularity(scheme, axis))) follows_.push_back(negligible(range));
  }

  /// Logarithms of the scales; empty if nothing is kept. Those of scales that follow are as renew() left them.
  [[nodiscard]] Parameter& logarithm() { return logarithm_; }

  /// The scales for these weights.
  /// Errors:    Errc::range naming the layer if a logarithm is not finite
  [[nodiscard]] std::vector<float> scales(const Tensor<float>& w, std::string_view layer) const {
    std::vector<float> scales;
    for (const float log : logarithm_.value.span()) scales.push_back(scale_of_log(log, layer));
    const Found found = of_following(w);
    for (std::size_t i = 0; i < found.index.size(); ++i) {
      scales[found.index[i]] = scale_of_log(found.logarithm[static_cast<std::int64_t>(i)]);
    }
    return scales;
  }
  /// Sets the logarithms of scales that follow to those of these weights.
  void renew(const Tensor<float>& w) {
    const Found found = of_following(w);
    for (std::size_t i = 0; i < found.index.size(); ++i) {
      logarithm_.value.edit()[found.index[i]] = found.logarithm[static_cast<std::int64_t>(i)];
    }
  }
  /// The same, and those that now have weights follow no longer.
  void settle(const Tensor<float>& w) {
    if (std::find(follows_.begin(), follows_.end(), 1) == follows_.end()) return;
    renew(w);
    const std::vector<Range> ranges = min_max(w, weight_granularity(scheme_, axis_));
    for (std::size_t k = 0; k < follows_.size(); ++k) {
      if (!negligible(ranges[k])) follows_[k] = 0;
    }
  }

  /// Visits the state by name, for checkpoints.
  template <class F>
  void fields(F&& f) {
    f("weight_log_scale", logarithm_.value);
    f("weight_scale_follows", follows_);
  }

 private:
  struct Found {
    std::vector<std::size_t> index{};
    Tensor<float> logarithm{};
  };
  // The scales that follow, as weights start with: searched on their own, because a search over all takes its time.
  [[nodiscard]] Found of_following(const Tensor<float>& w) const {
    Found found;
    for (std::size_t k = 0; k < follows_.size(); ++k) {
      if (follows_[k] != 0) found.index.push_back(k);
    }
    if (found.index.empty()) return found;
    const ScaleMap map = scale_map(weight_granularity(scheme_, axis_), w.shape());
    const std::int64_t each = w.size() / map.count;
    Tensor<float> own(Shape{static_cast<std::int64_t>(found.index.size()), each});
    float* to = own.edit().data();
    for (const std::size_t k : found.index) {
      for (std::int64_t i = 0; i < each; ++i) {
        const std::int64_t run = i / map.inner * map.count + static_cast<std::int64_t>(k);
        *to++ = w[run * map.inner + i % map.inner];
      }
    }
    found.logarithm = logarithms(initial_weight_scale(own, 0, {scheme_.bits, true, scheme_.range}));
    return found;
  }

  int axis_ = 0;
  WeightScheme scheme_{};
  Parameter logarithm_{};
  std::vector<std::int32_t> follows_{};  // per scale; 1: it follows the weights
};

}  // namespace stet
