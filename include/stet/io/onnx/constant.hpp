#pragma once
// Constant: a value of an ONNX graph that is known while it is loaded: weights, axes, shapes.

#include <stet/core/error.hpp>
#include <stet/io/float16.hpp>
#include <stet/io/onnx/schema.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
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
std::vector<U> convert_elements(
    const std::vector<std::uint8_t>& data, U (*convert)(T) = [](T v) { return static_cast<U>(v); }) {
  std::vector<U> result(data.size() / sizeof(T));
  for (std::size_t i = 0; i < result.size(); ++i) {
    T v;
    std::memcpy(&v, data.data() + i * sizeof(T), sizeof(T));
    result[i] = convert(v);
  }
  return result;
}

}  // namespace detail

/// Most whole numbers of a constant that are understood: they are shapes, axes and the like.
inline constexpr std::size_t most_integers = 65536;

/// Whether numbers of a type are real; those of other widths than 32 bits become float32.
constexpr bool is_real(DataType type) {
  return type == DataType::float32 || type == DataType::float16 || type == DataType::bfloat16 ||
         type == DataType::float64;
}

/// Numbers of a tensor: float32, float16, bfloat16 and double are real; int64, int32, int8, uint8 and bool are whole, if
/// they are few; others are not known.
/// Rounding:  of double, half to even
inline Constant make_constant(const TensorInfo& t) {
  Constant c{.name = t.name, .dims = t.dims, .real = is_real(t.type)};
  if (!c.real && t.data.size() > most_integers * 8) {
    c.known = false;
    return c;
  }
  switch (t.type) {
    case DataType::float32:
      c.reals = detail::convert_elements<float, float>(t.data);
      break;
    case DataType::float64:
      c.reals = detail::convert_elements<double, float>(t.data);
      break;
    case DataType::float16:
      c.reals = detail::convert_elements<std::uint16_t, float>(t.data, float_of_float16);
      break;
    case DataType::bfloat16:
      c.reals = detail::convert_elements<std::uint16_t, float>(t.data, float_of_bfloat16);
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

/// Distance of neighbours along each dimension of elements that lie row by row.
inline std::vector<std::size_t> strides(std::span<const std::int64_t> dims) {
  std::vector<std::size_t> stride(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) stride[i - 1] = stride[i] * at(dims[i]);
  return stride;
}
/// For each of some elements with these dimensions, row by row, its place where neighbours are `step` apart.
inline std::vector<std::size_t> places(std::size_t count, const Ints& dims, const std::vector<std::size_t>& step) {
  std::vector<std::size_t> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t rest = i;
    for (std::size_t d = dims.size(); d-- > 0; rest /= at(dims[d])) result[i] += rest % at(dims[d]) * step[d];
  }
  return result;
}

namespace detail {

// Elements in another order, of which each run along the last dimension is `step` apart.
template <class T>
std::vector<T> transposed(const std::vector<T>& from, const Ints& dims, const std::vector<std::size_t>& step) {
  if (from.empty() || dims.empty()) return from;
  std::vector<T> to(from.size());
  const std::size_t last = dims.size() - 1, run = at(dims[last]);
  std::vector<std::size_t> at_row(last, 0);
  std::size_t start = 0;
  for (std::size_t i = 0; i < to.size(); i += run) {
    for (std::size_t j = 0; j < run; ++j) to[i + j] = from[start + j * step[last]];
    for (std::size_t d = last; d-- > 0;) {
      start += step[d];
      if (++at_row[d] < at(dims[d])) break;
      start -= at_row[d] * step[d];
      at_row[d] = 0;
    }
  }
  return to;
}

}  // namespace detail

/// The same numbers with dimensions in another order.
inline Constant transposed(const Constant& c, const Ints& perm) {
  Constant result{.name = c.name, .dims = {}, .real = c.real, .known = c.known};
  const std::vector<std::size_t> stride = strides(c.dims);
  std::vector<std::size_t> step;
  for (const std::int64_t d : perm) {
    result.dims.push_back(c.dims[at(d)]);
    step.push_back(stride[at(d)]);
  }
  result.reals = detail::transposed(c.reals, result.dims, step);
  result.integers = detail::transposed(c.integers, result.dims, step);
  return result;
}

}  // namespace stet::onnx
