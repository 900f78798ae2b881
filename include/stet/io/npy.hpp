#pragma once
// NumPy's .npy files, little-endian and in C order.

#include <stet/core/tensor.hpp>
#include <stet/io/file.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

static_assert(std::endian::native == std::endian::little, "stet reads and writes little-endian files as they lie");

namespace detail {

template <class T>
struct NpyType;  // not defined: .npy files of stet hold float, double and the integers of 8 to 64 bits below
template <>
struct NpyType<float> {
  static constexpr std::string_view name = "<f4";
};
template <>
struct NpyType<double> {
  static constexpr std::string_view name = "<f8";
};
template <>
struct NpyType<std::int8_t> {
  static constexpr std::string_view name = "|i1";
};
template <>
struct NpyType<std::uint8_t> {
  static constexpr std::string_view name = "|u1";
};
template <>
struct NpyType<std::int16_t> {
  static constexpr std::string_view name = "<i2";
};
template <>
struct NpyType<std::int32_t> {
  static constexpr std::string_view name = "<i4";
};
template <>
struct NpyType<std::int64_t> {
  static constexpr std::string_view name = "<i8";
};

struct NpyHeader {
  std::string type;
  Shape shape;
  bool fortran = false;  // the first dimension runs fastest
};

// Reads the Python dictionary of a header: the keys descr, fortran_order and shape, each once, in any order.
class NpyHeaderReader {
 public:
  NpyHeaderReader(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  NpyHeader read() {
    NpyHeader header;
    bool type = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !type) {
        type = true;
        check(peek() == '\'' || peek() == '"', "descr is not a plain type (structured arrays are not read)");
        header.type = string();
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran = word("True");
        check(header.fortran || word("False"), "fortran_order is neither True nor False");
      } else if (key == "shape" && !shape) {
        shape = true;
        header.shape = tuple();
      } else {
        bad("a key is unknown or there twice");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    space();
    check(at_ == text_.size(), "something follows the header's dictionary");
    check(type && order && shape, "the header lacks descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void bad(const char* what) const { fail(Errc::format, "npy file {}: {}", path_, what); }
  void check(bool good, const char* what) const {
    if (!good) bad(what);
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) { check(take(c), "the header is not a dictionary with descr, fortran_order and shape"); }
  bool word(std::string_view w) {
    space();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  std::string string() {
    const char quote = peek();
    check(quote == '\'' || quote == '"', "the header has something else where a string belongs");
    const auto end = text_.find(quote, ++at_);
    check(end != std::string_view::npos, "a string in the header does not end");
    const std::string s(text_.substr(at_, end - at_));
    check(s.find('\\') == std::string::npos, "a string in the header has an escape");
    at_ = end + 1;
    return s;
  }
  Shape tuple() {
    std::array<std::int64_t, Shape::max_rank> dims{};
    std::size_t rank = 0;
    bool comma = true;
    expect('(');
    while (!take(')')) {
      check(comma, "the shape is not a tuple of numbers");
      require(rank < dims.size(), Errc::unsupported, "npy file {}: more than {} dimensions", path_,
              int{Shape::max_rank});
      dims[rank++] = number();
      comma = take(',');
    }
    check(rank != 1 || comma, "the shape is a number in brackets, not a tuple");
    check(rank > 0 || comma, "the shape is not a tuple of numbers");
    std::uint64_t total = 1;
    for (std::size_t d = 0; d < rank; ++d) {
      const auto dim = static_cast<std::uint64_t>(dims[d]);
      check(dim == 0 || total <= (std::uint64_t{1} << 48) / dim, "the shape has too many elements");
      total *= dim;
    }
    return Shape(std::span<const std::int64_t>(dims.data(), rank));
  }
  std::int64_t number() {
    space();
    std::int64_t value = 0;
    const std::size_t first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      check(value < (std::int64_t{1} << 48), "a dimension is too large");
      value = value * 10 + (text_[at_] - '0');
    }
    check(at_ > first, "the shape is not a tuple of numbers");
    return value;
  }

  const std::string& path_;
  std::string_view text_;
  std::size_t at_ = 0;
};

inline void save_npy(const std::string& path, std::string_view type, const Shape& shape,
                     std::span<const std::uint8_t> data) {
  std::string header = formatted("{{'descr': '{}', 'fortran_order': False, 'shape': (", type);
  for (int d = 0; d < shape.rank(); ++d) header += formatted("{}{}", d == 0 ? "" : ", ", shape[d]);
  header += shape.rank() == 1 ? ",), }" : "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());  // at most 6 dimensions: well below 2^16
  std::string prefix("\x93NUMPY\x01\x00", 8);
  prefix += static_cast<char>(length & 255);
  prefix += static_cast<char>(length >> 8);
  prefix += header;
  write_file_atomically(path, {std::span(reinterpret_cast<const std::uint8_t*>(prefix.data()), prefix.size()), data});
}

}  // namespace detail

/// Writes a tensor as a .npy file of version 1.0 (float, double, int8, uint8, int16, int32 or int64).
/// Errors:    Errc::io if it cannot be written
/// Source:    NumPy, numpy/lib/format.py
template <class T>
void save_npy(const std::string& path, const Tensor<T>& tensor) {
  detail::save_npy(
      path, detail::NpyType<T>::name, tensor.shape(),
      {reinterpret_cast<const std::uint8_t*>(tensor.data()), static_cast<std::size_t>(tensor.size()) * sizeof(T)});
}

namespace detail {

// A file in memory, its header read.
struct NpyFile {
  std::string path;
  std::vector<std::uint8_t> bytes;
  std::size_t start = 0;  // of the elements
  NpyHeader header;

  template <class T>
  [[nodiscard]] bool holds() const {
    const std::string_view wanted = NpyType<T>::name, type = header.type;
    return type == wanted || (sizeof(T) == 1 && type.size() == 3 && type.substr(1) == wanted.substr(1));  // byte order says nothing
  }
  // As they lie in the file.
  template <class T>
  [[nodiscard]] Tensor<T> elements() const {
    const std::size_t wanted = static_cast<std::size_t>(header.shape.elements()) * sizeof(T);
    require(bytes.size() - start == wanted, Errc::format, "npy file {}: {} bytes of data, shape {} of '{}' needs {}", path,
            bytes.size() - start, header.shape, header.type, wanted);
    Tensor<T> tensor(header.shape);
    if (wanted > 0) std::memcpy(tensor.edit().data(), bytes.data() + start, wanted);
    return tensor;
  }
};

inline NpyFile read_npy(const std::string& path) {
  NpyFile file{path, read_file(path), 0, {}};
  const std::vector<std::uint8_t>& bytes = file.bytes;
  require(bytes.size() >= 10 && std::memcmp(bytes.data(), "\x93NUMPY", 6) == 0, Errc::format,
          "npy file {}: does not begin with NumPy's magic number", path);
  require(bytes[6] >= 1 && bytes[6] <= 3 && bytes[7] == 0, Errc::unsupported, "npy file {}: version {}.{}, only 1.0, 2.0 and 3.0 are read", path,
          bytes[6], bytes[7]);
  // Versions 2 and 3 have a length of four bytes.
  const std::size_t before = bytes[6] == 1 ? 10 : 12;
  require(bytes.size() >= before, Errc::format, "npy file {}: ends within its header", path);
  file.start = before;
  for (std::size_t i = before; i-- > 8;) file.start += std::size_t{bytes[i]} << 8 * (i - 8);
  require(bytes.size() >= file.start, Errc::format, "npy file {}: ends within its header", path);
  file.header = NpyHeaderReader(path, {reinterpret_cast<const char*>(bytes.data()) + before, file.start - before}).read();
  return file;
}

}  // namespace detail

/// Reads a .npy file whose elements have type T, as they lie there; load_npy_as (npy_as.hpp) reads any type and order.
/// Errors:    Errc::io if it cannot be read; Errc::format if it is damaged, too short or too long;
///            Errc::unsupported for another element type (nothing is converted), Fortran order, other versions, or
///            more dimensions than Shape holds
/// Source:    NumPy, numpy/lib/format.py
template <class T>
Tensor<T> load_npy(const std::string& path) {
  const detail::NpyFile file = detail::read_npy(path);
  require(file.holds<T>(), Errc::unsupported, "npy file {}: elements are '{}', wanted '{}'", path, file.header.type,
          detail::NpyType<T>::name);
  require(!file.header.fortran, Errc::unsupported, "npy file {}: is in Fortran order; save it with np.ascontiguousarray, or read it by load_npy_as", path);
  return file.elements<T>();
}

}  // namespace stet
