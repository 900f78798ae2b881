#pragma once
// Hash64: a fingerprint of bytes, to find changed files and to tell runs apart. No protection against intent.

#include <stet/core/requirements.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace stet {

/// XXH64 of bytes that come in pieces; how they are cut does not matter.
/// Units:     a value of 64 bits, the same on every little-endian machine
/// Source:    Y. Collet, xxHash, doc/xxhash_spec.md, XXH64 with seed 0
class Hash64 {
 public:
  Hash64& bytes(std::span<const std::uint8_t> piece) {
    total_ += piece.size();
    const std::uint8_t* from = piece.data();
    std::size_t left = piece.size();
    if (held_ > 0) {
      const std::size_t take = std::min(left, stripe_.size() - held_);
      std::copy_n(from, take, stripe_.data() + held_);
      held_ += take;
      from += take;
      left -= take;
      if (held_ < stripe_.size()) return *this;
      consume(stripe_.data());
      held_ = 0;
    }
    for (; left >= stripe_.size(); left -= stripe_.size(), from += stripe_.size()) consume(from);
    std::copy_n(from, left, stripe_.data());
    held_ = left;
    return *this;
  }
  /// A text with its length, so that "ab", "c" is not "a", "bc".
  Hash64& text(std::string_view piece) {
    number(static_cast<std::uint64_t>(piece.size()));
    return bytes({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
  }
  /// The bytes of numbers as they lie in memory.
  template <class T>
  Hash64& numbers(std::span<const T> values) {
    static_assert(std::is_arithmetic_v<T>, "stet: Hash64 takes numbers");
    return bytes({reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
  }
  template <class T>
  Hash64& number(T value) {
    return numbers(std::span<const T>(&value, 1));
  }

  /// The hash of all that was given so far; more may follow.
  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t h = p5_;
    if (total_ >= stripe_.size()) {
      h = rotated(lanes_[0], 1) + rotated(lanes_[1], 7) + rotated(lanes_[2], 12) + rotated(lanes_[3], 18);
      for (const std::uint64_t lane : lanes_) h = (h ^ mixed(0, lane)) * p1_ + p4_;
    }
    h += total_;
    std::size_t i = 0;
    for (; i + 8 <= held_; i += 8) h = rotated(h ^ mixed(0, load<std::uint64_t>(&stripe_[i])), 27) * p1_ + p4_;
    if (i + 4 <= held_) {
      h = rotated(h ^ (load<std::uint32_t>(&stripe_[i]) * p1_), 23) * p2_ + p3_;
      i += 4;
    }
    for (; i < held_; ++i) h = rotated(h ^ (stripe_[i] * p5_), 11) * p1_;
    h = (h ^ (h >> 33)) * p2_;
    h = (h ^ (h >> 29)) * p3_;
    return h ^ (h >> 32);
  }

 private:
  static constexpr std::uint64_t p1_ = 0x9E3779B185EBCA87u, p2_ = 0xC2B2AE3D27D4EB4Fu, p3_ = 0x165667B19E3779F9u,
                                 p4_ = 0x85EBCA77C2B2AE63u, p5_ = 0x27D4EB2F165667C5u;

  static constexpr std::uint64_t rotated(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
  static constexpr std::uint64_t mixed(std::uint64_t lane, std::uint64_t word) {
    return rotated(lane + word * p2_, 31) * p1_;
  }
  template <class T>
  static T load(const std::uint8_t* from) {
    T word;
    std::memcpy(&word, from, sizeof word);
    return word;
  }
  void consume(const std::uint8_t* stripe) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      lanes_[i] = mixed(lanes_[i], load<std::uint64_t>(stripe + 8 * i));
    }
  }

  std::array<std::uint64_t, 4> lanes_{p1_ + p2_, p2_, 0, 0 - p1_};
  std::array<std::uint8_t, 32> stripe_{};
  std::size_t held_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace stet
