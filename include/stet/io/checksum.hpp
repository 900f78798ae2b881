#pragma once
// Where the checksum of a safetensors file stands in it, and what it is.

#include <stet/core/hash.hpp>
#include <stet/core/text.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace stet::detail {

// The checksum as it lies in the header: this text, 16 hexadecimal digits and a quotation mark. It is that of the file with
// zeros for digits. A quotation mark inside of a name or text is written \", so this occurs nowhere else.
inline constexpr std::string_view checksum_text = "\"stet_checksum\":\"xxh64 ";
inline constexpr std::string_view checksum_zeros = "0000000000000000";

/// Checksum of a file whose digits begin at this byte.
inline std::string checksum_digits(std::span<const std::uint8_t> file, std::size_t digits) {
  Hash64 hash;
  hash.bytes(file.first(digits))
      .bytes({reinterpret_cast<const std::uint8_t*>(checksum_zeros.data()), checksum_zeros.size()})
      .bytes(file.subspan(digits + checksum_zeros.size()));
  return formatted("{:016x}", hash.value());
}
/// Where the digits begin in a file with this header; npos if there are none.
inline std::size_t find_checksum(std::string_view header) {
  const std::size_t at = header.find(checksum_text);
  if (at == std::string_view::npos || header.size() - at < checksum_text.size() + checksum_zeros.size()) return header.npos;
  return 8 + at + checksum_text.size();
}

}  // namespace stet::detail
