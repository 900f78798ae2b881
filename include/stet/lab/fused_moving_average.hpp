#pragma once
// FusedMovingAverage: PyTorch's fused moving-average observer and fake quantizer, step by step.

#include <stet/lab/fused_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/moving_average_observer.hpp>

#include <span>
#include <utility>
#include <vector>

namespace stet {

/// One range per scale, averaged over batches, and fake quantization with it; a value with two switches, as PyTorch's
/// fused operator has. It observes the batch first and then quantizes it with the range that results; scales are chosen
/// in steps that quantize, not in steps that only observe.
/// Formula:   math.md 72: observing: (13), then (70, 71); quantizing: (3); otherwise y = x, dx = dy
/// Source:    PyTorch 2.13, fused_moving_avg_obs_fake_quant (golden set fused_moving_average)
class FusedMovingAverage {
 public:
  bool observing = true;   ///< a step moves the range
  bool quantizing = true;  ///< a step chooses scales and rounds to the grid

  /// Errors:    Errc::range if the constant is not in (0, 1]
  explicit FusedMovingAverage(const Grid& grid = Grid::uint8(), const FusedQParamsOptions& options = {},
                              float constant = 0.01f)
      : grid_(grid), options_(options), observer_(options.granularity, constant) {}

  /// One training step.
  /// Shapes:    x, y of `shape`
  /// Rounding:  half to even
  /// Errors:    Errc::state if it quantizes before anything was observed (PyTorch goes on with scale 1); Errc::range if
  ///            it observes values that are NaN or infinite (PyTorch takes them into the range, for good); otherwise as
  ///            fake_quantize. After an error nothing has changed
  void forward(std::span<const float> x, const Shape& shape, std::span<float> y) {
    require(y.size() == x.size(), Errc::shape, "FusedMovingAverage: x has {} elements, y has {}", x.size(), y.size());
    require(static_cast<std::int64_t>(x.size()) == shape.elements(), Errc::shape,
            "FusedMovingAverage: shape {} needs {} values, got {}", shape, shape.elements(), x.size());
    MovingAverageObserver moved = observer_;
    if (observing) moved.observe(min_max(x, shape, options_.granularity));
    if (quantizing) {
      require(!moved.empty(), Errc::state,
              "FusedMovingAverage: nothing was observed; take a step with observing on before one that quantizes");
      QParams chosen = choose_qparams_fused(moved.ranges(), grid_, options_);
      fake_quantize(x, shape, chosen, y);
      params_ = std::move(chosen);
      chosen_ = true;
    } else {
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i];
    }
    observer_ = std::move(moved);
  }
  /// Gradient of the last step, by the clipped straight-through estimator.
  /// Gradient:  dx = dy where n <= z + rne(x * (1/s)) <= p, else 0; not the derivative (STE); dy if it does not
  ///            quantize
  /// Shapes:    x, dy, dx of `shape`
  void backward(std::span<const float> x, std::span<const float> dy, const Shape& shape, std::span<float> dx) const {
    if (quantizing) return fake_quantize_backward(x, dy, shape, qparams(), dx);
    require(dx.size() == dy.size(), Errc::shape, "FusedMovingAverage: dy has {} elements, dx has {}", dy.size(),
            dx.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = dy[i];
  }

  /// Scales and zero points of the last step that quantized.
  /// Errors:    Errc::state if there was none
  [[nodiscard]] const QParams& qparams() const {
    require(chosen_, Errc::state, "FusedMovingAverage: no scales yet; take a step with quantizing on");
    return params_;
  }
  [[nodiscard]] bool has_qparams() const { return chosen_; }
  [[nodiscard]] const MovingAverageObserver& observer() const { return observer_; }

 private:
  Grid grid_;
  FusedQParamsOptions options_;
  MovingAverageObserver observer_;
  QParams params_{};
  bool chosen_ = false;
};

}  // namespace stet
