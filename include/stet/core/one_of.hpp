#pragma once
// OneOf: a value of one of several types. What std::variant does, at a fraction of its compile time: with 29 operators
// the tables behind a std::variant's copy, move and destruction cost 1 to 2 s in every unit that builds a graph.

#include <stet/core/requirements.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace stet {

/// Holds a value of exactly one of the types Ts, which are all different. Plain types are copied as bytes; code exists
/// only for those with a copy constructor or destructor of their own, which must move without throwing.
template <class... Ts>
class OneOf {
  static constexpr std::size_t largest() {
    std::size_t size = 0;
    ((size = sizeof(Ts) > size ? sizeof(Ts) : size), ...);
    return size;
  }

 public:
  static constexpr std::size_t count = sizeof...(Ts);
  template <std::size_t I>
  using alternative = std::tuple_element_t<I, std::tuple<Ts...>>;

  /// Position of a type in the list; count if it is none of them.
  template <class T>
  static constexpr std::size_t index_of() {
    std::size_t index = 0;
    (void)((std::is_same_v<T, Ts> || (++index, false)) || ...);
    return index;
  }

  template <class T>
    requires(std::same_as<T, Ts> || ...)
  OneOf(T value) noexcept : index_(index_of<T>()) {  // NOLINT: implicit by design
    ::new (static_cast<void*>(bytes_)) T(std::move(value));
  }
  OneOf(const OneOf& other) : index_(other.index_) {
    if (!(copy<Ts>(other) || ...)) std::memcpy(bytes_, other.bytes_, sizeof(bytes_));
  }
  OneOf(OneOf&& other) noexcept : index_(other.index_) { take(other); }
  OneOf& operator=(OneOf other) noexcept {
    (destroy<Ts>(), ...);
    index_ = other.index_;
    take(other);
    return *this;
  }
  ~OneOf() { (destroy<Ts>(), ...); }

  [[nodiscard]] std::size_t index() const { return index_; }
  template <class T>
  [[nodiscard]] bool is() const {
    static_assert(index_of<T>() < count, "OneOf: this type is none of the alternatives");
    return index_ == index_of<T>();
  }
  /// The value if it is of type T, else null.
  template <class T>
  [[nodiscard]] const T* get_if() const {
    return is<T>() ? std::launder(reinterpret_cast<const T*>(bytes_)) : nullptr;
  }
  template <class T>
  [[nodiscard]] T* get_if() {
    return is<T>() ? std::launder(reinterpret_cast<T*>(bytes_)) : nullptr;
  }

 private:
  template <class T>
  static constexpr bool plain = std::is_trivially_copyable_v<T>;

  template <class T>
  bool copy(const OneOf& other) {
    if constexpr (!plain<T>) {
      if (const T* value = other.get_if<T>()) {
        ::new (static_cast<void*>(bytes_)) T(*value);
        return true;
      }
    }
    return false;
  }
  template <class T>
  bool move(OneOf& other) noexcept {
    if constexpr (!plain<T>) {
      static_assert(std::is_nothrow_move_constructible_v<T>);
      if (T* value = other.get_if<T>()) {
        ::new (static_cast<void*>(bytes_)) T(std::move(*value));
        return true;
      }
    }
    return false;
  }
  void take(OneOf& other) noexcept {
    if (!(move<Ts>(other) || ...)) std::memcpy(bytes_, other.bytes_, sizeof(bytes_));
  }
  template <class T>
  void destroy() noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      if (T* value = get_if<T>()) value->~T();
    }
  }

  alignas(Ts...) std::byte bytes_[largest()]{};
  std::size_t index_;
};

}  // namespace stet
