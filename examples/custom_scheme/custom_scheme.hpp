#pragma once
// A scheme, an observer and an estimator that stet does not have.
#include <stet/qat/estimator.hpp>
#include <stet/quant/range_observer.hpp>
#include <stet/quant/scheme.hpp>

/// Weights that are 0 or a power of two times the row's largest: 4 bits, a product is a shift. Not affine: simulation.
struct Log4 {
  stet::Granularity granularity() const { return stet::Granularity::per_channel(0); }
  stet::QParams qparams(std::span<const stet::Range> ranges) const {
    return stet::weight_qparams(ranges, granularity(), {-7, 7});
  }
  static float largest(const stet::QParams& p, const stet::Shape& shape, std::size_t i) {
    return 7 * p.scale[std::size_t(stet::scale_map(p.granularity, shape).index(std::int64_t(i)))];
  }
  void encode(std::span<const float> x, const stet::Shape& shape, const stet::QParams& p, stet::ClipMask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float ratio = std::fabs(x[i]) / largest(p, shape, i);
      const float k = std::fmin(7 + std::round(std::log2(ratio)), 7.0f);  // minus infinity for 0
      codes[i] = static_cast<std::int8_t>(std::isnan(ratio) || k < 1 ? 0 : x[i] < 0 ? -k : k);
      if (i % 32 == 0) pass[i / 32] = 0;
      pass[i / 32] |= static_cast<std::uint32_t>(ratio <= 1) << i % 32;  // not for NaN
    }
  }
  void decode(std::span<const std::int8_t> codes, const stet::Shape& shape, const stet::QParams& p,
              std::span<float> y) const {
    for (std::size_t i = 0; i < y.size(); ++i) {
      const float magnitude = std::ldexp(largest(p, shape, i), std::abs(codes[i]) - 7);
      y[i] = codes[i] == 0 ? 0 : codes[i] < 0 ? -magnitude : magnitude;
    }
  }
};

/// Follows a wider batch at once, a narrower one slowly.
struct PeakObserver : stet::RangeObserver<PeakObserver> {
  static constexpr const char* name = "PeakObserver";
  explicit PeakObserver(const stet::Granularity& g = {}) : RangeObserver(g) {}
  void fold(stet::Range& state, const stet::Range& batch) const {
    state.lo = std::fmin(batch.lo, state.lo + 0.02f * (batch.lo - state.lo));
    state.hi = std::fmax(batch.hi, state.hi + 0.02f * (batch.hi - state.hi));
  }
  stet::Range join(stet::Range a, std::int64_t, stet::Range b, std::int64_t) const { return stet::unite(a, b); }
};

/// Lets a tenth of the gradient of clipped values pass, so that none is stuck.
struct LeakySte : stet::Ste {
  static constexpr bool needs_mask = true;
  stet::Pulled pull(const stet::Tensor<float>& dy, const stet::Kept& kept, const stet::QParams&) const {
    stet::Pulled pulled{dy};
    const auto dx = pulled.dx.edit();
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= stet::test_bit(kept.pass.data(), std::int64_t(i)) ? 1 : 0.1f;
    return pulled;
  }
  double surrogate(double x, const stet::QParams& p, std::size_t k) const {  // what pull is the derivative of
    return 0.1 * x + 0.9 * stet::ClippedSte{}.surrogate(x, p, k);
  }
};
