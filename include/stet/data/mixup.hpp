#pragma once
// Mixup: training samples that are mixed with others of their batch.

#include <stet/core/lanes.hpp>
#include <stet/core/random.hpp>
#include <stet/core/text.hpp>
#include <stet/data/batch.hpp>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace stet {

namespace detail {

// Drawn from the gamma distribution of this shape and scale 1, as a logarithm, because small shapes give numbers below what
// double holds.
// Source:    Marsaglia and Tsang 2000, doi 10.1145/358407.358414; for shapes below 1 their section 6
inline double log_gamma_drawn(double shape, Rng& rng) {
  if (shape < 1) {
    const double larger = log_gamma_drawn(shape + 1, rng);
    return larger + std::log(1.0 - rng.uniform()) / shape;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = rng.normal(), v = 1.0 + c * x;
    if (v <= 0) continue;
    const double cube = v * v * v;
    if (std::log(1.0 - rng.uniform()) < 0.5 * x * x + d - d * cube + d * std::log(cube)) return std::log(d * cube);
  }
}

}  // namespace detail

/// Mixes every sample with another one of its batch: all inputs, with one share for the whole batch. The answers stay the
/// samples' own; the batch says who was mixed with whom (Batch::mixing), and fit takes both answers, whatever the loss:
///
///   fit(model, data, {.augment = {RandomFlip{}, Mixup{.alpha = 0.2}}});
///
/// A list has it last, so that what goes before sees whole samples.
/// Formula:   s ~ Beta(alpha, alpha), p a permutation of the batch; x[n] = (1 - s) * x[n] + s * x[p[n]];
///            loss = (1 - s) * loss(y, answers) + s * loss(y, answers of p). Of losses that are linear in the answers (cross-entropy,
///            binary cross-entropy) it is that of mixed answers, and of the squared error too, but for a constant. The accuracy
///            of training is that of the samples' own labels, so it is lower than without
/// Shapes:    inputs [B, ...]
/// Errors:    Errc::range unless alpha is in (0, 1000]; Errc::state if the batch is mixed already
/// Source:    Zhang et al. 2018, arXiv 1710.09412, section 2 and its published code (one share per batch)
struct Mixup {
  double alpha = 0.2;  ///< towards 0 nearly whole samples, 1 every share alike, above that halves

  void operator()(Batch& batch, Rng& rng) const {
    require(alpha > 0 && alpha <= 1000, Errc::range, "Mixup: alpha is {}, must be above 0 and at most 1000", alpha);
    require(batch.mixing.partner.empty(), Errc::state, "Mixup: the batch is mixed already; have one Mixup in the list");
    const double a = detail::log_gamma_drawn(alpha, rng), b = detail::log_gamma_drawn(alpha, rng);
    batch.mixing.share = 1.0 / (1.0 + std::exp(b - a));  // e^a / (e^a + e^b)
    std::vector<std::int64_t>& partner = batch.mixing.partner;
    partner.resize(static_cast<std::size_t>(batch.size()));
    std::iota(partner.begin(), partner.end(), std::int64_t{0});
    rng.shuffle(std::span<std::int64_t>(partner));
    const auto theirs = static_cast<float>(batch.mixing.share), own = static_cast<float>(1 - batch.mixing.share);
    const auto mix = [&](Tensor<float>& x) {
      const Tensor<float> before = x;  // shares the numbers until they are written
      const std::int64_t each = x.size() / batch.size();
      float* to = x.edit().data();
      for (std::int64_t n = 0; n < batch.size(); ++n) {
        float* __restrict row = to + n * each;
        const float* __restrict other = before.data() + partner[static_cast<std::size_t>(n)] * each;
        lanes(each, [=](std::int64_t i) { row[i] = own * row[i] + theirs * other[i]; });
      }
    };
    mix(batch.x);
    for (Tensor<float>& x : batch.more_inputs) mix(x);
  }
  [[nodiscard]] std::string describe() const { return formatted("mixup with alpha {}", alpha); }
};

}  // namespace stet
