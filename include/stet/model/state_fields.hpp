#pragma once
// The fields of which checkpoints are made: what they store, what makes up a model, and values that nothing can use.

#include <stet/core/finite.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/quant/range.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stet::detail {

template <class T>
struct IsTensor : std::false_type {};
template <class T>
struct IsTensor<Tensor<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t N>
struct IsArray<std::array<T, N>> : std::true_type {};

// One field of an object with its type gone: what checkpoints store, and how it is put back. It refers to the field. All
// that is done with fields is compiled once, not per kind of object and of field.
class FieldRef {
 public:
  template <class T>
  explicit FieldRef(T& value) : field_(const_cast<std::remove_const_t<T>*>(&value)) {
    using Field = std::remove_const_t<T>;
    restore_ = &restore_as<Field>;
    if constexpr (IsTensor<Field>::value) {
      kind_ = Kind::tensor;
      view(value.shape(), value.data());
    } else if constexpr (std::is_enum_v<Field>) {
      kind_ = Kind::enumeration;
      represents_ = [](std::int64_t n) { return static_cast<std::int64_t>(static_cast<Field>(n)) == n; };
      number_ = static_cast<std::int64_t>(value);
      view(Shape{}, static_cast<const std::int64_t*>(nullptr));
    } else if constexpr (std::is_same_v<Field, bool>) {
      kind_ = Kind::boolean;
      view(Shape{}, reinterpret_cast<const std::uint8_t*>(&value));
    } else if constexpr (std::is_arithmetic_v<Field>) {
      kind_ = Kind::number;
      view(Shape{}, &value);
    } else {
      static_assert(IsVector<Field>::value || IsArray<Field>::value,
                    "stet: a checkpoint field is a Tensor, a number, an enumeration, or a vector or array of numbers");
      kind_ = IsVector<Field>::value ? Kind::list : Kind::array;
      view(Shape{static_cast<std::int64_t>(value.size())}, value.data());
    }
  }

  /// Element type and shape in the file: a tensor's own, a scalar, or one dimension.
  [[nodiscard]] Dtype dtype() const { return dtype_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// The elements as they lie in the file.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    const void* from = kind_ == Kind::enumeration ? &number_ : data_;
    return {static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(shape_.elements() * bits(dtype_) / 8)};
  }
  /// Whether an entry of a file can be put back: a vector takes any length.
  [[nodiscard]] bool fits(const SafetensorsFile::Entry& e) const {
    return e.dtype == dtype_ && (kind_ == Kind::list ? e.shape.rank() == 1 : e.shape == shape_);
  }
  [[nodiscard]] std::string wanted() const {
    return formatted("{} {}", stet::name(dtype_), kind_ == Kind::list ? "[any]" : shape_.str());
  }
  /// What nothing can compute with in values of this type that lie as in a file; empty if there is nothing.
  [[nodiscard]] std::string fault(std::string_view name, std::span<const std::uint8_t> bytes) const;
  /// Puts back an entry that fits.
  void restore(const SafetensorsFile::Entry& e) const { restore_(field_, e); }

 private:
  enum class Kind { tensor, number, boolean, enumeration, list, array };

  template <class S>
  void view(const Shape& shape, const S* data) {
    dtype_ = DtypeOf<S>::value;
    shape_ = shape;
    data_ = data;
  }
  template <class T>
  static void restore_as(void* field, const SafetensorsFile::Entry& e) {
    T& value = *static_cast<T*>(field);
    if constexpr (std::is_enum_v<T>) {
      std::int64_t number = 0;
      std::memcpy(&number, e.bytes.data(), sizeof number);
      value = static_cast<T>(number);
    } else if constexpr (std::is_arithmetic_v<T>) {
      std::memcpy(&value, e.bytes.data(), sizeof value);
    } else {
      using S = typename T::value_type;
      if constexpr (IsTensor<T>::value) value = T(e.shape);
      if constexpr (IsVector<T>::value) value.resize(static_cast<std::size_t>(e.shape.elements()));
      S* to = nullptr;
      if constexpr (IsTensor<T>::value) {
        to = value.edit().data();
      } else {
        to = value.data();
      }
      if (!e.bytes.empty()) std::memcpy(to, e.bytes.data(), static_cast<std::size_t>(e.bytes.size()));
    }
  }

  void* field_;
  void (*restore_)(void* field, const SafetensorsFile::Entry& e);
  bool (*represents_)(std::int64_t number) = nullptr;
  Kind kind_{};
  Dtype dtype_{};
  Shape shape_{};
  const void* data_ = nullptr;
  std::int64_t number_ = 0;  // of an enumeration
};

using FieldFunction = FunctionRef<void(std::string_view name, const FieldRef& field)>;

// Calls f(name, field) for all that object.fields(...) names.
template <class Object>
void visit_fields(Object& object, FieldFunction f) {
  object.fields([&](std::string_view name, auto& value) { f(name, FieldRef(value)); });
}

inline constexpr std::string_view quantizer_prefix = "quantizer/";

// Calls f(name, field) for everything that makes up a model: parameters and buffers under their own names; of a model
// with quantizers also these, under their prefix.
template <class M>
void checkpoint_fields(M& model, FieldFunction f) {
  if constexpr (requires { model.model(); }) {
    visit_fields(model.model(), f);
    visit_fields(model, [&](std::string_view name, const FieldRef& field) {
      f(std::string(quantizer_prefix) + std::string(name), field);
    });
  } else {
    visit_fields(model, f);
  }
}

/// Says how many numbers of a tensor are NaN or infinite, and where; empty if none is.
inline std::string non_finite_text(std::string_view name, std::span<const float> values) {
  const RangeScan scan = scan_range(values);
  if (scan.non_finite == 0) return {};
  return formatted("{}: {} of {} values are NaN or infinite, the first at index {}", name, scan.non_finite,
                   values.size(), scan.first_non_finite);
}

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string FieldRef::fault(std::string_view name, std::span<const std::uint8_t> bytes) const {
  if (kind_ == Kind::tensor && dtype_ == Dtype::f32) {
    return non_finite_text(name, {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)});
  }
  if (kind_ == Kind::boolean && bytes[0] > 1) return formatted("{}: is {}, must be 0 or 1", name, bytes[0]);
  if (kind_ == Kind::enumeration) {
    std::int64_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    if (!represents_(number)) return formatted("{}: is {}", name, number);
  }
  return {};
}
#endif

/// The first running mean or variance that is NaN or infinite; empty if none is. Cheap enough for every step.
template <class M>
std::string find_statistics_fault(M& model) {
  if constexpr (std::same_as<M, Model>) {
    for (const NamedBuffer& b : model.buffers()) {
      if (!all_finite(b.value.span())) return non_finite_text(b.name, b.value.span());
    }
  } else if constexpr (requires {
                         { model.model() } -> std::same_as<Model&>;
                       }) {
    return find_statistics_fault(model.model());
  }
  return {};
}

/// The first fault of a model's numbers with which nothing could compute: NaN, infinities, a negative variance, a quantizer
/// with an impossible scale, zero point or state. Empty if there is none.
template <class M>
std::string find_fault(const M& model) {
  M copy = model;  // shares all tensors; fields() is for changing them too
  std::string fault;
  const auto take = [&](std::string found) {
    if (fault.empty()) fault = std::move(found);
  };
  checkpoint_fields(copy,
                    [&](std::string_view name, const FieldRef& field) { take(field.fault(name, field.bytes())); });
  const auto variances = [&](const Model& m) {
    for (const NamedBuffer& b : m.buffers()) {
      if (b.role != graph::Role::variance || !non_finite_text(b.name, b.value.span()).empty()) continue;
      const float least = scan_range(b.value.span()).range.lo;
      if (least < 0.0f) take(formatted("{}: a variance is {}, must not be negative", b.name, least));
    }
  };
  if constexpr (std::same_as<M, Model>) {
    variances(model);
  } else if constexpr (requires {
                         { copy.model() } -> std::same_as<Model&>;
                       }) {
    variances(copy.model());
  }
  if constexpr (requires { copy.quantizers()[0].fault(); }) {
    for (const auto& q : copy.quantizers()) take(q.fault());
  }
  if constexpr (requires { copy.calibration_data().inputs[0].fault(); }) {
    for (const auto& input : copy.calibration_data().inputs) {
      if (const std::string f = input.images != 0 ? input.fault() : ""; !f.empty()) take("fingerprint of the calibration input: " + f);
    }
  }
  return fault;
}

}  // namespace stet::detail
