#pragma once
// Codes: a read-only view of int8 codes with their shape, made from a tensor or from memory that somebody else planned.

#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>

#include <cstdint>
#include <span>

namespace stet::integer {

/// Shape and first element of row-major int8 codes; does not own them.
class Codes {
 public:
  Codes(const Tensor<std::int8_t>& codes) : shape_(codes.shape()), data_(codes.data()) {}  // NOLINT: a parameter type
  /// Errors:    Errc::shape if the memory does not hold the shape's elements
  Codes(const Shape& shape, std::span<const std::int8_t> codes) : shape_(shape), data_(codes.data()) {
    require(static_cast<std::int64_t>(codes.size()) == shape.elements(), Errc::shape,
            "Codes: shape {} needs {} codes, got {}", shape, shape.elements(), codes.size());
  }

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] const std::int8_t* data() const { return data_; }
  [[nodiscard]] std::int64_t size() const { return shape_.elements(); }

 private:
  Shape shape_;
  const std::int8_t* data_;
};

namespace detail {

// Checks the memory of a result.
inline void require_size(const char* op, const Shape& shape, std::size_t elements) {
  require(static_cast<std::int64_t>(elements) == shape.elements(), Errc::shape,
          "{}: the result {} needs {} elements, got {}", op, shape, shape.elements(), elements);
}

// Calls body(first, last) over elements in parallel; every first is a multiple of 32, so no word of bits is shared.
inline void parallel_words(std::int64_t elements, FunctionRef<void(std::int64_t, std::int64_t)> body) {
  parallel_chunks((elements + 31) / 32, 32, [&](Chunk words) {
    body(words.first * 32, words.last * 32 < elements ? words.last * 32 : elements);
  });
}

}  // namespace detail

}  // namespace stet::integer
