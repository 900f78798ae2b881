#pragma once
// Packed codes: weight codes of 1, 2 or 4 bits, several to a byte.

#include <stet/core/tensor.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>

namespace stet {

/// Codes as they lie in a file.
/// Formula:   element i sits at bit (i % n)*bits of byte i/n, n = 8/bits, lowest first: two's complement of
///            code / 2^shift; at 1 bit 1 means +1 and 0 means -1
/// Shapes:    bytes [ceil(elements * bits / 8)]; bits behind the last element are 0
struct PackedCodes {
  int bits = 8;   ///< 1, 2, 4 or 8
  int shift = 0;  ///< codes are stored divided by 2^shift, without remainder
  Shape shape{};
  Tensor<std::uint8_t> bytes{};
};

namespace detail {

inline std::int64_t packed_bytes(std::int64_t elements, int bits) { return (elements * bits + 7) / 8; }

}  // namespace detail

/// Packs codes into the fewest bits that hold all of them; nothing is lost.
inline PackedCodes pack_codes(const Tensor<std::int8_t>& codes) {
  unsigned all = 0;
  for (const std::int8_t q : codes.span()) all |= static_cast<unsigned>(std::abs(static_cast<int>(q)));
  const int shift = all == 0 ? 0 : std::countr_zero(all);
  int lo = 0, hi = 0;
  bool signs = true;
  for (const std::int8_t q : codes.span()) {
    const int v = q >> shift;
    lo = std::min(lo, v);
    hi = std::max(hi, v);
    signs = signs && (v == 1 || v == -1);
  }
  const int bits = signs ? 1 : lo >= -2 && hi <= 1 ? 2 : lo >= -8 && hi <= 7 ? 4 : 8;
  PackedCodes packed{bits, shift, codes.shape(),
                     Tensor<std::uint8_t>::zeros(Shape{detail::packed_bytes(codes.size(), bits)})};
  const auto bytes = packed.bytes.edit();
  const int per_byte = 8 / bits;
  const unsigned mask = (1u << bits) - 1u;
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    const int v = codes[i] >> shift;
    const unsigned field = bits == 1 ? (v > 0 ? 1u : 0u) : static_cast<unsigned>(v) & mask;
    std::uint8_t& byte = bytes[static_cast<std::size_t>(i / per_byte)];
    byte = static_cast<std::uint8_t>(byte | (field << (i % per_byte * bits)));
  }
  return packed;
}

/// Codes from their packed form.
/// Errors:    Errc::format if bits, shift and number of bytes cannot come from pack_codes
inline Tensor<std::int8_t> unpack_codes(const PackedCodes& packed) {
  const int bits = packed.bits;
  require(bits == 1 || bits == 2 || bits == 4 || bits == 8, Errc::format, "packed codes: {} bits, must be 1, 2, 4 or 8",
          bits);
  require(packed.shift >= 0 && packed.shift <= 7, Errc::format, "packed codes: shift {} must be 0 to 7", packed.shift);
  const std::int64_t wanted = detail::packed_bytes(packed.shape.elements(), bits);
  require(packed.bytes.size() == wanted, Errc::format, "packed codes: {} of {} bits need {} bytes, got {}", packed.shape,
          bits, wanted, packed.bytes.size());
  Tensor<std::int8_t> codes(packed.shape);
  const auto out = codes.edit();
  const int per_byte = 8 / bits;
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    const int field = packed.bytes[i / per_byte] >> (i % per_byte * bits) & ((1 << bits) - 1);
    const int sign = 1 << (bits - 1);
    const int v = bits == 1 ? 2 * field - 1 : (field ^ sign) - sign;
    const int code = v * (1 << packed.shift);
    require(code >= -128 && code <= 127, Errc::format, "packed codes: element {} is {}, beyond 8 bits", i, code);
    out[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(code);
  }
  return codes;
}

}  // namespace stet
