#pragma once
// Grid: the integers that a code may take.

#include <stet/core/error.hpp>

#include <cstdint>

namespace stet {

/// Inclusive integer range lo..hi of a code.
struct Grid {
  std::int32_t lo = -128, hi = 127;

  /// Any range of 2 to 65536 levels that fits 16 bits, signed or unsigned.
  /// Errors:    Errc::range otherwise
  static Grid range(std::int32_t lo, std::int32_t hi) {
    require(lo < hi && hi - lo <= 65535 && lo >= -32768 && hi <= 65535, Errc::range,
            "Grid: {}..{} is not a range of 2 to 65536 levels within 16 bits", lo, hi);
    return {lo, hi};
  }
  /// -2^(bits-1) .. 2^(bits-1)-1, bits 2 to 16.
  static Grid signed_bits(int bits) {
    check(bits);
    return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
  }
  /// Symmetric -(2^(bits-1)-1) .. 2^(bits-1)-1: negation of a code is always a code.
  static Grid narrow(int bits) {
    check(bits);
    return {-((1 << (bits - 1)) - 1), (1 << (bits - 1)) - 1};
  }
  /// 0 .. 2^bits-1.
  static Grid unsigned_bits(int bits) {
    check(bits);
    return {0, (1 << bits) - 1};
  }
  /// Unsigned grid of up to 8 bits as it lies in an int8 container: -128 .. -128+2^bits-1.
  static Grid activation(int bits = 8) {
    check(bits);
    require(bits <= 8, Errc::range, "Grid: an activation in an int8 container has at most 8 bits, got {}", bits);
    return {-128, -129 + (1 << bits)};
  }
  static constexpr Grid int8() { return {-128, 127}; }
  static constexpr Grid int8_narrow() { return {-127, 127}; }
  static constexpr Grid uint8() { return {0, 255}; }

  [[nodiscard]] constexpr std::int32_t levels() const { return hi - lo + 1; }
  /// Whether the codes fit the int8 container of QTensor.
  [[nodiscard]] constexpr bool fits_int8() const { return lo >= -128 && hi <= 127; }
  [[nodiscard]] constexpr bool contains(std::int32_t code) const { return lo <= code && code <= hi; }
  /// Text such as -128..127.
  [[nodiscard]] std::string str() const { return formatted("{}..{}", lo, hi); }
  friend constexpr bool operator==(const Grid&, const Grid&) = default;

 private:
  static void check(int bits) { require(bits >= 2 && bits <= 16, Errc::range, "Grid: bits must be 2 to 16, got {}", bits); }
};

}  // namespace stet

template <>
struct fmt::formatter<stet::Grid> : stet::TextFormatter {};
