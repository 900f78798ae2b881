#pragma once
// Descriptions: what a value with options is, as text that people read and checkpoints compare.

#include <stet/core/requirements.hpp>
#include <stet/core/text.hpp>

#include <algorithm>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

namespace stet {

namespace detail {

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

/// Where two texts of several lines differ first, as "x, wanted y", with the number of other lines that differ; empty if
/// they are equal.
inline std::string first_difference(std::string_view found, std::string_view wanted) {
  const std::vector<std::string_view> a = detail::lines_of(found), b = detail::lines_of(wanted);
  std::string text;
  int others = 0;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string_view x = i < a.size() ? a[i] : "nothing", y = i < b.size() ? b[i] : "nothing";
    if (x == y) continue;
    if (text.empty()) {
      text = formatted("{}, wanted {}", x, y);
    } else {
      ++others;
    }
  }
  return others == 0 ? text : text + formatted(" (and {} lines more)", others);
}

}  // namespace stet
