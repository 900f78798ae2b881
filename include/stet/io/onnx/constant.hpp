#pragma once
// Constant: a value of an ONNX graph that is known while it is loaded: weights, axes, shapes.

#include <stet/core/error.hpp>
#include <stet/io/onnx/schema.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace stet::onnx {

/// Stands for the number of samples where a graph computes with shapes.
inline constexpr std::int64_t batch_symbol = std::numeric_limits<std::int64_t>::min();

/// Real or whole numbers with their dimensions; of the others (`known` false) only the name is kept.
struct Constant {
  std::string name{};  ///< of the initializer that it comes from
  Ints dims{};
  bool real = false;
  bool known = true;
  std::vector<float> reals{};
  Ints integers{};

  [[nodiscard]] std::size_t size() const { return real ? reals.size() : integers.size(); }
  /// Dimensions without those of size 1 in front.
  [[nodiscard]] Ints trimmed() const {
    std::size_t ones = 0;
    while (ones < dims.size() && dims[ones] == 1) ++ones;
    return {dims.begin() + static_cast<std::ptrdiff_t>(ones), dims.end()};
  }
};

namespace detail {

template <class T, class U>
std::vector<U> convert_elements(const std::vector<std::uint8_t>& data) {
  std::vector<U> result(data.size() / sizeof(T));
  for (std::size_t i = 0; i < result.size(); ++i) {
    T v;
    std::memcpy(&v, data.data() + i * sizeof(T), sizeof(T));
    result[i] = static_cast<U>(v);
  }
  return result;
}

}  // namespace detail

/// Most whole numbers of a constant that are understood: they are shapes, axes and the like.
inline constexpr std::size_t most_integers = 65536;

/// Numbers of a tensor: float32 is real; int64, int32, int8, uint8 and bool are whole, if they are few; others are not
/// known.
inline Constant make_constant(const TensorInfo& t) {
  Constant c{.name = t.name, .dims = t.dims};
  if (t.type != DataType::float32 && t.data.size() > most_integers * 8) {
    c.known = false;
    return c;
  }
  switch (t.type) {
    case DataType::float32:
      c.real = true;
      c.reals = detail::convert_elements<float, float>(t.data);
      break;
    case DataType::int64:
      c.integers = detail::convert_elements<std::int64_t, std::int64_t>(t.data);
      break;
    case DataType::int32:
      c.integers = detail::convert_elements<std::int32_t, std::int64_t>(t.data);
      break;
    case DataType::int8:
      c.integers = detail::convert_elements<std::int8_t, std::int64_t>(t.data);
      break;
    case DataType::uint8:
    case DataType::boolean:
      c.integers = detail::convert_elements<std::uint8_t, std::int64_t>(t.data);
      break;
    default:
      c.known = false;
  }
  return c;
}

/// The same numbers with dimensions in another order.
inline Constant transposed(const Constant& c, const Ints& perm) {
  Constant result = c;
  const std::size_t rank = c.dims.size();
  std::vector<std::size_t> stride(rank, 1), step(rank), index(rank, 0);
  for (std::size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * at(c.dims[i]);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t from = at(perm[i]);
    result.dims[i] = c.dims[from];
    step[i] = stride[from];
  }
  std::size_t from = 0;
  for (std::size_t to = 0; to < c.size(); ++to) {
    if (c.real) {
      result.reals[to] = c.reals[from];
    } else {
      result.integers[to] = c.integers[from];
    }
    for (std::size_t i = rank; i-- > 0;) {
      from += step[i];
      if (++index[i] < at(result.dims[i])) break;
      from -= step[i] * index[i];
      index[i] = 0;
    }
  }
  return result;
}

}  // namespace stet::onnx
