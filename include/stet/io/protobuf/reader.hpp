#pragma once
// Protobuf wire format, read: every length is checked before it is believed, and nothing is copied.

#include <stet/core/error.hpp>
#include <stet/io/protobuf/writer.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::protobuf {

/// One field of a message: its number, its wire type, and the value in the form of that type.
struct Field {
  int number = 0;
  WireType type = WireType::varint;
  std::uint64_t value = 0;                  ///< of varint, fixed32 and fixed64
  std::span<const std::uint8_t> payload{};  ///< of bytes; refers to the file
};

/// Walks over the fields of one message.
/// Errors:    Errc::format if a tag, a number or a length does not fit into the bytes, or a field has a wire type that
///            does not belong to it; the message begins with the name that was given
/// Source:    protobuf.dev, Encoding
class Reader {
 public:
  /// `name` is what errors call the file; it must outlive the reader.
  Reader(std::span<const std::uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(&name) {}

  /// Reads the next field; false at the end of the message.
  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const std::uint64_t tag = varint();
    const std::uint64_t number = tag >> 3;
    if (number == 0 || number > 536870911) refuse(formatted("field number {}", number));
    field.number = static_cast<int>(number);
    switch (tag & 7u) {
      case 0:
        field.type = WireType::varint;
        field.value = varint();
        break;
      case 1:
        field.type = WireType::fixed64;
        field.value = fixed<std::uint64_t>();
        break;
      case 2: {
        field.type = WireType::bytes;
        const std::uint64_t size = varint();
        if (size > bytes_.size() - at_) {
          refuse(formatted("field {} claims {} bytes where {} are left", number, size, bytes_.size() - at_));
        }
        field.payload = bytes_.subspan(at_, static_cast<std::size_t>(size));
        at_ += static_cast<std::size_t>(size);
        break;
      }
      case 5:
        field.type = WireType::fixed32;
        field.value = fixed<std::uint32_t>();
        break;
      default:
        refuse(formatted("field {} has wire type {}, which is not in use", number, tag & 7u));
    }
    return true;
  }

  [[nodiscard]] std::int64_t integer(const Field& f) const {
    expect(f, WireType::varint);
    return static_cast<std::int64_t>(f.value);
  }
  [[nodiscard]] float real(const Field& f) const {
    expect(f, WireType::fixed32);
    return std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
  }
  [[nodiscard]] std::string text(const Field& f) const {
    expect(f, WireType::bytes);
    return {reinterpret_cast<const char*>(f.payload.data()), f.payload.size()};
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes(const Field& f) const {
    expect(f, WireType::bytes);
    return f.payload;
  }
  /// The message that a field holds.
  [[nodiscard]] Reader message(const Field& f) const { return {bytes(f), *name_}; }

  /// Appends the integers of a repeated field, packed or one at a time.
  void integers(const Field& f, std::vector<std::int64_t>& to) const {
    if (f.type != WireType::bytes) {
      to.push_back(integer(f));
      return;
    }
    Reader packed(f.payload, *name_);
    while (packed.at_ < packed.bytes_.size()) to.push_back(static_cast<std::int64_t>(packed.varint()));
  }
  /// Appends the numbers of a repeated field of float or double, packed or one at a time, as they lie in memory.
  template <class T>
  void reals(const Field& f, std::vector<T>& to) const {
    constexpr WireType single = sizeof(T) == 4 ? WireType::fixed32 : WireType::fixed64;
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    if (f.type != WireType::bytes) {
      expect(f, single);
      to.push_back(std::bit_cast<T>(static_cast<Bits>(f.value)));
      return;
    }
    Reader packed(f.payload, *name_);
    while (packed.at_ < packed.bytes_.size()) to.push_back(std::bit_cast<T>(packed.fixed<Bits>()));
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(Errc::format, "{}: not valid protobuf at byte {} of a message: {}", *name_, at_, what);
  }
  void expect(const Field& f, WireType type) const {
    if (f.type != type) {
      refuse(formatted("field {} has wire type {}, expected {}", f.number, static_cast<int>(f.type),
                         static_cast<int>(type)));
    }
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) refuse("a number ends behind the message");
      const std::uint8_t byte = bytes_[at_++];
      if (shift == 63 && byte > 1) refuse("a number has more than 64 bits");
      value |= static_cast<std::uint64_t>(byte & 127u) << shift;
      if (byte < 128) return value;
    }
    refuse("a number has more than ten bytes");
  }
  template <class T>
  T fixed() {
    if (bytes_.size() - at_ < sizeof(T)) refuse("a number ends behind the message");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  const std::string* name_;
  std::size_t at_ = 0;
};

}  // namespace stet::protobuf
