#pragma once
// Oscillation: weights that flip between two codes from step to step; tracking, iterative freezing, dampening. It looks
// at codes and latent weights only, so any training loop can use it.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/code_loop.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Threshold of the frequency above which weights freeze, falling along half a cosine.
/// Formula:   to + (from - to) (1 + cos(pi part)) / 2; part 0 to 1 is the part of the run that is done
/// Errors:    Errc::range if a threshold is not positive
/// Source:    Nagel 2022, arXiv 2203.11086; a threshold at or below the momentum freezes a
///            weight at its first turn
inline double freezing_threshold(double part, double from = 0.1, double to = 0.015) {
  require(from > 0.0 && to > 0.0, Errc::range, "freezing_threshold: from {} and to {} must be positive", from, to);
  const double done = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
  return to + (from - to) * (1.0 + std::cos(std::numbers::pi * done)) / 2.0;
}

/// Watches the codes of one weight tensor from step to step.
/// Formula:   o_t = 1 where the code changed against the direction of its last change; f_t = m o_t + (1-m) f_(t-1);
///            mean_t = m code_t + (1-m) mean_(t-1). Where f_t exceeds the threshold, the weight freezes at rne(mean_t)
/// Shapes:    codes of one shape in all steps; state has one entry per weight
/// Units:     f in turns per step; codes and means in steps
/// Rounding:  half to even
/// Errors:    Errc::range if the momentum is not in (0, 1]
/// Source:    Nagel 2022, arXiv 2203.11086 (iterative weight freezing)
class OscillationTracker {
 public:
  explicit OscillationTracker(double momentum = 0.01) : momentum_(momentum) {
    require(momentum > 0.0 && momentum <= 1.0, Errc::range, "OscillationTracker: momentum {} must be in (0, 1]",
            momentum);
  }

  /// Takes the codes of a step; the first call only remembers them. Frozen weights are left out. Weights whose
  /// frequency exceeds `freeze_above` freeze.
  /// Errors:    Errc::shape if there are not as many codes as before; Errc::range if the threshold is NaN
  void update(std::span<const std::int8_t> codes, double freeze_above = std::numeric_limits<double>::infinity()) {
    require(codes_.empty() || codes.size() == codes_.size(), Errc::shape,
            "OscillationTracker: has seen {} codes, got {}", codes_.size(), codes.size());
    require(!std::isnan(freeze_above), Errc::range, "OscillationTracker: the threshold is NaN");
    if (codes_.empty()) return start(codes);
    const auto m = static_cast<float>(momentum_);
    const auto threshold = static_cast<float>(freeze_above);
    parallel_chunks(static_cast<std::int64_t>(codes.size()), 4, [&](Chunk c) {
      watch(codes.data() + c.first, codes_.data() + c.first, direction_.data() + c.first, frequency_.data() + c.first,
            mean_.data() + c.first, frozen_.data() + c.first, c.size(), m, threshold);
    });
  }
  void update(const Tensor<std::int8_t>& codes, double freeze_above = std::numeric_limits<double>::infinity()) {
    update(codes.span(), freeze_above);
  }

  /// Sets the latent weights that are frozen to what their frozen codes stand for; call it after the optimizer.
  /// Formula:   w = s * (code - z)
  /// Shapes:    w of `shape`, as many elements as codes were seen
  /// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid
  void hold(std::span<float> w, const Shape& shape, const QParams& p) const {
    detail::check_codes("OscillationTracker::hold", shape, p, w.size(), codes_.size());
    float* to = w.data();
    const std::int8_t* code = codes_.data();
    const std::uint8_t* frozen = frozen_.data();
    detail::code_loop<float>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
      float* out = to + first;
      const std::int8_t* q = code + first;
      const std::uint8_t* is_frozen = frozen + first;
      lanes(count, [=](std::int64_t i) {
        const detail::CodeRule<float> r = rules(i);
        const float held = static_cast<float>(q[i] - r.zero_point) * r.scale;
        out[i] = is_frozen[i] != 0 ? held : out[i];
      });
    });
  }
  void hold(Tensor<float>& w, const QParams& p) const { hold(w.edit(), w.shape(), p); }
  /// Clears the gradients of frozen weights, lest momentum gathers behind them.
  /// Errors:    Errc::shape if there are not as many gradients as weights
  void hold_gradient(std::span<float> dw) const {
    require(dw.size() == codes_.size(), Errc::shape, "OscillationTracker: has seen {} codes, got {} gradients",
            codes_.size(), dw.size());
    for (std::size_t i = 0; i < dw.size(); ++i) dw[i] = frozen_[i] != 0 ? 0.0f : dw[i];
  }

  [[nodiscard]] bool empty() const { return codes_.empty(); }
  [[nodiscard]] std::span<const float> frequency() const { return frequency_; }
  [[nodiscard]] std::span<const float> mean() const { return mean_; }
  /// -1, 0 or 1: the direction of the last change.
  [[nodiscard]] std::span<const std::int8_t> direction() const { return direction_; }
  /// The last codes; of frozen weights those they froze at.
  [[nodiscard]] std::span<const std::int8_t> codes() const { return codes_; }
  /// 1 where the weight is frozen.
  [[nodiscard]] std::span<const std::uint8_t> frozen() const { return frozen_; }
  [[nodiscard]] std::int64_t frozen_count() const {
    std::int64_t count = 0;
    for (const std::uint8_t f : frozen_) count += f;
    return count;
  }
  /// How many weights turn more often than `above`, frozen ones (which count as they were) included.
  [[nodiscard]] std::int64_t oscillating_count(double above = 0.005) const {
    std::int64_t count = 0;
    for (const float f : frequency_) count += static_cast<std::int64_t>(static_cast<double>(f) > above);
    return count;
  }
  /// Forgets everything.
  void reset() { *this = OscillationTracker(momentum_); }
  template <class F>
  void fields(F&& f) {
    f("codes", codes_);
    f("direction", direction_);
    f("frequency", frequency_);
    f("mean", mean_);
    f("frozen", frozen_);
  }

 private:
  // Pointers as arguments: bytes written through a captured one could change what else is captured.
  static void watch(const std::int8_t* __restrict now, std::int8_t* __restrict last, std::int8_t* __restrict direction,
                    float* __restrict frequency, float* __restrict mean, std::uint8_t* __restrict frozen,
                    std::int64_t n, float m, float threshold) {
    lanes(n, [=](std::int64_t i) {
      const bool was_frozen = frozen[i] != 0;
      const int code = now[i], before = last[i], heading = direction[i];
      const int turn = static_cast<int>(code > before) - static_cast<int>(code < before);
      const float f = m * (turn * heading < 0 ? 1.0f : 0.0f) + (1.0f - m) * frequency[i];
      const float average = m * static_cast<float>(code) + (1.0f - m) * mean[i];
      const bool freezes = f > threshold;
      const int next = freezes ? static_cast<int>(round_half_even_small(average)) : code;
      frequency[i] = was_frozen ? frequency[i] : f;
      mean[i] = was_frozen ? mean[i] : average;
      direction[i] = static_cast<std::int8_t>(was_frozen || turn == 0 ? heading : turn);
      last[i] = static_cast<std::int8_t>(was_frozen ? before : next);
      frozen[i] = static_cast<std::uint8_t>(was_frozen || freezes);
    });
  }
  void start(std::span<const std::int8_t> codes) {
    codes_.assign(codes.begin(), codes.end());
    direction_.assign(codes.size(), 0);
    frequency_.assign(codes.size(), 0.0f);
    mean_.assign(codes.begin(), codes.end());
    frozen_.assign(codes.size(), 0);
  }

  double momentum_;
  std::vector<std::int8_t> codes_, direction_;
  std::vector<float> frequency_, mean_;
  std::vector<std::uint8_t> frozen_;
};

/// Adds the gradient of the dampening loss, which draws latent weights to the values of their codes.
/// Formula:   loss = lambda * sum (clip(w, s(n-z), s(p-z)) - s(code - z))^2
/// Shapes:    w, codes, dw of `shape`; p has one scale per tensor, channel or group of it
/// Gradient:  dw += 2 lambda (w - s(code - z)) inside the range, ends included, else 0; the codes count as constant
/// Errors:    Errc::shape if sizes do not fit; Errc::range if lambda is negative or not finite, or a scale is invalid
/// Source:    Nagel 2022, arXiv 2203.11086 (oscillation dampening)
inline void dampening_gradient(std::span<const float> w, std::span<const std::int8_t> codes, const Shape& shape,
                               const QParams& p, float lambda, std::span<float> dw) {
  detail::check_codes("dampening_gradient", shape, p, w.size(), dw.size());
  require(codes.size() == w.size(), Errc::shape, "dampening_gradient: {} weights, {} codes", w.size(), codes.size());
  require(lambda >= 0.0f && std::isfinite(lambda), Errc::range, "dampening_gradient: lambda {} must not be negative",
          lambda);
  const float* from = w.data();
  const std::int8_t* code = codes.data();
  float* to = dw.data();
  detail::code_loop<float>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const float* in = from + first;
    const std::int8_t* q = code + first;
    float* out = to + first;
    lanes(count, [=](std::int64_t i) {
      const detail::CodeRule<float> r = rules(i);
      const float pull = 2.0f * lambda * (in[i] - static_cast<float>(q[i] - r.zero_point) * r.scale);
      out[i] += detail::passes<ClipMask::raw_inclusive>(in[i], 0.0f, r) ? pull : 0.0f;
    });
  });
}

}  // namespace stet
