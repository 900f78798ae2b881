#pragma once
// Weights of 4 bits, two per byte, as .tflite and .onnx files hold them.

#include <stet/core/requirements.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Packs codes of -8..7, the first of each two in the low bits.
inline std::vector<std::uint8_t> packed_int4(std::span<const std::int8_t> codes) {
  std::vector<std::uint8_t> bytes((codes.size() + 1) / 2, 0);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto nibble = static_cast<unsigned>(codes[i]) & 15u;
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] | nibble << (i % 2 == 0 ? 0 : 4));
  }
  return bytes;
}

/// The codes again. Shapes:    bytes [(count+1)/2] -> [count]
inline std::vector<std::int8_t> unpacked_int4(std::span<const std::uint8_t> bytes, std::size_t count) {
  std::vector<std::int8_t> codes(std::min(count, 2 * bytes.size()));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const int nibble = bytes[i / 2] >> (i % 2 == 0 ? 0 : 4) & 15;
    codes[i] = static_cast<std::int8_t>(nibble < 8 ? nibble : nibble - 16);
  }
  return codes;
}

/// Whether codes lie on the narrow grid of 4 bits.
inline bool fits_int4(std::span<const std::int8_t> codes) {
  return std::all_of(codes.begin(), codes.end(), [](std::int8_t q) { return q >= -7 && q <= 7; });
}

}  // namespace stet
