#pragma once
// Depthwise convolution of codes: every channel with filters of its own.

#include <stet/integer/convolution.hpp>
#include <stet/integer/kernel/depthwise.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace stet::integer {

/// Weight codes of a depthwise convolution, packed once. Output c*m + k is filter k of input channel c.
class DepthwiseWeights {
 public:
  /// Shapes:    codes [1,kh,kw,inputs*m]
  /// Errors:    Errc::shape if codes are not so; Errc::range if the magnitudes of an output could overflow int32
  DepthwiseWeights(const Tensor<std::int8_t>& codes, std::int64_t inputs) : shape_(codes.shape()), inputs_(inputs) {
    require(shape_.rank() == 4 && shape_[0] == 1 && codes.size() > 0, Errc::shape,
            "DepthwiseWeights: codes must be [1,kh,kw,inputs*m], got {}", shape_);
    require(inputs >= 1 && outputs() % inputs == 0, Errc::shape,
            "DepthwiseWeights: {} outputs are not a multiple of {} inputs", outputs(), inputs);
    const std::int64_t taps = shape_[1] * shape_[2];
    packed_ = kernel::PackedDepthwise(codes.data(), taps, outputs());
    sums_.assign(static_cast<std::size_t>(outputs()), 0);
    magnitudes_ = sums_;
    for (std::int64_t i = 0; i < codes.size(); ++i) {
      const auto o = static_cast<std::size_t>(i % outputs());
      sums_[o] += codes[i];
      magnitudes_[o] += codes[i] < 0 ? -codes[i] : codes[i];
    }
    for (std::size_t o = 0; o < magnitudes_.size(); ++o) {
      require(magnitudes_[o] <= kernel::most_magnitude, Errc::range,
              "DepthwiseWeights: the magnitudes of output {} sum to {}; more than {} can overflow int32", o,
              magnitudes_[o], kernel::most_magnitude);
    }
  }

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t outputs() const { return shape_[3]; }
  [[nodiscard]] std::int64_t multiplier() const { return outputs() / inputs_; }
  [[nodiscard]] const kernel::PackedDepthwise& packed() const { return packed_; }
  /// Sum of the codes of each output.
  [[nodiscard]] const std::vector<std::int64_t>& sums() const { return sums_; }
  /// Sum of the absolute codes of each output, for check_accumulators.
  [[nodiscard]] const std::vector<std::int64_t>& magnitudes() const { return magnitudes_; }

 private:
  Shape shape_;
  std::int64_t inputs_;
  kernel::PackedDepthwise packed_;
  std::vector<std::int64_t> sums_, magnitudes_;
};

/// Convolves every channel of the codes with its filters, without bias.
/// Formula:   acc[n,y,x,c*m+k] = sum over taps inside the image of w[tap,c*m+k] * (q[n,tap,c] - z_x)
/// Shapes:    x [N,H,W,C] -> rows of N*H'*W' pixels with C*m accumulators, given to the sink
/// Units:     acc in steps of s_x * s_w[c*m+k]
/// Errors:    Errc::shape if x is not [N,H,W,C] with the weights' C or the window does not fit it or the weights;
///            Errc::range if z_x lies outside int8
inline void depthwise(const Codes& x, std::int32_t z_x, const DepthwiseWeights& weights, const Window& window,
                      AccumulatorSink sink) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[3] == weights.inputs(), Errc::shape,
          "depthwise: weights expect an input [N,H,W,{}], got {}", weights.inputs(), s);
  require(window.h.in == s[1] && window.w.in == s[2] && window.h.kernel == weights.shape()[1] &&
              window.w.kernel == weights.shape()[2],
          Errc::shape, "depthwise: window of {}x{} over {}x{} does not fit weights {} and input {}", window.h.kernel,
          window.w.kernel, window.h.in, window.w.in, weights.shape(), s);
  require(z_x >= -128 && z_x <= 127, Errc::range, "depthwise: input zero point {} lies outside int8", z_x);
  const std::int64_t pixels = s[0] * window.h.out * window.w.out;
  if (pixels == 0) return;

  const std::int64_t outputs = weights.outputs();
  const kernel::PackedDepthwise& packed = weights.packed();
  const std::int64_t columns = (window.w.out - 1) * window.w.stride + (window.w.kernel - 1) * window.w.dilation + 1;
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(packed.tap_groups() * kernel::group_taps), 0);
  for (std::int64_t t = 0; t < packed.taps(); ++t) {
    offsets[static_cast<std::size_t>(t)] =
        (t / window.w.kernel * window.h.dilation * columns + t % window.w.kernel * window.w.dilation) * outputs;
  }
  std::vector<std::int32_t> start(static_cast<std::size_t>(packed.period()));
  for (std::size_t i = 0; i < start.size(); ++i) {
    start[i] = static_cast<std::int32_t>(-(z_x + 128) * weights.sums()[i % weights.sums().size()]);
  }

  constexpr std::int64_t most_rows = 512;
  const std::int64_t unit = 32 / std::gcd<std::int64_t>(outputs, 32);
  const std::int64_t block = std::clamp((std::int64_t{8192} / outputs) / unit * unit, unit, most_rows);
  // A depthwise product is bound by memory: count its elements like a convolution's at four times their taps.
  const std::int64_t chunk = chunk_pixels(window, pixels, outputs, 4 * packed.taps());
  parallel((pixels + chunk - 1) / chunk, [&](std::int64_t index) {
    const std::int64_t first = index * chunk;
    const std::int64_t last = std::min(first + chunk, pixels);
    const Bands bands(window, s[3], x.data(), z_x, first, last, weights.multiplier());
    Bands::Walker walker(bands);
    Tensor<std::int32_t> storage(Shape{block, outputs});
    std::int32_t* acc = storage.edit().data();
    for (std::int64_t row = first; row < last; row += block) {
      const std::int64_t count = std::min(block, last - row);
      for (std::int64_t r = 0; r < count;) {
        // Pixels of one line are one row of elements if windows are neighbours.
        const auto run = walker.next(window.w.stride == 1 ? count - r : 1);
        kernel::depthwise(run.address, offsets.data(), packed, start.data(), acc + r * outputs, run.count * outputs);
        r += run.count;
      }
      sink(row, count, acc, outputs);
    }
  });
}

}  // namespace stet::integer
