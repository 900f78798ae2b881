#pragma once
// decode: from the bytes of a .onnx file to its plain description. The bytes may be anything.

#include <stet/core/entry.hpp>
#include <stet/io/budget.hpp>
#include <stet/io/onnx/fields.hpp>
#include <stet/io/protobuf/reader.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stet::onnx {

/// Bytes of a tensor's elements, by its shape and type.
/// Errors:    Errc::format if the type is not read, a dimension is negative or there are too many of them
inline std::uint64_t tensor_bytes(const TensorInfo& t, const std::string& name) {
  const int width = bits(t.type);
  require(width > 0, Errc::format, "{}: tensor '{}' has data type {}, which is not read", name, t.name,
          static_cast<int>(t.type));
  constexpr std::int64_t most = std::int64_t{1} << 40;
  std::int64_t elements = 1;
  bool empty = false;
  for (const std::int64_t d : t.dims) {
    require(d >= 0 && t.dims.size() <= 64, Errc::format, "{}: tensor '{}' has {} dimensions, one of them {}", name,
            t.name, t.dims.size(), d);
    empty = empty || d == 0;
  }
  for (const std::int64_t d : t.dims) {
    if (empty) break;
    require(elements <= most / d, Errc::format, "{}: tensor '{}' has too many elements", name, t.name);
    elements *= d;
  }
  return empty ? 0 : static_cast<std::uint64_t>((elements * width + 7) / 8);
}

namespace detail {

// Reads the member of a message that lies in one of its fields.
class Decoder {
 public:
  template <class T>
  using Ref = T&;
  Decoder(const std::string& name, Budget& budget) : name_(name), budget_(budget) {}

  template <class T>
  void read(const protobuf::Reader& r, T& message) {
    each(r, [&](Decoder& d) { fields(d, message); });
  }
  void read(const protobuf::Reader& r, ModelInfo& m) {
    bool has_graph = false;
    each(r, [&](Decoder& d) {
      fields(d, m);
      has_graph = has_graph || d.is(7);
    });
    require(has_graph, Errc::format, "{}: not an ONNX model: it has no graph", name_);
  }
  void read(const protobuf::Reader& r, DimensionInfo& v) {
    each(r, [&](Decoder& d) {
      if (d.is(1) || d.is(2)) v = {};  // the last one counts
      fields(d, v);
      require(v.value >= -1, Errc::format, "{}: a dimension is {}", name_, v.value);
    });
  }
  // Elements lie in raw_data or, by type, in one of the repeated fields; both become bytes.
  void read(const protobuf::Reader& r, TensorInfo& t) {
    bool raw = false;
    std::vector<float> floats;
    std::vector<double> doubles;
    Ints integers;
    each(r, [&](Decoder& d) {
      fields(d, t);
      raw = raw || d.is(9);
      d.reals(4, floats);
      d.reals(10, doubles);
      for (const int field : {5, 7, 11}) d.integers(field, integers);
    });
    if (!raw) pack(t, floats, doubles, integers);
    const std::uint64_t wanted = tensor_bytes(t, name_);
    if (t.where == DataLocation::external) {
      require(t.data.empty(), Errc::format, "{}: tensor '{}' has data although they lie in another file", name_,
              t.name);
      return;
    }
    require(t.where == DataLocation::inside, Errc::format,
            "{}: tensor '{}' lies at a place of kind {}, which there is not", name_, t.name, static_cast<int>(t.where));
    t.external.clear();
    require(t.data.size() == wanted, Errc::format, "{}: tensor '{}' has {} bytes of data, its shape and type need {}",
            name_, t.name, t.data.size(), wanted);
  }

  [[nodiscard]] bool is(int field) const { return field_.number == field; }
  static bool holds(bool) { return true; }
  void integer(int field, std::int64_t& v) const {
    if (is(field)) v = from_->integer(field_);
  }
  template <class Enum>
  void number(int field, Enum& v) const {
    if (!is(field)) return;
    const std::int64_t n = from_->integer(field_);
    require(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), Errc::format, "{}: an enumeration is {}", name_,
            n);
    v = static_cast<Enum>(n);
  }
  void real(int field, float& v) const {
    if (is(field)) v = from_->real(field_);
  }
  void text(int field, std::string& v, bool = false) const {
    if (is(field)) v = from_->text(field_);
  }
  void bytes(int field, std::vector<std::uint8_t>& v) const {
    if (!is(field)) return;
    const auto all = from_->bytes(field_);
    v.assign(all.begin(), all.end());
  }
  void integers(int field, Ints& list) const {
    if (is(field)) from_->integers(field_, list);
  }
  template <class T>
  void reals(int field, std::vector<T>& list) const {
    if (is(field)) from_->reals(field_, list);
  }
  void texts(int field, std::vector<std::string>& list) {
    if (!is(field)) return;
    budget_.take(3 * sizeof(std::string));  // it is kept in tables of names too
    list.push_back(from_->text(field_));
  }
  void nested(int field, auto body) {
    if (is(field)) each(from_->message(field_), body);
  }
  void optional(int field, bool& there, auto body) {
    there = there || is(field);
    nested(field, body);
  }
  template <class T>
  void message(int field, std::optional<T>& m) {
    if (is(field)) read(from_->message(field_), m.emplace());
  }
  // A message costs two bytes in the file and a hundred or more in memory: twice as many while its list grows.
  template <class T>
  void messages(int field, std::vector<T>& list) {
    if (!is(field)) return;
    const protobuf::Reader inner = from_->message(field_);
    budget_.take(2 * sizeof(T));
    read(inner, list.emplace_back());
  }
  void refuse(int field, const char* why) const { require(!is(field), Errc::unsupported, "{}: {}", name_, why); }

 private:
  void each(protobuf::Reader r, auto body) {
    Decoder d(name_, budget_);
    d.from_ = &r;
    while (r.next(d.field_)) body(d);
  }
  static void pack(TensorInfo& t, const std::vector<float>& floats, const std::vector<double>& doubles,
                   const Ints& integers) {
    const auto append = [&](const auto* first, std::size_t n, std::size_t width) {
      for (std::size_t i = 0; i < n; ++i) {
        const auto* byte = reinterpret_cast<const std::uint8_t*>(first + i);
        t.data.insert(t.data.end(), byte, byte + width);
      }
    };
    if (t.type == DataType::float32) {
      append(floats.data(), floats.size(), 4);
    } else if (t.type == DataType::float64) {
      append(doubles.data(), doubles.size(), 8);
    } else {
      // Four-bit numbers come two to an element of int32_data, as they lie in raw_data.
      const auto width = at(bits(t.type) == 4 ? 8 : bits(t.type)) / 8;
      append(integers.data(), integers.size(), width);
    }
  }

  const std::string& name_;
  Budget& budget_;
  const protobuf::Reader* from_ = nullptr;
  protobuf::Field field_{};
};

}  // namespace detail

/// Reads the bytes of a .onnx file; `name` is what errors call it. Unknown fields are passed over; elements are read
/// from raw_data and from the typed fields, packed or not. Subgraphs are not read: an attribute keeps its type only.
/// Tensors in other files are named, not read: see read_external_data.
/// Errors:    Errc::format if the bytes are no ONNX model
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name);
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo decode(std::span<const std::uint8_t> bytes, const std::string& name) {
  Budget budget(name, bytes.size(), 6);
  ModelInfo model;
  detail::Decoder(name, budget).read(protobuf::Reader(bytes, name), model);
  return model;
}
#endif

}  // namespace stet::onnx
