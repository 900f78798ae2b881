#pragma once
// safetensors files: named tensors and string metadata, read strictly and written in the reference layout.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/io/checksum.hpp>
#include <stet/io/file.hpp>
#include <stet/io/json_reader.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

static_assert(std::endian::native == std::endian::little, "stet reads and writes little-endian files as they lie");

/// Element types of safetensors, in the order in which the reference writer sorts (reversed) by alignment.
enum class Dtype {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64
};

namespace detail {

struct DtypeFacts {
  std::string_view name;
  int bits;
};
inline constexpr std::array<DtypeFacts, 22> dtype_facts = {
    {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
     {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
     {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}}};

template <class T>
struct DtypeOf;  // not defined: tensors of stet hold float, double and integers of 8 to 64 bits
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::f32;
};
template <>
struct DtypeOf<double> {
  static constexpr Dtype value = Dtype::f64;
};
template <>
struct DtypeOf<std::int8_t> {
  static constexpr Dtype value = Dtype::i8;
};
template <>
struct DtypeOf<std::int16_t> {
  static constexpr Dtype value = Dtype::i16;
};
template <>
struct DtypeOf<std::int32_t> {
  static constexpr Dtype value = Dtype::i32;
};
template <>
struct DtypeOf<std::int64_t> {
  static constexpr Dtype value = Dtype::i64;
};
template <>
struct DtypeOf<std::uint8_t> {
  static constexpr Dtype value = Dtype::u8;
};
template <>
struct DtypeOf<std::uint16_t> {
  static constexpr Dtype value = Dtype::u16;
};
template <>
struct DtypeOf<std::uint32_t> {
  static constexpr Dtype value = Dtype::u32;
};
template <>
struct DtypeOf<std::uint64_t> {
  static constexpr Dtype value = Dtype::u64;
};

}  // namespace detail

/// Name of an element type as files have it, such as F32.
inline std::string_view name(Dtype type) { return detail::dtype_facts[static_cast<std::size_t>(type)].name; }
/// Bits of one element.
inline int bits(Dtype type) { return detail::dtype_facts[static_cast<std::size_t>(type)].bits; }

/// Named tensors with string metadata, as one .safetensors file holds them.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    Dtype dtype;
    Shape shape;
    Tensor<std::uint8_t> bytes;  ///< elements as they lie in the file: row-major, little-endian
  };

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

  /// The entry of this name, or null.
  [[nodiscard]] const Entry* find(std::string_view name) const {
    for (const Entry& e : entries_) {
      if (e.name == name) return &e;
    }
    return nullptr;
  }
  /// The metadata text under this key, or null.
  [[nodiscard]] const std::string* find_metadata(std::string_view key) const {
    for (const auto& m : metadata_) {
      if (m.first == key) return &m.second;
    }
    return nullptr;
  }

  /// A tensor by name; its element type must be T, nothing is converted.
  /// Errors:    Errc::format if there is no such tensor or its type differs
  template <class T>
  [[nodiscard]] Tensor<T> get(std::string_view name) const {
    const Entry* e = find(name);
    require(e != nullptr, Errc::format, "safetensors: there is no tensor '{}'", name);
    require(e->dtype == detail::DtypeOf<T>::value, Errc::format, "safetensors: tensor '{}' has type {}, wanted {}",
            name, stet::name(e->dtype), stet::name(detail::DtypeOf<T>::value));
    Tensor<T> tensor(e->shape);
    if (!e->bytes.empty())
      std::memcpy(tensor.edit().data(), e->bytes.data(), static_cast<std::size_t>(e->bytes.size()));
    return tensor;
  }

  /// Adds a tensor.
  /// Errors:    Errc::state if the name is taken
  template <class T>
  void add(std::string name, const Tensor<T>& tensor) {
    const std::span raw(reinterpret_cast<const std::uint8_t*>(tensor.data()),
                        static_cast<std::size_t>(tensor.size()) * sizeof(T));
    add(std::move(name), detail::DtypeOf<T>::value, tensor.shape(), raw);
  }
  /// Adds a tensor of any type from its bytes.
  /// Errors:    Errc::state if the name is taken or reserved; Errc::shape if the bytes do not fit shape and type
  void add(std::string name, Dtype type, const Shape& shape, std::span<const std::uint8_t> bytes) {
    require(name != "__metadata__" && find(name) == nullptr, Errc::state,
            "safetensors: the name '{}' is taken or reserved", name);
    const std::int64_t wanted = shape.elements() * bits(type);
    require(wanted % 8 == 0 && static_cast<std::int64_t>(bytes.size()) == wanted / 8, Errc::shape,
            "safetensors: tensor '{}' has {} bytes, shape {} of {} needs {} bits", name, bytes.size(), shape,
            stet::name(type), wanted);
    entries_.push_back({std::move(name), type, shape, {Shape{static_cast<std::int64_t>(bytes.size())}, bytes}});
  }
  /// Sets a metadata text.
  /// Errors:    Errc::state if the key is that of the checksum
  void set_metadata(std::string key, std::string text) {
    require(key != checksum_key, Errc::state, "safetensors: the metadata key '{}' is reserved", key);
    for (auto& m : metadata_) {
      if (m.first == key) {
        m.second = std::move(text);
        return;
      }
    }
    metadata_.emplace_back(std::move(key), std::move(text));
  }

  /// Whether the file has a checksum: it was read with one, which was right, or seal() was called.
  [[nodiscard]] bool sealed() const { return sealed_; }
  /// Makes encode() add a checksum of the whole file, header included, as metadata; other readers see a text.
  void seal() { sealed_ = true; }

  /// The bytes of the file. Tensors are sorted by descending alignment, then by name, and start at a multiple of 8.
  /// Errors:    Errc::format if a name or text is not UTF-8; Errc::range if the header exceeds 100,000,000 bytes
  [[nodiscard]] std::vector<std::uint8_t> encode() const;

  /// Reads the bytes of a file; `from` names it in messages. Entries come in the order of their data.
  /// Errors:    Errc::format for anything the format does not allow: a header longer than the file or than 100,000,000
  ///            bytes, not JSON, members twice or unknown, metadata that is not text, an unknown type, offsets that do
  ///            not fit shape and type, holes, overlap, bytes behind the last tensor, a checksum that is not that of the file;
  ///            Errc::unsupported for more dimensions or elements than Shape holds
  /// Source:    huggingface/safetensors, README.md and safetensors/src/tensor.rs
  static SafetensorsFile decode(std::span<const std::uint8_t> file, const std::string& from = "safetensors data");

  /// Writes the file; a crash leaves the old content or the new one.
  /// Errors:    as encode(); Errc::io if it cannot be written
  void save(const std::string& path) const { write_file_atomically(path, encode()); }
  /// Reads a file.
  /// Errors:    as decode(); Errc::io if it cannot be read; Errc::range if it is larger than the limit
  static SafetensorsFile load(const std::string& path, std::uint64_t limit = default_file_limit) {
    return decode(read_file(path, limit), path);
  }

  static constexpr std::uint64_t max_header = 100'000'000;
  static constexpr std::string_view checksum_key = "stet_checksum";

 private:
  std::vector<Entry> entries_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  bool sealed_ = false;
};

#if STET_DEFINE_ENTRIES

STET_ENTRY std::vector<std::uint8_t> SafetensorsFile::encode() const {
  std::vector<const Entry*> sorted;
  for (const Entry& e : entries_) sorted.push_back(&e);
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
    return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
  });
  std::vector<Json::Member> members;
  if (!metadata_.empty() || sealed_) {
    std::vector<Json::Member> texts;
    if (sealed_) texts.emplace_back(std::string(checksum_key), Json("xxh64 " + std::string(detail::checksum_zeros)));
    for (const auto& m : metadata_) texts.emplace_back(m.first, Json(m.second));
    members.emplace_back("__metadata__", Json::object(std::move(texts)));
  }
  std::int64_t offset = 0;
  for (const Entry* e : sorted) {
    std::vector<Json> dims;
    for (const std::int64_t d : e->shape.dims()) dims.emplace_back(d);
    const std::int64_t end = offset + e->bytes.size();
    members.emplace_back(e->name, Json::object({{"dtype", Json(stet::name(e->dtype))},
                                                {"shape", Json::array(std::move(dims))},
                                                {"data_offsets", Json::array({Json(offset), Json(end)})}}));
    offset = end;
  }
  std::string header = Json::object(std::move(members)).str();
  header.append((8 - header.size() % 8) % 8, ' ');
  require(header.size() <= max_header, Errc::range, "safetensors: the header has {} bytes, at most {} are allowed",
          header.size(), max_header);
  std::vector<std::uint8_t> file(8 + header.size() + static_cast<std::size_t>(offset));
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  std::uint8_t* to = file.data() + 8 + header.size();
  for (const Entry* e : sorted) to = std::copy_n(e->bytes.data(), e->bytes.size(), to);
  if (sealed_) {
    const std::size_t digits = detail::find_checksum(header);
    const std::string sum = detail::checksum_digits(file, digits);
    std::copy(sum.begin(), sum.end(), file.begin() + static_cast<std::ptrdiff_t>(digits));
  }
  return file;
}

namespace detail {

// What the header says about one tensor.
struct SafetensorsInfo {
  std::string name;
  Dtype dtype;
  Shape shape;
  std::uint64_t begin, end;
};

inline SafetensorsInfo safetensors_info(const std::string& from, const std::string& name, const Json& json) {
  const auto check = [&](bool good, const char* what) {
    require(good, Errc::format, "{}: tensor '{}': {}", from, name, what);
  };
  check(json.is_object() && json.members().size() == 3 && json.find("dtype") && json.find("shape") &&
            json.find("data_offsets"),
        "needs exactly dtype, shape and data_offsets");
  const Json &type = json.at("dtype"), &shape = json.at("shape"), &offsets = json.at("data_offsets");
  check(type.is_string() && shape.is_array() && offsets.is_array() && offsets.items().size() == 2,
        "dtype must be a string, shape a list, data_offsets two numbers");
  const auto found = std::find_if(dtype_facts.begin(), dtype_facts.end(),
                                  [&](const DtypeFacts& f) { return f.name == type.as_string(); });
  require(found != dtype_facts.end(), Errc::format, "{}: tensor '{}' has the unknown type {}", from, name,
          type.as_string());
  require(shape.items().size() <= Shape::max_rank, Errc::unsupported, "{}: tensor '{}' has {} dimensions, at most {}",
          from, name, shape.items().size(), int{Shape::max_rank});
  std::array<std::int64_t, Shape::max_rank> dims{};
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < shape.items().size(); ++d) {
    const std::uint64_t dim = shape.items()[d].as_uint64();
    require(dim <= std::uint64_t{1} << 48 && (dim == 0 || elements <= (std::uint64_t{1} << 48) / dim),
            Errc::unsupported, "{}: tensor '{}' has more than 2^48 elements", from, name);
    elements *= dim;
    dims[d] = static_cast<std::int64_t>(dim);
  }
  const std::uint64_t begin = offsets.items()[0].as_uint64(), end = offsets.items()[1].as_uint64();
  const std::uint64_t wanted = elements * static_cast<std::uint64_t>(found->bits);
  check(begin <= end && wanted % 8 == 0 && end - begin == wanted / 8, "data_offsets do not fit shape and dtype");
  return {name, static_cast<Dtype>(found - dtype_facts.begin()),
          Shape(std::span<const std::int64_t>(dims.data(), shape.items().size())), begin, end};
}

inline void require_length(const std::string& from, std::uint64_t data, std::uint64_t before, std::uint64_t size) {
  require(before <= size && data <= size - before, Errc::format,
          "{}: is truncated: its tensors need {} bytes, with the header {}, the file has {}", from, data, before + data, size);
}
// The same of a file whose checksum is wrong, so that its header may be damaged as well: then nothing is said.
inline void require_length(const std::string& from, std::string_view header, std::uint64_t before, std::uint64_t size) {
  std::uint64_t data = 0;
  try {
    const Json json = parse_json(header, {.depth = 3});
    for (const auto& [name, value] : json.members()) {
      if (name != "__metadata__") data = std::max(data, safetensors_info(from, name, value).end);
    }
  } catch (const Error&) {
    return;
  }
  require_length(from, data, before, size);
}

}  // namespace detail

STET_ENTRY SafetensorsFile SafetensorsFile::decode(std::span<const std::uint8_t> file, const std::string& from) {
  require(file.size() >= 8, Errc::format, "{}: {} bytes are too few for a safetensors file", from, file.size());
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  require(length <= max_header && length <= file.size() - 8, Errc::format,
          "{}: the header should have {} bytes, the file has {} in all: it is truncated, or no safetensors file", from, length,
          file.size());
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  require(!text.empty() && text.front() == '{', Errc::format, "{}: the header does not begin with {{", from);
  Json header;
  std::vector<detail::SafetensorsInfo> infos;
  SafetensorsFile result;
  // Before anything is read: what a damaged header says is of no interest.
  if (const std::size_t digits = detail::find_checksum(text); digits != text.npos) {
    const std::string sum = detail::checksum_digits(file, digits);
    const std::string_view stored(reinterpret_cast<const char*>(file.data()) + digits, detail::checksum_zeros.size());
    if (stored != sum) detail::require_length(from, text, 8 + length, file.size());
    require(stored == sum, Errc::format,
            "{}: the checksum in the file is {}, that of its bytes {}: it is damaged (or was rewritten by a program that "
            "kept the metadata '{}'; leave that out there)",
            from, stored, sum, checksum_key);
    result.sealed_ = true;
  }
  try {
    header = parse_json(text, {.depth = 3});
    for (const auto& [name, value] : header.members()) {
      if (name != "__metadata__") {
        infos.push_back(detail::safetensors_info(from, name, value));
        continue;
      }
      for (const auto& [key, entry] : value.members()) {
        if (key != checksum_key) {
          result.metadata_.emplace_back(key, entry.as_string());
          continue;
        }
        require(result.sealed_, Errc::format, "{}: metadata '{}' is not as stet writes it: the file is damaged", from, key);
      }
    }
  } catch (const Error& e) {
    if (std::string_view(e.what()).substr(0, from.size()) == from) throw;
    fail(e.code(), "{}: header: {}", from, e.what());
  }
  std::stable_sort(infos.begin(), infos.end(),
                   [](const auto& a, const auto& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  const std::span<const std::uint8_t> data = file.subspan(8 + length);
  if (!infos.empty()) detail::require_length(from, infos.back().end, 8 + length, file.size());
  std::uint64_t offset = 0;
  for (const auto& info : infos) {
    require(info.begin == offset && info.end <= data.size(), Errc::format,
            "{}: tensor '{}' lies at bytes {}..{} of {}, the one before it ends at {}", from, info.name, info.begin,
            info.end, data.size(), offset);
    offset = info.end;
  }
  require(offset == data.size(), Errc::format, "{}: the tensors end at byte {} of {}", from, offset, data.size());
  for (auto& info : infos) {
    const auto bytes = data.subspan(info.begin, info.end - info.begin);
    result.entries_.push_back(
        {std::move(info.name), info.dtype, info.shape, {Shape{static_cast<std::int64_t>(bytes.size())}, bytes}});
  }
  return result;
}

#endif

}  // namespace stet
