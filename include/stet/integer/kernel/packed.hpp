#pragma once
// Packed weights: int8 codes in the order in which the product kernels read them.

#include <stet/core/error.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/code_sums.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace stet::kernel {

/// Outputs of a panel and taps of a group: the smallest pieces of packed weights.
inline constexpr std::int64_t panel_outputs = 16;
inline constexpr std::int64_t group_taps = 4;

/// Largest sum of absolute codes of one output: with it no operands 0..255 overflow int32, whatever the zero point. The
/// one limit that quantize_weights keeps and the packed weights check.
inline constexpr std::int64_t most_magnitude = ((std::int64_t{1} << 31) - 1) / 255;

/// Int8 weights packed by panels of 16 outputs and groups of 4 taps, the same for every instruction set.
/// Taps come in segments; each segment is filled with zeros up to whole groups, so that its operands may be read four
/// at a time. Layout: [panel][segment][group][16 outputs][4 taps].
class PackedWeights {
 public:
  PackedWeights() = default;
  /// Packs weights [outputs, depth], row-major, in one segment.
  PackedWeights(const std::int8_t* weights, std::int64_t outputs, std::int64_t depth)
      : PackedWeights(weights, outputs, 1, depth) {}
  /// Packs weights [outputs, segments, length], row-major.
  /// Errors:    Errc::shape if a size is below 1; Errc::range if some operands 0..255 could overflow int32
  PackedWeights(const std::int8_t* weights, std::int64_t outputs, std::int64_t segments, std::int64_t length)
      : outputs_(outputs), segments_(segments), groups_((length + group_taps - 1) / group_taps) {
    require(outputs >= 1 && segments >= 1 && length >= 1, Errc::shape,
            "PackedWeights: {} outputs, {} segments of {} taps; each must be at least 1", outputs, segments, length);
    packed_ = Tensor<std::int8_t>::zeros({panels() * panel_bytes()});
    sums_.assign(static_cast<std::size_t>(outputs), 0);
    magnitudes_.assign(static_cast<std::size_t>(outputs), 0);
    std::int8_t* packed = packed_.edit().data();
    const std::int64_t depth = segments * length;
    parallel_chunks(panels(), panel_outputs * depth, [&](Chunk chunk) {
      for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
        const std::int64_t first = p * panel_outputs, count = std::min(panel_outputs, outputs - first);
        for (std::int64_t o = first; o < first + count; ++o) add_sums(o, weights + o * depth, depth);
        for (std::int64_t s = 0; s < segments; ++s) {
          fill(weights + first * depth + s * length, depth, count, length, packed + p * panel_bytes() + s * groups_ * panel_outputs * group_taps);
        }
      }
    });
  }

  [[nodiscard]] std::int64_t outputs() const { return outputs_; }
  [[nodiscard]] std::int64_t panels() const { return (outputs_ + panel_outputs - 1) / panel_outputs; }
  [[nodiscard]] std::int64_t segments() const { return segments_; }
  /// Groups of one segment.
  [[nodiscard]] std::int64_t groups() const { return groups_; }
  [[nodiscard]] std::int64_t panel_bytes() const { return segments_ * groups_ * panel_outputs * group_taps; }
  [[nodiscard]] const std::int8_t* panel(std::int64_t index) const { return packed_.data() + index * panel_bytes(); }
  /// Sum of the codes of each output.
  [[nodiscard]] const std::vector<std::int64_t>& sums() const { return sums_; }
  /// Sum of the absolute codes of each output.
  [[nodiscard]] const std::vector<std::int64_t>& magnitudes() const { return magnitudes_; }

 private:
  void add_sums(std::int64_t output, const std::int8_t* weights, std::int64_t depth) {
    const CodeSums s = code_sums(weights, depth);
    require(s.magnitude <= most_magnitude, Errc::range,
            "PackedWeights: the magnitudes of output {} sum to {}; more than {} can overflow int32", output, s.magnitude,
            most_magnitude);
    sums_[static_cast<std::size_t>(output)] = s.sum;
    magnitudes_[static_cast<std::size_t>(output)] = s.magnitude;
  }

  // One segment of the `count` outputs of a panel, whose rows lie `stride` apart; what is missing is zero already. Groups
  // outside, so that what is written lies in one line of the cache.
  static void fill(const std::int8_t* from, std::int64_t stride, std::int64_t count, std::int64_t length, std::int8_t* to) {
    std::int64_t t = 0;
    for (; t + group_taps <= length; t += group_taps, to += panel_outputs * group_taps) {
      for (std::int64_t o = 0; o < count; ++o) std::memcpy(to + o * group_taps, from + o * stride + t, group_taps);
    }
    for (std::int64_t o = 0; o < count && t < length; ++o) {
      for (std::int64_t i = t; i < length; ++i) to[o * group_taps + i - t] = from[o * stride + i];
    }
  }

  std::int64_t outputs_ = 0, segments_ = 0, groups_ = 0;
  Tensor<std::int8_t> packed_;
  std::vector<std::int64_t> sums_, magnitudes_;
};

/// Rows of operands of a product: row r has its segment s at rows[r] + offsets[s]. Whole groups are read, so up to
/// three bytes behind a segment must be readable; their values do not matter.
struct Operands {
  const std::uint8_t* const* rows = nullptr;
  std::int64_t count = 0;
  const std::int64_t* offsets = nullptr;
  std::int64_t segments = 1;
  std::int64_t groups = 1;  ///< of one segment
};

}  // namespace stet::kernel
