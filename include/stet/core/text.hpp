#pragma once
// formatted: text as fmt::format makes it. Arguments lose their type before they reach a function that is compiled for
// them: a thousand messages cost no template of fmt each, and format strings are checked by a few lines instead of fmt's.

#include <stet/core/entry.hpp>

#include <fmt/core.h>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace stet {
namespace detail {

enum class TextKind { boolean, character, integer, natural, float32, float64, text, object };

// The kind of argument that a format string meets.
template <class T>
consteval TextKind text_kind() {
  if constexpr (std::is_same_v<T, bool>) {
    return TextKind::boolean;
  } else if constexpr (std::is_same_v<T, char>) {
    return TextKind::character;
  } else if constexpr (std::is_same_v<T, float>) {
    return TextKind::float32;
  } else if constexpr (std::is_floating_point_v<T>) {
    return TextKind::float64;
  } else if constexpr (std::is_integral_v<T>) {
    return std::is_signed_v<T> ? TextKind::integer : TextKind::natural;
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return TextKind::text;
  } else {
    return TextKind::object;
  }
}

template <class T>
concept HasText = requires(const T& value) {
  { value.str() } -> std::convertible_to<std::string>;
};
template <class T>
std::string text_of_object(const void* object) {
  if constexpr (HasText<T>) {
    return static_cast<const T*>(object)->str();
  } else {
    return fmt::format("{}", *static_cast<const T*>(object));
  }
}

// One argument of a text; it refers to strings and objects.
class TextArgument {
 public:
  template <class T>
  TextArgument(const T& value) : kind_(text_kind<T>()) {  // NOLINT: made where a function takes arguments
    if constexpr (text_kind<T>() == TextKind::text) {
      const std::string_view text = value;
      data_ = text.data();
      size_ = text.size();
    } else if constexpr (text_kind<T>() == TextKind::object) {
      data_ = &value;
      text_of_ = &text_of_object<T>;
    } else if constexpr (std::is_floating_point_v<T>) {
      real_ = static_cast<double>(value);
    } else {
      integer_ = static_cast<long long>(value);
    }
  }

  // Prints the value as fmt does, by one placeholder.
  void append_to(std::string& text, const std::string& placeholder) const;

 private:
  TextKind kind_;
  union {
    long long integer_;
    double real_;
    const void* data_;
  };
  union {
    std::size_t size_;
    std::string (*text_of_)(const void* object);
  };
};

// Checks a format string while it is compiled: as many placeholders as arguments, and letters that their kinds have.
class FormatStringCheck {
 public:
  consteval FormatStringCheck(std::string_view format, const TextKind* kinds, std::size_t count)
      : rest_(format), kinds_(kinds), count_(count) {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '{' && !skip('{')) placeholder();
      if (c == '}' && !skip('}')) throw "a } in a format string is written }}";
    }
    if (!indexed_ && next_ != count_) throw "a format string has fewer placeholders than arguments";
  }

 private:
  consteval char take() {
    if (rest_.empty()) throw "a format string ends within a placeholder";
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  consteval bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  consteval bool digits() {
    const std::size_t before = rest_.size();
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') rest_.remove_prefix(1);
    return rest_.size() < before;
  }
  consteval TextKind argument() {
    if (next_ >= count_) throw "a format string has more placeholders than arguments";
    return kinds_[next_++];
  }
  // Width or precision: a number, or {} for an argument.
  consteval void size() {
    if (!skip('{')) {
      digits();
      return;
    }
    const TextKind kind = argument();
    if (kind != TextKind::integer && kind != TextKind::natural) throw "a width or precision is an integer";
    if (take() != '}') throw "a width or precision is a number or {}";
  }
  consteval void placeholder() {
    TextKind kind{};
    if (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      const auto index = static_cast<std::size_t>(take() - '0');
      if (index >= count_) throw "a placeholder names an argument that does not exist";
      kind = kinds_[index];
      indexed_ = true;
    } else {
      kind = argument();
    }
    if (skip('}')) return;
    if (!skip(':')) throw "a placeholder is {}, {:...}, {0} or {0:...}";
    const bool real = kind == TextKind::float32 || kind == TextKind::float64;
    const bool whole = kind == TextKind::integer || kind == TextKind::natural;
    if (!skip('<') && !skip('>')) skip('^');
    if (skip('0') && !real && !whole) throw "only numbers are padded with zeros";
    size();
    if (skip('.')) {
      if (whole) throw "an integer has no precision";
      size();
    }
    const char letter = take();
    if (letter == '}') return;
    const std::string_view known = real ? "efgaEFGA" : whole ? "dxobXB" : "s";
    if (known.find(letter) == std::string_view::npos) throw "a placeholder's letter is not one of its argument's kind";
    if (take() != '}') throw "a placeholder ends with its letter";
  }

  std::string_view rest_;
  const TextKind* kinds_;
  std::size_t count_, next_ = 0;
  bool indexed_ = false;
};

}  // namespace detail

/// A format string for arguments of these kinds: a literal, checked while it is compiled.
template <detail::TextKind... kinds>
class FormatString {
 public:
  consteval FormatString(const char* text) : text_(text) {  // NOLINT: a literal becomes one
    constexpr detail::TextKind list[] = {kinds..., {}};
    detail::FormatStringCheck(text, list, sizeof...(kinds));
  }
  [[nodiscard]] const char* text() const { return text_; }

 private:
  const char* text_;
};
template <class... Args>
using FormatFor = std::type_identity_t<FormatString<detail::text_kind<Args>()...>>;

namespace detail {

[[gnu::cold]] STET_ENTRY std::string format_text(const char* format, std::initializer_list<TextArgument> arguments);

#if STET_DEFINE_ENTRIES
STET_ENTRY void TextArgument::append_to(std::string& text, const std::string& placeholder) const {
  const auto print = [&](const auto& value) { text += fmt::vformat(placeholder, fmt::make_format_args(value)); };
  switch (kind_) {
    case TextKind::boolean:
      return print(integer_ != 0);
    case TextKind::character:
      return print(static_cast<char>(integer_));
    case TextKind::integer:
      return print(integer_);
    case TextKind::natural:
      return print(static_cast<unsigned long long>(integer_));
    case TextKind::float32:
      return print(static_cast<float>(real_));
    case TextKind::float64:
      return print(real_);
    case TextKind::text:
      return print(std::string_view(static_cast<const char*>(data_), size_));
    case TextKind::object:
      return print(text_of_(data_));
  }
}
// Placeholder by placeholder: an argument in place of a width or precision is put into the placeholder first.
STET_ENTRY std::string format_text(const char* format, std::initializer_list<TextArgument> arguments) {
  std::string text;
  const TextArgument* next = arguments.begin();
  for (const char* c = format; *c != 0; ++c) {
    if (*c != '{' && *c != '}') {
      text += *c;
    } else if (c[1] == *c) {
      text += *c++;
    } else {
      const TextArgument* argument = next;
      std::string placeholder = "{";
      if (const char index = *++c; index >= '0' && index <= '9') {
        argument = arguments.begin() + (index - '0');
        ++c;
      } else {
        ++next;
      }
      for (; *c != '}'; ++c) {
        if (*c == '{') {
          (next++)->append_to(placeholder, "{}");
          ++c;
        } else {
          placeholder += *c;
        }
      }
      argument->append_to(text, placeholder + "}");
    }
  }
  return text;
}
#endif

}  // namespace detail

/// Base of fmt's formatter of a type with str(): template <> struct fmt::formatter<X> : stet::TextFormatter {};
struct TextFormatter {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <class T, class Context>
  auto format(const T& value, Context& context) const {
    const std::string text = value.str();
    auto out = context.out();
    for (const char c : text) *out++ = c;
    return out;
  }
};

/// Text by a format string in fmt's notation, of numbers, strings, types with str() and types that fmt can print.
template <class... Args>
[[gnu::always_inline]] inline std::string formatted(FormatFor<Args...> format, const Args&... args) {
  return detail::format_text(format.text(), {detail::TextArgument(args)...});
}

}  // namespace stet
