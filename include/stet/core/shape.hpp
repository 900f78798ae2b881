#pragma once
// Shape: an inline list of dimensions, row-major, last dimension fastest.

#include <stet/core/error.hpp>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace stet {

/// Dimensions of a tensor; rank 0 is a scalar with one element.
/// Errors:    Errc::shape if a dimension is negative, the rank exceeds max_rank or the element count overflows
class Shape {
 public:
  static constexpr int max_rank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) {
    require(dims.size() <= max_rank, Errc::shape, "Shape: rank {} is more than {}", dims.size(), int{max_rank});
    rank_ = static_cast<int>(dims.size());
    std::int64_t total = 1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      require(dims[i] >= 0, Errc::shape, "Shape: dimension {} is {}, must not be negative", i, dims[i]);
      require(dims[i] == 0 || total <= (std::int64_t{1} << 48) / dims[i], Errc::shape,
              "Shape: too many elements at dimension {} ({})", i, dims[i]);
      total *= dims[i];
      dims_[i] = dims[i];
    }
  }

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] std::int64_t back() const { return rank_ == 0 ? 1 : dims_[static_cast<std::size_t>(rank_ - 1)]; }
  [[nodiscard]] std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  /// Product of all dimensions; 1 for a scalar.
  [[nodiscard]] std::int64_t elements() const { return product(0, rank_); }
  /// Product of the dimensions first, first+1, ..., last-1.
  [[nodiscard]] std::int64_t product(int first, int last) const {
    std::int64_t total = 1;
    for (int i = first; i < last; ++i) total *= dims_[static_cast<std::size_t>(i)];
    return total;
  }
  /// Row-major position of the element at these indices.
  /// Errors:    Errc::shape if there is not one index per dimension; Errc::range if one lies outside
  [[nodiscard]] std::int64_t offset(std::initializer_list<std::int64_t> indices) const {
    if (static_cast<int>(indices.size()) != rank_) {
      fail(Errc::shape, "Shape: {} has {} dimensions, got {} indices", str(), rank_, indices.size());
    }
    std::int64_t offset = 0;
    int axis = 0;
    for (const std::int64_t i : indices) {
      const std::int64_t size = (*this)[axis];
      if (i < 0 || i >= size) fail(Errc::range, "Shape: index {} of axis {} lies outside of {}", i, axis, str());
      offset = offset * size + i;
      ++axis;
    }
    return offset;
  }
  /// The same shape with one dimension exchanged.
  /// Errors:    Errc::shape as the constructor
  [[nodiscard]] Shape with(int axis, std::int64_t size) const {
    Shape s = *this;
    s.dims_[static_cast<std::size_t>(axis)] = size;
    return Shape(s.dims());
  }
  /// The shape with a batch dimension put in front.
  [[nodiscard]] Shape batched(std::int64_t batch) const {
    std::array<std::int64_t, max_rank + 1> dims{batch};
    for (int i = 0; i < rank_; ++i) dims[static_cast<std::size_t>(i + 1)] = dims_[static_cast<std::size_t>(i)];
    return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank_ + 1)));
  }
  /// The shape without its first dimension.
  [[nodiscard]] Shape unbatched() const {
    require(rank_ > 0, Errc::shape, "Shape: a scalar has no batch dimension");
    return Shape(dims().subspan(1));
  }
  /// Text such as [8,28,28,1].
  [[nodiscard]] std::string str() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) text += ',';
      text += std::to_string(dims_[static_cast<std::size_t>(i)]);
    }
    return text + "]";
  }
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, max_rank> dims_{};
  int rank_ = 0;
};

}  // namespace stet

template <>
struct fmt::formatter<stet::Shape> : stet::TextFormatter {};
