#pragma once
// LayerOutput: what a layer with weights makes of the products of codes, in real numbers.

#include <stet/integer/clamp.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stet {

/// What a layer makes of the products of its codes and its input's: real values, behind its activation.
/// Formula:   y = clip(scale * product + bias, lo, hi)
struct LayerOutput {
  std::vector<float> scale{}, bias{};  ///< per output channel
  integer::Activation activation = integer::Activation::none;

  [[nodiscard]] float lo() const { return activation.lo; }
  [[nodiscard]] float hi() const { return activation.hi; }
  [[nodiscard]] float operator()(float product, std::size_t c) const { return std::clamp(product * scale[c] + bias[c], lo(), hi()); }
  /// The same for channels [first, first + count).
  [[nodiscard]] LayerOutput part(std::int64_t first, std::int64_t count) const {
    const auto cut = [&](const std::vector<float>& v) { return std::vector<float>(v.begin() + first, v.begin() + first + count); };
    return {cut(scale), cut(bias), activation};
  }
};

}  // namespace stet
