#pragma once
// Descriptions: what a value with options is, as text that people read and checkpoints compare.

#include <stet/core/requirements.hpp>
#include <stet/core/text.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

template <auto value>
constexpr std::string_view enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t first = text.find("value = ") + 8;
  const std::string_view name = text.substr(first, std::min(text.find(';', first), text.rfind(']')) - first);
  return name.substr(name.rfind(':') + 1);
}

inline std::string enumerator_name(std::span<const std::string_view> names, long long value) {
  const auto index = static_cast<std::size_t>(value);
  const bool named = index < names.size() && names[index].find(')') == names[index].npos;
  return named ? std::string(names[index]) : std::to_string(value);
}

// A type's name as the compiler spells it: the last resort where a type does not name itself.
template <class T>
std::string type_name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t first = text.find("T = ") + 4;
  return std::string(text.substr(first, std::min(text.find(';', first), text.rfind(']')) - first));
}

inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace detail

/// Name of an enumerator as it stands in the code; of an enumeration whose values are 0 to 15.
/// Errors:    none: a value that is no enumerator gives its number
template <class E>
std::string enumerator_name(E value) {
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    static constexpr std::string_view names[] = {detail::enumerator<static_cast<E>(i)>()...};
    return detail::enumerator_name(names, static_cast<long long>(value));
  }(std::make_index_sequence<16>());
}

/// Text of a scheme, observer, estimator or optimizer: its describe(), which should name the type and every option; else
/// its name, a member function or a static member; else its type. Equal texts stand for equal values, so a type of your own
/// with options needs describe() where checkpoints are to tell two of them apart.
template <class T>
std::string description_of(const T& value) {
  if constexpr (requires { { value.describe() } -> std::convertible_to<std::string>; }) {
    return value.describe();
  } else if constexpr (requires { { value.name() } -> std::convertible_to<std::string>; }) {
    return value.name();
  } else if constexpr (requires { { T::name } -> std::convertible_to<std::string>; }) {
    return T::name;
  } else {
    return detail::type_name<T>();
  }
}

/// Where two texts of several lines differ, as "x, wanted y" each; equal lines at both ends are passed over, so that a line
/// that one has more is one difference. At most twelve are written out. Empty if the texts are equal.
inline std::string differences(std::string_view found, std::string_view wanted) {
  const std::vector<std::string_view> a = detail::lines_of(found), b = detail::lines_of(wanted);
  const std::size_t shorter = std::min(a.size(), b.size()), longer = std::max(a.size(), b.size());
  std::size_t begin = 0, end = 0;  // of equal lines at the ends
  while (begin < shorter && a[begin] == b[begin]) ++begin;
  while (end < shorter - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
  std::string text;
  int count = 0;
  for (std::size_t i = begin; i + end < longer; ++i) {
    const std::string_view x = i + end < a.size() ? a[i] : "nothing", y = i + end < b.size() ? b[i] : "nothing";
    if (x != y && ++count <= 12) text += formatted("{}{}, wanted {}", count == 1 ? "" : "; ", x, y);
  }
  return count <= 12 ? text : text + formatted(" (and {} lines more)", count - 12);
}

}  // namespace stet
