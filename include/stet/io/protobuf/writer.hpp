#pragma once
// Protobuf wire format, written: tagged fields, and messages inside of messages.

#include <stet/core/requirements.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace stet::protobuf {

static_assert(std::endian::native == std::endian::little, "stet writes little-endian files as numbers lie in memory");

/// How the bytes of a field are laid out.
enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// Appends fields to one message.
/// Source:    protobuf.dev, Encoding
class Writer {
 public:
  /// An integer of any sign; negative ones take ten bytes.
  void integer(int field, std::int64_t value) {
    tag(field, WireType::varint);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(int field, float value) {
    tag(field, WireType::fixed32);
    raw(&value, sizeof value);
  }
  void text(int field, std::string_view value) {
    tag(field, WireType::bytes);
    varint(value.size());
    raw(value.data(), value.size());
  }
  void bytes(int field, std::span<const std::uint8_t> value) {
    tag(field, WireType::bytes);
    varint(value.size());
    raw(value.data(), value.size());
  }
  /// A message inside of this one: body(writer) appends its fields.
  template <class Body>
  void message(int field, Body&& body) {
    Writer inner;
    body(inner);
    bytes(field, inner.bytes_);
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  void tag(int field, WireType type) {
    varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(type));
  }
  void varint(std::uint64_t value) {
    while (value >= 128) {
      bytes_.push_back(static_cast<std::uint8_t>(value | 128));
      value >>= 7;
    }
    bytes_.push_back(static_cast<std::uint8_t>(value));
  }
  void raw(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace stet::protobuf
