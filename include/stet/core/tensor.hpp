#pragma once
// Tensor: value semantics over shared pool memory; a copy is free until one of the two is written.

#include <stet/core/pool.hpp>
#include <stet/core/shape.hpp>

#include <algorithm>
#include <concepts>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace stet {

/// Dense row-major array. Copies share storage; edit() detaches, so nobody else's values change.
template <class T>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>, "stet::Tensor holds plain numbers only");

 public:
  using value_type = T;

  /// An empty tensor of shape [0].
  Tensor() : shape_{0} {}
  /// A tensor whose elements are not initialised; every element must be written before it is read.
  explicit Tensor(const Shape& shape)
      : shape_(shape), size_(shape.elements()), block_(bytes()), data_(static_cast<T*>(block_.data())) {}
  Tensor(const Shape& shape, std::span<const T> values) : Tensor(shape) {
    require(static_cast<std::int64_t>(values.size()) == size_, Errc::shape, "Tensor: shape {} needs {} values, got {}",
            shape, size_, values.size());
    if (size_ > 0) std::memcpy(data_, values.data(), values.size_bytes());
  }
  Tensor(const Shape& shape, std::initializer_list<T> values)
      : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}

  Tensor(const Tensor&) = default;
  Tensor& operator=(const Tensor&) = default;
  /// Leaves an empty tensor behind.
  Tensor(Tensor&& other) noexcept
      : shape_(std::exchange(other.shape_, Shape{0})),
        size_(std::exchange(other.size_, 0)),
        block_(std::move(other.block_)),
        data_(std::exchange(other.data_, nullptr)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    if (this == &other) return *this;
    shape_ = std::exchange(other.shape_, Shape{0});
    size_ = std::exchange(other.size_, 0);
    block_ = std::move(other.block_);
    data_ = std::exchange(other.data_, nullptr);
    return *this;
  }
  ~Tensor() = default;

  static Tensor filled(const Shape& shape, T value) {
    Tensor t(shape);
    std::fill_n(t.data_, t.size_, value);
    return t;
  }
  static Tensor zeros(const Shape& shape) { return filled(shape, T{}); }

  /// A tensor over memory that somebody else owns and keeps alive; no copy. edit() writes that memory in place, and
  /// copies of the tensor refer to it too.
  /// Errors:    Errc::shape if the memory has another number of elements
  static Tensor borrow(std::span<T> memory, const Shape& shape) {
    require(static_cast<std::int64_t>(memory.size()) == shape.elements(), Errc::shape,
            "Tensor: shape {} needs {} values, the borrowed memory has {}", shape, shape.elements(), memory.size());
    Tensor t;
    t.shape_ = shape;
    t.size_ = shape.elements();
    t.data_ = memory.data();
    return t;
  }

  /// A tensor over memory of somebody else that is only read; no copy until edit(), which makes one.
  /// Errors:    Errc::shape if the memory has another number of elements
  static Tensor view(std::span<const T> memory, const Shape& shape) {
    Tensor t = borrow({const_cast<T*>(memory.data()), memory.size()}, shape);  // foreign: edit() never writes there
    t.block_ = Block::foreign();
    return t;
  }

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] std::span<const T> span() const { return {data_, static_cast<std::size_t>(size_)}; }
  [[nodiscard]] const T& operator[](std::int64_t i) const { return data_[i]; }

  /// The element at these indices, one per dimension. To write one: t.edit()[t.shape().offset({i, j})], as an index.
  /// Errors:    as Shape::offset
  template <std::convertible_to<std::int64_t>... Index>
  [[nodiscard]] const T& operator()(Index... index) const {
    return data_[shape_.offset({static_cast<std::int64_t>(index)...})];
  }

  /// Text such as [2,2] {1, 2, 3, 4}; of more than 12 elements the first 12.
  [[nodiscard]] std::string str() const {
    std::string text = shape_.str() + " {";
    for (std::int64_t i = 0; i < size_ && i < 12; ++i) text += formatted("{}{}", i == 0 ? "" : ", ", data_[i]);
    return text + (size_ > 12 ? ", ...}" : "}");
  }

  /// Writable elements. Copies the values first if the storage is shared.
  [[nodiscard]] std::span<T> edit() {
    if (!block_.unique()) {
      Block copy(bytes());
      if (size_ > 0) std::memcpy(copy.data(), data_, bytes());
      block_ = std::move(copy);
      data_ = static_cast<T*>(block_.data());
    }
    return {data_, static_cast<std::size_t>(size_)};
  }
  /// Whether writing would have to copy first.
  [[nodiscard]] bool shared() const { return !block_.unique(); }

  /// The same elements under another shape; no copy.
  /// Errors:    Errc::shape if the element counts differ
  [[nodiscard]] Tensor reshaped(const Shape& shape) const {
    require(shape.elements() == size_, Errc::shape, "reshape: {} has {} elements, {} has {}", shape_, size_, shape,
            shape.elements());
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }

 private:
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  Shape shape_;
  std::int64_t size_ = 0;
  Block block_;
  T* data_ = nullptr;
};

}  // namespace stet

template <class T>
struct fmt::formatter<stet::Tensor<T>> : stet::TextFormatter {};
