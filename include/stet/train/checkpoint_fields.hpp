#pragma once
// The fields of which checkpoints are made: what they store, what makes up a model, and values that nothing can use.

#include <stet/core/finite.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/model.hpp>
#include <stet/quant/range.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
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

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> || std::is_enum_v<T>;

// Number type that the file holds for a field of type T.
template <class T>
auto stored_number() {
  if constexpr (std::is_enum_v<T>) {
    return std::int64_t{};
  } else if constexpr (std::is_same_v<T, bool>) {
    return std::uint8_t{};
  } else {
    return T{};
  }
}

// The elements of a field as the file holds them: a tensor as it is, numbers as a scalar, lists as one dimension.
template <class T>
auto stored_tensor(const T& value) {
  if constexpr (IsTensor<T>::value) {
    return value;
  } else if constexpr (is_number<T>) {
    using S = decltype(stored_number<T>());
    return Tensor<S>(Shape{}, {static_cast<S>(value)});
  } else {
    static_assert(IsVector<T>::value || IsArray<T>::value,
                  "stet: a checkpoint field is a Tensor, a number, an enumeration, or a vector or array of numbers");
    using S = typename T::value_type;
    return Tensor<S>(Shape{static_cast<std::int64_t>(value.size())}, std::span<const S>(value));
  }
}
template <class T>
void restore_field(T& value, const typename std::remove_cvref_t<decltype(stored_tensor(value))>& stored) {
  if constexpr (IsTensor<T>::value) {
    value = stored;
  } else if constexpr (is_number<T>) {
    value = static_cast<T>(stored[0]);
  } else if constexpr (IsVector<T>::value) {
    value.assign(stored.span().begin(), stored.span().end());
  } else {
    std::copy_n(stored.data(), value.size(), value.begin());
  }
}

inline constexpr std::string_view quantizer_prefix = "quantizer/";

// Calls f(name, field) for everything that makes up a model: parameters and buffers under their own names; of a model
// with quantizers also these, under their prefix.
template <class M, class F>
void checkpoint_fields(M& model, F&& f) {
  if constexpr (requires { model.model(); }) {
    model.model().fields(f);
    model.fields([&](std::string_view name, auto& field) { f(std::string(quantizer_prefix) + std::string(name), field); });
  } else {
    model.fields(f);
  }
}

/// Says how many numbers of a tensor are NaN or infinite, and where; empty if none is.
inline std::string non_finite_text(std::string_view name, std::span<const float> values) {
  const RangeScan scan = scan_range(values);
  if (scan.non_finite == 0) return {};
  return formatted("{}: {} of {} values are NaN or infinite, the first at index {}", name, scan.non_finite,
                     values.size(), scan.first_non_finite);
}

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
  checkpoint_fields(copy, [&]<class T>(std::string_view name, const T& value) {
    if constexpr (std::same_as<T, Tensor<float>>) take(non_finite_text(name, value.span()));
  });
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
  return fault;
}

}  // namespace stet::detail
