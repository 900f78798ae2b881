#pragma once
// FlatBuffer writer: parents are written before their children, whose offsets are put in afterwards.

#include <stet/core/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::flatbuffer {

/// Numbers that a table or vector may hold.
template <class T>
concept Scalar = std::is_arithmetic_v<T> && sizeof(T) <= 8;

/// Fields of a table that is going to be written. A number that equals its default takes no bytes.
class Fields {
 public:
  /// A number of at most four bytes.
  template <Scalar T>
    requires(sizeof(T) <= 4)
  void number(int slot, T value, T standard) {
    if (value == standard) return;
    Field f{slot, sizeof(T), {}};
    std::memcpy(f.bytes, &value, sizeof(T));
    fields_.push_back(f);
  }
  /// An offset to a string, vector or table, which is linked when it is written.
  void child(int slot) { fields_.push_back({slot, 4, {}}); }

 private:
  friend class Writer;
  struct Field {
    int slot;
    std::size_t size;
    std::uint8_t bytes[4];
  };
  std::vector<Field> fields_;
};

/// Where a table was written, and its offsets that wait for their children.
class Placed {
 public:
  /// Place of the field of a slot.
  [[nodiscard]] std::size_t at(int slot) const {
    for (const auto& [s, place] : places_) {
      if (s == slot) return place;
    }
    fail(Errc::state, "flatbuffer: the table has no field {}", slot);
  }
  std::size_t position = 0;

 private:
  friend class Writer;
  std::vector<std::pair<int, std::size_t>> places_;
};

/// Builds a file. The same calls give the same bytes.
/// Source:    FlatBuffers, "FlatBuffer Internals"
class Writer {
 public:
  /// Begins a file with a root offset, which the first table answers, and a file identifier of four characters.
  explicit Writer(std::string_view identifier) : bytes_(8, 0) {
    require(identifier.size() == 4, Errc::range, "flatbuffer: a file identifier has 4 characters, got '{}'",
            identifier);
    std::copy(identifier.begin(), identifier.end(), bytes_.begin() + 4);
  }

  /// Writes the root table.
  Placed root(Fields fields) { return table(0, std::move(fields)); }

  /// Writes a table for the offset at `from`.
  Placed table(std::size_t from, Fields fields) {
    auto& list = fields.fields_;
    std::sort(list.begin(), list.end(),
              [](const auto& a, const auto& b) { return a.size != b.size ? a.size > b.size : a.slot < b.slot; });
    Placed placed;
    int slots = 0;
    std::size_t size = 4;  // offset of the vtable
    for (const auto& f : list) {
      placed.places_.emplace_back(f.slot, size);
      size += f.size;
      slots = std::max(slots, f.slot + 1);
    }
    std::vector<std::uint16_t> vtable(static_cast<std::size_t>(slots) + 2, 0);
    vtable[0] = static_cast<std::uint16_t>(2 * vtable.size());
    vtable[1] = static_cast<std::uint16_t>(size);
    for (const auto& [slot, place] : placed.places_) {
      vtable[static_cast<std::size_t>(slot) + 2] = static_cast<std::uint16_t>(place);
    }
    const std::size_t shared = vtable_position(vtable);
    align(4, 0);
    placed.position = bytes_.size();
    append(static_cast<std::int32_t>(static_cast<std::int64_t>(placed.position) - static_cast<std::int64_t>(shared)));
    for (const auto& f : list) bytes_.insert(bytes_.end(), f.bytes, f.bytes + f.size);
    for (auto& [slot, place] : placed.places_) place += placed.position;
    link(from, placed.position);
    return placed;
  }

  /// Writes a string for the offset at `from`.
  void string(std::size_t from, std::string_view text) {
    align(4, 0);
    link(from, bytes_.size());
    append(static_cast<std::uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back(0);
  }

  /// Writes a vector of numbers for the offset at `from`; its first element lies at a multiple of the alignment.
  template <Scalar T>
  void vector(std::size_t from, std::span<const T> values, std::size_t alignment = sizeof(T)) {
    align(std::max<std::size_t>(alignment, 4), 4);
    link(from, bytes_.size());
    append(static_cast<std::uint32_t>(values.size()));
    const auto* data = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes_.insert(bytes_.end(), data, data + values.size_bytes());
  }
  template <Scalar T>
  void vector(std::size_t from, const std::vector<T>& values, std::size_t alignment = sizeof(T)) {
    vector(from, std::span<const T>(values), alignment);
  }

  /// Writes a vector of offsets for the offset at `from`; returns the places of its elements.
  std::vector<std::size_t> children(std::size_t from, std::size_t count) {
    align(4, 0);
    link(from, bytes_.size());
    append(static_cast<std::uint32_t>(count));
    std::vector<std::size_t> places(count);
    for (std::size_t& place : places) {
      place = bytes_.size();
      append(std::uint32_t{0});
    }
    return places;
  }

  /// The finished file.
  /// Errors:    Errc::range if it has 2 GiB or more, which offsets cannot span
  [[nodiscard]] std::vector<std::uint8_t> finish() && {
    align(16, 0);
    require(bytes_.size() < std::size_t{1} << 31, Errc::range, "flatbuffer: {} bytes are too many, the limit is 2 GiB",
            bytes_.size());
    return std::move(bytes_);
  }

 private:
  template <Scalar T>
  void append(T value) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), data, data + sizeof(T));
  }
  // Pads until what begins `ahead` bytes after the end is aligned.
  void align(std::size_t alignment, std::size_t ahead) {
    while ((bytes_.size() + ahead) % alignment != 0) bytes_.push_back(0);
  }
  // Offsets are unsigned, so a child lies behind the field that names it.
  void link(std::size_t from, std::size_t to) {
    const auto offset = static_cast<std::uint32_t>(to - from);
    std::memcpy(bytes_.data() + from, &offset, sizeof(offset));
  }
  // Place of a table of field positions: of an equal one if there was one.
  std::size_t vtable_position(const std::vector<std::uint16_t>& vtable) {
    for (const auto& [known, place] : vtables_) {
      if (known == vtable) return place;
    }
    align(2, 0);
    const std::size_t place = bytes_.size();
    for (const std::uint16_t v : vtable) append(v);
    vtables_.emplace_back(vtable, place);
    return place;
  }

  std::vector<std::uint8_t> bytes_;
  std::vector<std::pair<std::vector<std::uint16_t>, std::size_t>> vtables_;
};

}  // namespace stet::flatbuffer
