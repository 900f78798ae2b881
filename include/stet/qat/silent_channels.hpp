#pragma once
// Channels of per-tensor weights that gamma silenced, and the gradients that let them speak again.

#include <stet/qat/fold.hpp>
#include <stet/qat/weight_codes.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet::detail {

// Per-tensor codes are those of k*W with k = gamma/sqrt(var + eps). Where gamma is 0, or small beside the other channels',
// they are all 0: nothing is left in the accumulators of which a gradient of gamma could be made, and gamma would stay where
// it is for good. These channels take the gradients of a frozen layer instead (docs/math.md, 52 and 53), from the weights
// themselves and running statistics.
class SilentChannels {
 public:
  SilentChannels() = default;
  // `norm` holds running statistics before this step moves them; `bias` is that of the layer, empty without one.
  SilentChannels(const Tensor<float>& w, const WeightCodes& codes, int axis, const NormView& norm,
                 std::span<const float> bias)
      : channel_(channel_of(w.shape(), axis)) {
    const std::vector<std::int64_t> sum = magnitudes(codes.codes, channel_);
    for (std::size_t c = 0; c < sum.size(); ++c) {
      silent_.push_back(sum[c] == 0);
      any_ = any_ || silent_[c];
      mean_.push_back(static_cast<double>(norm.mean[c]) - (bias.empty() ? 0.0 : static_cast<double>(bias[c])));
      inverse_std_.push_back(1.0 / std::sqrt(static_cast<double>(norm.variance[c]) + static_cast<double>(norm.eps)));
    }
    if (any_) w_ = w;
  }

  [[nodiscard]] bool any() const { return any_; }
  [[nodiscard]] bool operator[](std::size_t c) const { return any_ && silent_[c]; }

  // `d` holds in silent channels the gradient D of the folded weights and becomes k*D there; `dgamma` receives theirs.
  void pull(Tensor<float>& d, std::span<const float> k, std::span<const double> gradient, std::span<float> dgamma) const {
    std::vector<double> inner(silent_.size(), 0.0);
    const std::span<float> values = d.edit();
    channel_.runs(d.size(), [&](std::size_t c, std::int64_t first, std::int64_t last) {
      if (!silent_[c]) return;
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        inner[c] += static_cast<double>(w_.span()[i]) * static_cast<double>(values[i]);
        values[i] *= k[c];
      }
    });
    for (std::size_t c = 0; c < inner.size(); ++c) {
      if (silent_[c]) dgamma[c] = static_cast<float>((inner[c] - mean_[c] * gradient[c]) * inverse_std_[c]);
    }
  }

 private:
  ScaleMap channel_{1, 1};
  std::vector<bool> silent_;
  std::vector<double> mean_, inverse_std_;
  Tensor<float> w_;
  bool any_ = false;
};

}  // namespace stet::detail
