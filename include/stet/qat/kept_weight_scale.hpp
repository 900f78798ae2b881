#pragma once
// KeptWeightScale: the scales of a layer's weights from prepare on, and what happens to those that start on zeros.

#include <stet/core/parameter.hpp>
#include <stet/qat/any_learned_range.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/weight_scale.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Scales of one layer's weights that are found when the model is prepared and then kept or trained, as a learned range.
/// Weights that are all zero then have no scale to keep, and training moves a scale by a small part of itself, so that it
/// would not arrive where the weights do. Such a scale follows: it is that of the weights at hand, until settle().
/// Scales that come from the weights of each step otherwise are kept where a pass has chosen them (fix): weights that were
/// rounded to codes need not reach as far as those that the scale was made from, and would get other codes.
/// Shapes:    weights as those it was made from -> one scale per output channel, or one
/// Units:     real per code, before quantize_weights shifts codes
class KeptWeightScale {
 public:
  KeptWeightScale() = default;
  /// Errors:    Errc::range if a weight is not finite; Errc::unsupported if the range cannot begin at zero points of 0
  KeptWeightScale(const Tensor<float>& w, int axis, AnyScheme scheme, AnyLearnedRange range)
      : axis_(axis), scheme_(std::move(scheme)), range_(std::move(range)) {
    restart(w);
  }

  /// Whether scales are kept.
  [[nodiscard]] bool kept() const { return range_.has_value() || !fixed_.empty(); }
  /// Whether they are kept because a pass chose them.
  [[nodiscard]] bool fixed() const { return !fixed_.empty(); }
  /// The range, whose parameters may be trained. Those of scales that follow are as renew() left them.
  [[nodiscard]] AnyLearnedRange& range() { return *range_; }

  /// Keeps these scales, one per channel or one; a learned range goes on from them.
  void fix(std::vector<float> scale) {
    if (!range_) {
      fixed_ = std::move(scale);
      return;
    }
    begin(*range_, std::move(scale));
    follows_.assign(follows_.size(), 0);
  }
  /// Finds the scales from these weights, in place of what was.
  void restart(const Tensor<float>& w) {
    fixed_.clear();
    if (!range_) return;
    begin(*range_, initial_weight_scale(w, axis_, scheme_));
    range_->set_elements(w.size());
    follows_.clear();
    for (const Range& range : min_max(w, weight_granularity(scheme_, axis_))) follows_.push_back(negligible(range));
  }
  /// The scales for these weights; empty if none are kept.
  /// Errors:    Errc::range naming the layer if a parameter is not finite
  [[nodiscard]] std::vector<float> scales(const Tensor<float>& w, std::string_view layer) const {
    if (!range_) return fixed_;
    range_->require_finite(layer);
    std::vector<float> scales = range_->qparams().scale;
    if (const std::optional<AnyLearnedRange> found = renewed(w)) {
      const std::vector<float> own = found->qparams().scale;
      for (std::size_t k = 0; k < scales.size(); ++k) {
        if (follows_[k] != 0) scales[k] = own[k];
      }
    }
    return scales;
  }
  /// Sets the parameters of scales that follow to those of these weights.
  void renew(const Tensor<float>& w) {
    if (!range_) return;
    std::optional<AnyLearnedRange> found = renewed(w);
    if (!found) return;
    const std::vector<Parameter*> to = range_->parameters(), from = found->parameters();
    for (std::size_t p = 0; p < to.size(); ++p) {
      for (std::size_t k = 0; k < follows_.size(); ++k) {
        if (follows_[k] != 0) to[p]->value.edit()[k] = from[p]->value[static_cast<std::int64_t>(k)];
      }
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
    if (!range_) return f("fixed_weight_scale", fixed_);
    range_->fields([&](std::string_view name, auto& field) { f("weight_range." + std::string(name), field); });
    f("weight_scale_follows", follows_);
  }

 private:
  void begin(AnyLearnedRange& range, std::vector<float> scale) const {
    const std::size_t count = scale.size();
    require(range.begin(QParams{*scheme_.traits().grid, weight_granularity(scheme_, axis_), std::move(scale),
                                std::vector<std::int32_t>(count, 0)}),
            Errc::unsupported, "weights: the learned range {} cannot begin at a zero point of 0", range.name());
  }
  // The range as it begins at the scales that follow, as weights start with; nothing if none does. They are searched on
  // their own, because a search over all takes its time; the others are 1.
  [[nodiscard]] std::optional<AnyLearnedRange> renewed(const Tensor<float>& w) const {
    std::vector<std::size_t> index;
    for (std::size_t k = 0; k < follows_.size(); ++k) {
      if (follows_[k] != 0) index.push_back(k);
    }
    if (index.empty()) return std::nullopt;
    const ScaleMap map = scale_map(weight_granularity(scheme_, axis_), w.shape());
    const std::int64_t each = w.size() / map.count;
    Tensor<float> own(Shape{static_cast<std::int64_t>(index.size()), each});
    float* to = own.edit().data();
    for (const std::size_t k : index) {
      for (std::int64_t i = 0; i < each; ++i) {
        const std::int64_t run = i / map.inner * map.count + static_cast<std::int64_t>(k);
        *to++ = w[run * map.inner + i % map.inner];
      }
    }
    const std::vector<float> found = initial_weight_scale(own, 0, scheme_);
    std::vector<float> scale(follows_.size(), 1.0f);
    for (std::size_t i = 0; i < index.size(); ++i) scale[index[i]] = found[i];
    AnyLearnedRange range = *range_;
    begin(range, std::move(scale));
    return range;
  }

  int axis_ = 0;
  AnyScheme scheme_{};
  std::optional<AnyLearnedRange> range_{};
  std::vector<float> fixed_{};           // chosen by a pass, where there is no range
  std::vector<std::int32_t> follows_{};  // per scale; 1: it follows the weights
};

}  // namespace stet
