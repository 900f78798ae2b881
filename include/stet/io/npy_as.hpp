#pragma once
// NumPy's .npy files of any type of numbers and any order, as the type that is wanted.

#include <stet/io/float16.hpp>
#include <stet/io/npy.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet {

namespace detail {

// Half precision, as its bits.
struct NpyHalf {
  std::uint16_t bits = 0;
};

// Elements of another type; those that To has no number for are an error.
template <class To, class From>
Tensor<To> converted(const NpyFile& file) {
  const std::size_t count = static_cast<std::size_t>(file.header.shape.elements()), wanted = count * sizeof(From);
  require(file.bytes.size() - file.start == wanted, Errc::format, "npy file {}: {} bytes of data, shape {} of '{}' needs {}", file.path,
          file.bytes.size() - file.start, file.header.shape, file.header.type, wanted);
  const bool swapped = file.header.type[0] == '>';
  Tensor<To> to(file.header.shape);
  auto out = to.edit();
  for (std::size_t i = 0; i < count; ++i) {
    std::array<std::uint8_t, sizeof(From)> raw{};
    std::copy_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(file.start + i * sizeof(From)), sizeof(From), raw.begin());
    if (swapped) std::reverse(raw.begin(), raw.end());
    const auto element = [&] {
      const From from = std::bit_cast<From>(raw);
      if constexpr (std::is_same_v<From, NpyHalf>) {
        return float_of_float16(from.bits);
      } else {
        return from;
      }
    }();
    const auto value = static_cast<double>(element);  // integers beyond 2^53 are rounded: they fit no smaller integer either
    if constexpr (std::is_integral_v<To>) {
      const bool fits = value == std::floor(value) && value >= static_cast<double>(std::numeric_limits<To>::min()) &&
                        value < 2.0 * static_cast<double>(std::numeric_limits<To>::max() / 2 + 1);
      require(fits, Errc::range, "npy file {}: element {} is {}, which is no integer of {} bits", file.path, i, value, 8 * sizeof(To));
    } else {
      require(!std::isfinite(value) || std::isfinite(static_cast<To>(value)), Errc::range, "npy file {}: element {} is {}, too large for float",
              file.path, i, value);
    }
    out[i] = static_cast<To>(element);
  }
  return to;
}

// Numbers in Fortran order, in C order.
template <class T>
Tensor<T> in_c_order(const Tensor<T>& x) {
  const Shape& shape = x.shape();
  Tensor<T> y(shape);
  auto to = y.edit();
  std::vector<std::int64_t> at(static_cast<std::size_t>(shape.rank()), 0);  // position of the element in x that comes next
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t place = 0;
    for (int d = 0; d < shape.rank(); ++d) place = place * shape[d] + at[static_cast<std::size_t>(d)];
    to[static_cast<std::size_t>(place)] = x[i];
    for (int d = 0; d < shape.rank(); ++d) {
      if (++at[static_cast<std::size_t>(d)] < shape[d]) break;
      at[static_cast<std::size_t>(d)] = 0;
    }
  }
  return y;
}

}  // namespace detail

/// Whether the elements of a .npy file are integers; truth values are.
/// Errors:    as load_npy, of the header
inline bool npy_holds_integers(const std::string& path) {
  const std::string type = detail::read_npy(path).header.type;
  return type.size() == 3 && (type[1] == 'i' || type[1] == 'u' || type[1] == 'b');
}

/// Reads a .npy file of any type of numbers, as T: truth values, integers of 8 to 64 bits with and without sign, float16, float32 and
/// float64; of either byte order, and in C or Fortran order.
/// Rounding:  of real numbers to the nearest T, half to even; integers are exact or an error
/// Errors:    as load_npy; Errc::range if an element has no T: a fraction or a number out of range for an integer, a double
///            beyond float; Errc::unsupported for what are no numbers (text, dates, complex numbers, objects)
/// Source:    NumPy, numpy/lib/format.py
template <class T>
Tensor<T> load_npy_as(const std::string& path) {
  const detail::NpyFile file = detail::read_npy(path);
  const auto read = [&]() -> Tensor<T> {
    const std::string& type = file.header.type;
    const std::string_view of = type.size() == 3 && std::string_view("<>|=").find(type[0]) != std::string_view::npos ? std::string_view(type).substr(1) : "";
    if (file.holds<T>()) return file.elements<T>();
    if (of == "f4") return detail::converted<T, float>(file);
    if (of == "f8") return detail::converted<T, double>(file);
    if (of == "f2") return detail::converted<T, detail::NpyHalf>(file);
    if (of == "i1") return detail::converted<T, std::int8_t>(file);
    if (of == "u1" || of == "b1") return detail::converted<T, std::uint8_t>(file);
    if (of == "i2") return detail::converted<T, std::int16_t>(file);
    if (of == "u2") return detail::converted<T, std::uint16_t>(file);
    if (of == "i4") return detail::converted<T, std::int32_t>(file);
    if (of == "u4") return detail::converted<T, std::uint32_t>(file);
    if (of == "i8") return detail::converted<T, std::int64_t>(file);
    if (of == "u8") return detail::converted<T, std::uint64_t>(file);
    fail(Errc::unsupported, "npy file {}: elements are '{}'; save them as truth values, integers or real numbers of 16 to 64 bits", path, type);
  };
  const Tensor<T> elements = read();
  return file.header.fortran ? detail::in_c_order(elements) : elements;
}

}  // namespace stet
