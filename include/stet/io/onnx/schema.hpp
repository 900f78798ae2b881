#pragma once
// The part of the ONNX schema that stet reads and writes, as plain data: what a .onnx file says, without its bytes.
// Source:    onnx.proto3 of ONNX; the numbers are those of its enumerations.

#include <stet/core/requirements.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::onnx {

using Ints = std::vector<std::int64_t>;

constexpr std::size_t at(std::integral auto i) { return static_cast<std::size_t>(i); }

enum class DataType : std::int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16,
  uint4 = 21,
  int4 = 22
};

/// Bits of one element; 0 for a type that stet does not read.
constexpr int bits(DataType type) {
  switch (type) {
    case DataType::uint4:
    case DataType::int4:
      return 4;
    case DataType::uint8:
    case DataType::int8:
    case DataType::boolean:
      return 8;
    case DataType::uint16:
    case DataType::int16:
    case DataType::float16:
    case DataType::bfloat16:
      return 16;
    case DataType::float32:
    case DataType::int32:
    case DataType::uint32:
      return 32;
    case DataType::int64:
    case DataType::uint64:
    case DataType::float64:
      return 64;
    case DataType::undefined:
    case DataType::string:
      break;
  }
  return 0;
}

using Metadata = std::pair<std::string, std::string>;  ///< key, value

/// Metadata of a file that stet wrote: whether images at its ends are [N,H,W,C] or [N,C,H,W], which nothing else in it says.
inline constexpr const char* layout_key = "stet.layout";
inline constexpr const char *layout_nhwc = "nhwc", *layout_nchw = "nchw";

/// Where the elements of a tensor lie.
enum class DataLocation : std::int32_t {
  inside = 0,   ///< in the tensor itself
  external = 1  ///< in a file beside the model
};

/// A constant. The data are the elements, row-major and little endian, two to a byte for four bits (first one low).
struct TensorInfo {
  std::string name{};
  DataType type = DataType::undefined;
  Ints dims{};  ///< empty: a scalar
  std::vector<std::uint8_t> data{};
  DataLocation where = DataLocation::inside;
  std::vector<Metadata> external{};  ///< of an external one: location, offset, length; read_external_data() fetches it
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};
/// A constant of these elements.
template <class T>
TensorInfo make_tensor(std::string name, Ints dims, std::span<const T> values) {
  constexpr DataType type = std::same_as<T, float>          ? DataType::float32
                            : std::same_as<T, std::int8_t>  ? DataType::int8
                            : std::same_as<T, std::uint8_t> ? DataType::uint8
                            : std::same_as<T, std::int16_t> ? DataType::int16
                            : std::same_as<T, std::int32_t> ? DataType::int32
                            : std::same_as<T, std::int64_t> ? DataType::int64
                                                            : DataType::undefined;
  static_assert(type != DataType::undefined, "stet: constants are made of float and of integers of 8 to 64 bits");
  TensorInfo t{std::move(name), type, std::move(dims), std::vector<std::uint8_t>(values.size_bytes()), {}, {}};
  if (!values.empty()) std::memcpy(t.data.data(), values.data(), values.size_bytes());
  return t;
}

enum class AttributeType : std::int32_t {
  undefined = 0,
  real = 1,
  integer = 2,
  text = 3,
  tensor = 4,
  graph = 5,
  reals = 6,
  integers = 7,
  texts = 8
};

/// A named attribute; its value is in the member of its type. Types other than these are read as names only.
struct AttributeInfo {
  std::string name{};
  AttributeType type = AttributeType::undefined;
  float real = 0.0f;
  std::int64_t integer = 0;
  std::string text{};
  std::optional<TensorInfo> tensor{};
  std::vector<float> reals{};
  Ints integers{};
  std::vector<std::string> texts{};
  friend bool operator==(const AttributeInfo&, const AttributeInfo&) = default;
};
inline AttributeInfo attribute(std::string name, std::integral auto value) {
  return {.name = std::move(name), .type = AttributeType::integer, .integer = value};
}
inline AttributeInfo attribute(std::string name, const char* value) {
  return {.name = std::move(name), .type = AttributeType::text, .text = value};
}
inline AttributeInfo attribute(std::string name, float value) {
  return {.name = std::move(name), .type = AttributeType::real, .real = value};
}
inline AttributeInfo attribute(std::string name, Ints values) {
  return {.name = std::move(name), .type = AttributeType::integers, .integers = std::move(values)};
}

/// One operator; an input that is left out has an empty name.
struct NodeInfo {
  std::string name{};
  std::string op_type{};
  std::string domain{};
  std::vector<std::string> inputs{};
  std::vector<std::string> outputs{};
  std::vector<AttributeInfo> attributes{};
  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

/// The first attribute of this name; null if there is none.
inline const AttributeInfo* attribute_of(const NodeInfo& n, std::string_view name) {
  const auto found = std::ranges::find(n.attributes, name, &AttributeInfo::name);
  return found == n.attributes.end() ? nullptr : &*found;
}

/// A dimension: a number, a name for any number, or neither.
struct DimensionInfo {
  std::int64_t value = -1;  ///< -1: not known
  std::string param{};
  friend bool operator==(const DimensionInfo&, const DimensionInfo&) = default;
};

/// Name, element type and shape of a value that enters or leaves the graph.
struct ValueInfo {
  std::string name{};
  DataType type = DataType::undefined;
  bool has_shape = false;
  std::vector<DimensionInfo> dims{};
  friend bool operator==(const ValueInfo&, const ValueInfo&) = default;
};

struct OpsetInfo {
  std::string domain{};  ///< empty: the operators of ONNX itself
  std::int64_t version = 0;
  friend bool operator==(const OpsetInfo&, const OpsetInfo&) = default;
};

/// What a .onnx file says.
struct ModelInfo {
  std::int64_t ir_version = 0;
  std::string producer_name{}, producer_version{};
  std::vector<OpsetInfo> opsets{};
  std::string graph_name{};
  std::vector<NodeInfo> nodes{};
  std::vector<TensorInfo> initializers{};
  std::vector<ValueInfo> inputs{}, outputs{}, values{};
  std::vector<Metadata> metadata{};
  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

}  // namespace stet::onnx
