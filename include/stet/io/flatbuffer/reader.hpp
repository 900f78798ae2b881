#pragma once
// FlatBuffer reader: every offset, length and alignment is checked before it is followed.

#include <stet/core/error.hpp>
#include <stet/io/budget.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet::flatbuffer {

class Table;

/// The bytes of a file, and how much may still be read from them. Offsets of a hostile file may lead to the same bytes
/// again and again; what is made of them in total is limited by a budget.
class Reader {
 public:
  /// Errors:    Errc::format if the file is too short or long, or has another identifier
  Reader(std::span<const std::uint8_t> bytes, std::string_view identifier, std::string name)
      : bytes_(bytes), name_(std::move(name)), budget_(name_, bytes.size(), 8) {
    require(bytes.size() >= 8, Errc::format, "{}: {} bytes are too few for a FlatBuffer", name_, bytes.size());
    require(bytes.size() < std::size_t{1} << 31, Errc::format, "{}: {} bytes are too many for a FlatBuffer", name_,
            bytes.size());
    const std::string_view got(reinterpret_cast<const char*>(bytes.data()) + 4, 4);
    require(got == identifier, Errc::format, "{}: the file identifier at byte 4 is not {}", name_, identifier);
  }

  [[nodiscard]] inline Table root();
  /// Name for messages.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  friend class Table;

  template <class T>
  [[nodiscard]] T at(std::size_t position) const {
    check(position, sizeof(T), sizeof(T), "a number");
    T value;
    std::memcpy(&value, bytes_.data() + position, sizeof(T));
    return value;
  }
  void check(std::size_t position, std::size_t size, std::size_t alignment, const char* what) const {
    require(position <= bytes_.size() && size <= bytes_.size() - position, Errc::format,
            "{}: {} at byte {} with {} bytes lies outside of the file", name_, what, position, size);
    require(position % alignment == 0, Errc::format, "{}: {} at byte {} is not aligned to {} bytes", name_, what,
            position, alignment);
  }
  // The place that the offset at `position` names.
  [[nodiscard]] std::size_t follow(std::size_t position) const {
    const auto offset = at<std::uint32_t>(position);
    require(offset != 0, Errc::format, "{}: the offset at byte {} is zero", name_, position);
    return position + offset;
  }
  // First byte of a vector's elements; count is set to their number.
  [[nodiscard]] std::size_t vector(std::size_t position, std::size_t element, std::size_t& count) {
    count = at<std::uint32_t>(position);
    require(count <= bytes_.size() / element, Errc::format, "{}: the vector at byte {} claims {} elements", name_,
            position, count);
    check(position + 4, count * element, element, "a vector");
    budget_.take(count * element + 32);
    return position + 4;
  }

  std::span<const std::uint8_t> bytes_;
  std::string name_;
  Budget budget_;
};

/// One table of a file. Fields that are absent have their default.
class Table {
 public:
  /// Errors:    of all functions: Errc::format naming file and byte if anything lies outside of it
  Table(Reader& reader, std::size_t position) : reader_(&reader), position_(position) {
    const auto offset = reader.at<std::int32_t>(position);
    const std::int64_t vtable = static_cast<std::int64_t>(position) - offset;
    require(vtable >= 0, Errc::format, "{}: the table at byte {} has its layout at byte {}", reader.name(), position,
            vtable);
    vtable_ = static_cast<std::size_t>(vtable);
    vtable_size_ = reader.at<std::uint16_t>(vtable_);
    require(vtable_size_ >= 4 && vtable_size_ % 2 == 0, Errc::format, "{}: the layout at byte {} claims {} bytes",
            reader.name(), vtable_, vtable_size_);
    reader.check(vtable_, vtable_size_, 2, "a layout");
    size_ = reader.at<std::uint16_t>(vtable_ + 2);
    require(size_ >= 4, Errc::format, "{}: the table at byte {} claims {} bytes", reader.name(), position, size_);
    reader.check(position, size_, 4, "a table");
  }

  /// Whether a field is present.
  [[nodiscard]] bool has(int slot) const { return field(slot, 1) != 0; }

  template <class T>
    requires(std::is_arithmetic_v<T>)
  [[nodiscard]] T number(int slot, T standard) const {
    const std::size_t place = field(slot, sizeof(T));
    return place == 0 ? standard : reader_->at<T>(place);
  }
  [[nodiscard]] bool boolean(int slot, bool standard) const {
    return number<std::uint8_t>(slot, standard ? 1 : 0) != 0;
  }

  /// A string; empty if absent.
  [[nodiscard]] std::string string(int slot) const {
    const std::size_t place = field(slot, 4);
    if (place == 0) return {};
    std::size_t count = 0;
    const std::size_t first = reader_->vector(reader_->follow(place), 1, count);
    const auto text = reader_->bytes_.subspan(first, count);
    return {text.begin(), text.end()};
  }

  /// A vector of numbers; empty if absent.
  template <class T>
    requires(std::is_arithmetic_v<T>)
  [[nodiscard]] std::vector<T> vector(int slot) const {
    const std::size_t place = field(slot, 4);
    if (place == 0) return {};
    std::size_t count = 0;
    const std::size_t first = reader_->vector(reader_->follow(place), sizeof(T), count);
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), reader_->bytes_.data() + first, count * sizeof(T));
    return values;
  }

  /// A table, if present.
  [[nodiscard]] std::optional<Table> table(int slot) const {
    const std::size_t place = field(slot, 4);
    if (place == 0) return std::nullopt;
    return Table(*reader_, reader_->follow(place));
  }

  /// A vector of tables; empty if absent.
  [[nodiscard]] std::vector<Table> tables(int slot) const {
    std::vector<Table> list;
    const std::size_t place = field(slot, 4);
    if (place == 0) return list;
    std::size_t count = 0;
    const std::size_t first = reader_->vector(reader_->follow(place), 4, count);
    // What becomes of a table takes some hundred bytes, wherever its four bytes of offset lead.
    reader_->budget_.take(count * 384);
    list.reserve(count);
    for (std::size_t i = 0; i < count; ++i) list.emplace_back(*reader_, reader_->follow(first + 4 * i));
    return list;
  }

 private:
  // Place of a field in the file, 0 if it is absent.
  [[nodiscard]] std::size_t field(int slot, std::size_t size) const {
    const std::size_t entry = 4 + 2 * static_cast<std::size_t>(slot);
    if (entry + 2 > vtable_size_) return 0;
    const std::size_t offset = reader_->at<std::uint16_t>(vtable_ + entry);
    if (offset == 0) return 0;
    require(offset >= 4 && offset + size <= size_, Errc::format,
            "{}: field {} of the table at byte {} lies outside of the table", reader_->name(), slot, position_);
    return position_ + offset;
  }

  Reader* reader_;
  std::size_t position_, vtable_ = 0, vtable_size_ = 0, size_ = 0;
};

inline Table Reader::root() { return Table(*this, follow(0)); }

}  // namespace stet::flatbuffer
