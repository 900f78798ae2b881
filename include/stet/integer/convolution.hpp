#pragma once
// Convolution of codes: exact int32 accumulators, handed on in blocks that stay in the cache.

#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/bands.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/kernel/product.hpp>
#include <stet/integer/requantize.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace stet::integer {

/// Takes a block of accumulators: acc[r*stride + c] belongs to row first_row + r and output c, r in [0, rows).
/// A row is an output pixel (n, then y, then x) or a row of the batch. Blocks come from several threads at the same
/// time, cut from the shape alone; first_row * outputs is a multiple of 32, and stride = outputs.
using AccumulatorSink =
    FunctionRef<void(std::int64_t first_row, std::int64_t rows, const std::int32_t* acc, std::int64_t stride)>;

/// Weight codes of a convolution or linear layer, packed once.
class ConvolutionWeights {
 public:
  /// Shapes:    codes [O,kh,kw,I/groups] of a convolution, or [O,I] of a linear layer
  /// Errors:    Errc::shape if the rank is neither, a dimension is 0 or the groups do not divide O; Errc::range if the
  ///            magnitudes of an output could overflow int32
  explicit ConvolutionWeights(const Tensor<std::int8_t>& codes, std::int64_t groups = 1) : shape_(codes.shape()) {
    require(shape_.rank() == 4 || shape_.rank() == 2, Errc::shape,
            "ConvolutionWeights: codes must be [O,kh,kw,I/groups] or [O,I], got {}", shape_);
    require(codes.size() > 0, Errc::shape, "ConvolutionWeights: codes {} are empty", shape_);
    require(groups >= 1 && outputs() % groups == 0, Errc::shape,
            "ConvolutionWeights: {} groups do not divide {} outputs", groups, outputs());
    const std::int64_t per_group = outputs() / groups;
    const std::int64_t line = kernel_width() * group_inputs();
    // Windows are read line by line where lines are contiguous, else tap by tap; both need whole groups of taps.
    by_line_ = groups == 1;
    by_tap_ = groups > 1 || group_inputs() % kernel::group_taps == 0 || kernel_width() == 1;
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int8_t* w = codes.data() + g * per_group * kernel_height() * line;
      if (by_line_) lines_.emplace_back(w, per_group, kernel_height(), line);
      if (!by_line_ || !by_tap_) taps_.emplace_back(w, per_group, kernel_height() * kernel_width(), group_inputs());
      const auto& packed = by_line_ ? lines_.back() : taps_.back();
      sums_.insert(sums_.end(), packed.sums().begin(), packed.sums().end());
      magnitudes_.insert(magnitudes_.end(), packed.magnitudes().begin(), packed.magnitudes().end());
    }
    groups_ = groups;
  }

  /// About how many bytes packing takes: panels and groups of taps are filled up, 64 times the codes where each group has
  /// one output and one input.
  static std::int64_t packed_bytes(const Shape& codes, std::int64_t groups) {
    constexpr std::int64_t object = 1024;  // of a group, beside its codes
    const std::int64_t rows = codes.rank() == 2 ? 1 : codes[1], columns = codes.rank() == 2 ? 1 : codes[2];
    const auto filled = [](std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; };
    const std::int64_t outputs = groups * filled((codes[0] + groups - 1) / groups, kernel::panel_outputs);
    const bool twice = groups == 1 && columns > 1 && codes.back() % kernel::group_taps != 0;
    const std::int64_t lines = rows * filled(columns * codes.back(), kernel::group_taps);
    const std::int64_t taps = rows * columns * filled(codes.back(), kernel::group_taps);
    return outputs * ((groups == 1 ? lines : 0) + (groups > 1 || twice ? taps : 0)) + groups * object;
  }

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t outputs() const { return shape_[0]; }
  [[nodiscard]] std::int64_t kernel_height() const { return shape_.rank() == 2 ? 1 : shape_[1]; }
  [[nodiscard]] std::int64_t kernel_width() const { return shape_.rank() == 2 ? 1 : shape_[2]; }
  [[nodiscard]] std::int64_t group_inputs() const { return shape_.back(); }
  [[nodiscard]] std::int64_t groups() const { return groups_; }
  [[nodiscard]] std::int64_t inputs() const { return group_inputs() * groups_; }
  /// Products of one accumulator.
  [[nodiscard]] std::int64_t taps() const { return kernel_height() * kernel_width() * group_inputs(); }
  /// Sum of the codes of each output.
  [[nodiscard]] const std::vector<std::int64_t>& sums() const { return sums_; }
  /// Sum of the absolute codes of each output, for check_accumulators.
  [[nodiscard]] const std::vector<std::int64_t>& magnitudes() const { return magnitudes_; }

  /// Packed weights of a group, and whether their segments are window lines (else single taps).
  struct View {
    const kernel::PackedWeights* packed;
    bool by_line;
  };
  [[nodiscard]] View view(std::int64_t group, bool contiguous_lines) const {
    if (by_line_ && (contiguous_lines || by_tap_)) return {&lines_[static_cast<std::size_t>(group)], contiguous_lines};
    return {&taps_[static_cast<std::size_t>(group)], false};
  }

 private:
  Shape shape_;
  std::int64_t groups_ = 1;
  bool by_line_ = true, by_tap_ = true;  // layouts that lines_ can be read in
  std::vector<kernel::PackedWeights> lines_, taps_;
  std::vector<std::int64_t> sums_, magnitudes_;
};

namespace detail {

// Rows of a block, whose accumulators stay in the first-level cache and that shares no word of pass bits.
inline constexpr std::int64_t most_block_rows = 512;
inline std::int64_t block_rows(std::int64_t outputs) {
  const std::int64_t unit = std::lcm(32 / std::gcd<std::int64_t>(outputs, 32), std::int64_t{8});
  return std::clamp((std::int64_t{8192} / outputs) / unit * unit, unit, most_block_rows);
}

// Walks over the blocks of a convolution. make() gives what takes those of a chunk: multiply(operands, weights of a group,
// where sums start, first output of the group, first row) for every group, then finish(first row, rows). Sums start with
// `bias`, if there is one.
template <class Make>
void for_each_block(const Codes& x, std::int32_t z_x, const ConvolutionWeights& weights, const Window& window,
                    const std::int32_t* bias, const Make& make) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[3] == weights.inputs(), Errc::shape,
          "convolve: weights expect an input [N,H,W,{}], got {}", weights.inputs(), s);
  require(window.h.in == s[1] && window.w.in == s[2] && window.h.kernel == weights.kernel_height() &&
              window.w.kernel == weights.kernel_width(),
          Errc::shape, "convolve: window of {}x{} over {}x{} does not fit weights {} and input {}", window.h.kernel,
          window.w.kernel, window.h.in, window.w.in, weights.shape(), s);
  require(z_x >= -128 && z_x <= 127, Errc::range, "convolve: input zero point {} lies outside int8", z_x);
  const std::int64_t pixels = s[0] * window.h.out * window.w.out;
  if (pixels == 0) return;

  const std::int64_t outputs = weights.outputs();
  const std::int64_t groups = weights.groups();
  const std::int64_t group_outputs = outputs / groups;
  const auto first_view = weights.view(0, window.w.dilation == 1);
  const std::int64_t line_taps = first_view.by_line ? 1 : window.w.kernel;
  const std::int64_t segments = window.h.kernel * line_taps;
  const std::int64_t segment_groups = first_view.packed->segments() * first_view.packed->groups() / segments;
  const std::int64_t pitch =
      ((window.w.out - 1) * window.w.stride + (window.w.kernel - 1) * window.w.dilation + 1) * s[3];

  // Offsets of the segments from the window's first tap, and the accumulators' start: -(z_x + 128) * sum of weights.
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(groups * segments));
  const std::int64_t padded = first_view.packed->panels() * kernel::panel_outputs;
  std::vector<std::int32_t> start(static_cast<std::size_t>(groups * padded), 0);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t i = 0; i < segments; ++i) {
      offsets[static_cast<std::size_t>(g * segments + i)] = i / line_taps * window.h.dilation * pitch +
                                                            i % line_taps * window.w.dilation * s[3] +
                                                            g * weights.group_inputs();
    }
    for (std::int64_t o = 0; o < group_outputs; ++o) {
      const auto output = static_cast<std::size_t>(g * group_outputs + o);
      const std::int64_t zero = -(z_x + 128) * weights.sums()[output];
      start[static_cast<std::size_t>(g * padded + o)] = static_cast<std::int32_t>(bias == nullptr ? zero : zero + bias[output]);
    }
  }

  const std::int64_t block = block_rows(outputs);
  const std::int64_t chunk = chunk_pixels(window, pixels, outputs, weights.taps());
  parallel((pixels + chunk - 1) / chunk, [&](std::int64_t index) {
    const std::int64_t first = index * chunk;
    const std::int64_t last = std::min(first + chunk, pixels);
    const Bands bands(window, s[3], x.data(), z_x, first, last);
    Bands::Walker walker(bands);
    auto emit = make();
    std::array<const std::uint8_t*, most_block_rows> rows;
    for (std::int64_t row = first; row < last; row += block) {
      const std::int64_t count = std::min(block, last - row);
      for (std::int64_t r = 0; r < count;) {
        const auto run = walker.next(count - r);
        for (std::int64_t i = 0; i < run.count; ++i) rows[static_cast<std::size_t>(r + i)] = run.address + i * run.step;
        r += run.count;
      }
      for (std::int64_t g = 0; g < groups; ++g) {
        const kernel::Operands operands{rows.data(), count, offsets.data() + g * segments, segments, segment_groups};
        emit.multiply(operands, *weights.view(g, window.w.dilation == 1).packed, start.data() + g * padded, g * group_outputs, row);
      }
      emit.finish(row, count);
    }
  });
}

// Accumulators of a block, for a sink.
class ToSink {
 public:
  ToSink(std::int64_t outputs, AccumulatorSink sink)
      : outputs_(outputs), sink_(sink), storage_(Shape{block_rows(outputs), outputs}), acc_(storage_.edit().data()) {}
  void multiply(const kernel::Operands& a, const kernel::PackedWeights& w, const std::int32_t* start, std::int64_t output, std::int64_t) {
    kernel::product(a, w, start, acc_ + output, outputs_);
  }
  void finish(std::int64_t row, std::int64_t count) { sink_(row, count, acc_, outputs_); }

 private:
  std::int64_t outputs_;
  AccumulatorSink sink_;
  Tensor<std::int32_t> storage_;
  std::int32_t* acc_;
};

// Codes, made by the kernel.
struct ToCodes {
  kernel::CodesTail tail;
  void multiply(const kernel::Operands& a, const kernel::PackedWeights& w, const std::int32_t* start, std::int64_t, std::int64_t row) const {
    kernel::CodesTail at = tail;
    at.out += row * tail.stride;
    kernel::product_to_codes(a, w, start, at);
  }
  void finish(std::int64_t, std::int64_t) const {}
};

}  // namespace detail

/// Convolves codes with packed weights, without bias.
/// Formula:   acc[n,y,x,o] = sum over taps inside the image of w[o,tap] * (q[n,tap] - z_x)
/// Shapes:    x [N,H,W,I] -> rows of N*H'*W' pixels with O accumulators, given to the sink
/// Units:     acc in steps of s_x * s_w[o]
/// Errors:    Errc::shape if x is not [N,H,W,I] with the weights' I or the window does not fit it or the weights;
///            Errc::range if z_x lies outside int8
inline void convolve(const Codes& x, std::int32_t z_x, const ConvolutionWeights& weights, const Window& window,
                     AccumulatorSink sink) {
  detail::for_each_block(x, z_x, weights, window, nullptr, [&] { return detail::ToSink(weights.outputs(), sink); });
}

/// Convolves codes and requantizes.
/// Formula:   convolve, then requantize_rows
/// Shapes:    x [N,H,W,I] -> out [N*H'*W', O]
/// Errors:    as convolve; Errc::shape if the requantizer has another number of channels
inline void convolve_to_codes(const Codes& x, std::int32_t z_x, const ConvolutionWeights& weights, const Window& window,
                              const Requantizer& r, std::int8_t* out) {
  require(r.channels == weights.outputs(), Errc::shape, "convolve_to_codes: weights have {} outputs, requantization has {}",
          weights.outputs(), r.channels);
  if (!kernel::makes_codes() || weights.groups() != 1 || r.rule != Requantization::float_half_even) {
    return convolve(x, z_x, weights, window, CodesSink{r, out});
  }
  const kernel::CodesTail tail{r.scale.data(), static_cast<float>(r.bounds.lo - r.zero_point), static_cast<float>(r.bounds.hi - r.zero_point),
                               r.zero_point, out, r.channels};
  detail::for_each_block(x, z_x, weights, window, r.bias.data(), [&] { return detail::ToCodes{tail}; });
}

namespace detail {

// The input of a linear layer as images of one pixel.
inline Codes rows_of(const Codes& x, const ConvolutionWeights& weights) {
  const Shape& s = x.shape();
  require(weights.shape().rank() == 2 && weights.groups() == 1, Errc::shape,
          "linear: weights must be [O,I] without groups, got {} in {} groups", weights.shape(), weights.groups());
  const bool rows = s.rank() >= 2 && s.back() == weights.inputs();
  require(rows || (s.rank() >= 2 && s.product(1, s.rank()) == weights.inputs()), Errc::shape,
          "linear: weights {} expect rows of {} inputs, got {}", weights.shape(), weights.inputs(), s);
  return {Shape{rows ? s.product(0, s.rank() - 1) : s[0], 1, 1, weights.inputs()}, {x.data(), static_cast<std::size_t>(x.size())}};
}
inline Window row_window() { return make_window("linear", 1, 1, 1, 1, 1, Padding::valid()); }

}  // namespace detail

/// Multiplies a batch of rows of codes with packed weights, without bias.
/// Formula:   acc[n,o] = sum over i of w[o,i] * (q[n,i] - z_x)
/// Shapes:    x [N,I], or [N,...] with I elements per row -> N rows of O accumulators, given to the sink
/// Units:     acc in steps of s_x * s_w[o]
/// Errors:    Errc::shape if the weights are not [O,I] with I elements per row of x;
///            Errc::range if z_x lies outside int8
inline void linear(const Codes& x, std::int32_t z_x, const ConvolutionWeights& weights, AccumulatorSink sink) {
  convolve(detail::rows_of(x, weights), z_x, weights, detail::row_window(), sink);
}

/// The same, requantized.
/// Shapes:    out [N,O]
/// Errors:    as linear and convolve_to_codes
inline void linear_to_codes(const Codes& x, std::int32_t z_x, const ConvolutionWeights& weights, const Requantizer& r, std::int8_t* out) {
  convolve_to_codes(detail::rows_of(x, weights), z_x, weights, detail::row_window(), r, out);
}

}  // namespace stet::integer
