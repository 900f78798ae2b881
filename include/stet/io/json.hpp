#pragma once
// JSON: a small value type that is written with dump() and read strictly with parse_json() (json_reader.hpp).

#include <stet/core/error.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <locale.h>

namespace stet {

namespace detail {

/// Reads a JSON number; false if it is too large or too small for a double.
inline bool parse_double(const std::string& text, double& value) {
#if defined(__cpp_lib_to_chars)
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
#else
  // Floating from_chars is not in every standard library (libc++ 19 lacks it), and strtod follows the program's locale.
  static const locale_t classic = newlocale(LC_ALL_MASK, "C", nullptr);
  value = strtod_l(text.c_str(), nullptr, classic);
  const bool zero = text.find_first_of("123456789") >= text.find_first_of("eE");  // no digit before the exponent
  return std::isfinite(value) && (value != 0.0 || zero);
#endif
}

}  // namespace detail

/// One JSON value. Objects keep the order of their members; numbers keep their text, so 64-bit integers stay exact.
class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };
  using Member = std::pair<std::string, Json>;

  Json() = default;
  Json(bool value) : kind_(Kind::boolean), text_(value ? "true" : "false") {}      // NOLINT: `{"bits", 8}` is the point
  Json(int value) : Json(static_cast<std::int64_t>(value)) {}                      // NOLINT
  Json(std::int64_t value) : kind_(Kind::number), text_(std::to_string(value)) {}  // NOLINT
  Json(std::uint64_t value) : kind_(Kind::number), text_(std::to_string(value)) {}  // NOLINT
  /// Shortest text that reads back as the same number.
  /// Errors:    Errc::range if it is infinite or not a number (JSON has no such numbers)
  Json(double value) : kind_(Kind::number) {  // NOLINT
    require(std::isfinite(value), Errc::range, "Json: {} is not a JSON number; write a string or leave it out", value);
    text_ = formatted("{}", value);
  }
  Json(std::string value) : kind_(Kind::string), text_(std::move(value)) {}  // NOLINT
  Json(std::string_view value) : Json(std::string(value)) {}                 // NOLINT
  Json(const char* value) : Json(std::string(value)) {}                      // NOLINT

  static Json array(std::vector<Json> items = {}) {
    Json j;
    j.kind_ = Kind::array;
    j.items_ = std::move(items);
    return j;
  }
  static Json object(std::vector<Member> members = {}) {
    Json j;
    j.kind_ = Kind::object;
    j.members_ = std::move(members);
    return j;
  }
  /// A number given by its text, which must be a JSON number.
  static Json number(std::string text) {
    Json j;
    j.kind_ = Kind::number;
    j.text_ = std::move(text);
    return j;
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }

  /// Appends to an array, or a member to an object (the name must be new to it).
  void push(Json item) {
    require(kind_ == Kind::array, Errc::state, "Json: push needs an array");
    items_.push_back(std::move(item));
  }
  void set(std::string name, Json value) {
    require(kind_ == Kind::object, Errc::state, "Json: set needs an object");
    require(find(name) == nullptr, Errc::state, "Json: the object has a member '{}' already", name);
    members_.emplace_back(std::move(name), std::move(value));
  }

  [[nodiscard]] const std::vector<Json>& items() const {
    require(kind_ == Kind::array, Errc::format, "Json: an array was expected");
    return items_;
  }
  [[nodiscard]] const std::vector<Member>& members() const {
    require(kind_ == Kind::object, Errc::format, "Json: an object was expected");
    return members_;
  }
  /// The member of this name, or null if the object has none.
  [[nodiscard]] const Json* find(std::string_view name) const {
    for (const Member& m : members()) {
      if (m.first == name) return &m.second;
    }
    return nullptr;
  }
  /// Errors:    Errc::format if there is no such member
  [[nodiscard]] const Json& at(std::string_view name) const {
    const Json* value = find(name);
    require(value != nullptr, Errc::format, "Json: the object has no member '{}'", name);
    return *value;
  }
  [[nodiscard]] const std::string& as_string() const {
    require(kind_ == Kind::string, Errc::format, "Json: a string was expected");
    return text_;
  }
  [[nodiscard]] bool as_bool() const {
    require(kind_ == Kind::boolean, Errc::format, "Json: true or false was expected");
    return text_ == "true";
  }
  /// Errors:    Errc::format if it is no number; Errc::range if it is too large for a double
  [[nodiscard]] double as_double() const {
    require(kind_ == Kind::number, Errc::format, "Json: a number was expected");
    double value = 0;
    require(detail::parse_double(text_, value), Errc::range, "Json: {} does not fit a double", text_);
    return value;
  }
  /// Errors:    Errc::format unless it is written as a whole number from 0 to 2^64-1 (no sign, point or exponent)
  [[nodiscard]] std::uint64_t as_uint64() const {
    require(kind_ == Kind::number, Errc::format, "Json: a number was expected");
    std::uint64_t value = 0;
    for (const char c : text_) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      require(c >= '0' && c <= '9' && value <= (~std::uint64_t{0} - digit) / 10, Errc::format,
              "Json: {} is not a whole number from 0 to 2^64-1", text_);
      value = value * 10 + digit;
    }
    return value;
  }

  /// The value as text. With `indent` > 0 it is broken into lines, otherwise written without any space.
  /// Errors:    Errc::format if a string is not UTF-8
  [[nodiscard]] std::string str(int indent = 0) const {
    std::string out;
    write(out, indent, 0);
    if (indent > 0) out += '\n';
    return out;
  }

 private:
  void write(std::string& out, int indent, int level) const;

  Kind kind_ = Kind::null;
  std::string text_;  // of a boolean, number or string
  std::vector<Json> items_;
  std::vector<Member> members_;
};

namespace detail {

// Length of the UTF-8 sequence that starts at text[at], 0 if there is none (overlong forms, surrogates and numbers
// above 10FFFF included).
inline std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned b = byte(0), next = byte(1);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    const bool good = (b != 0xe0 || next >= 0xa0) && (b != 0xed || next <= 0x9f);
    return good && tail(1) && tail(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    const bool good = (b != 0xf0 || next >= 0x90) && (b != 0xf4 || next <= 0x8f);
    return good && tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

inline void write_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    require(length > 0, Errc::format, "Json: a string is not UTF-8 at byte {}", i);
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += formatted("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.append(text, i, length);
    }
    i += length;
  }
  out += '"';
}

}  // namespace detail

inline void Json::write(std::string& out, int indent, int level) const {
  const auto line = [&](int depth) {
    if (indent <= 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * depth), ' ');
  };
  switch (kind_) {
    case Kind::null:
      out += "null";
      break;
    case Kind::boolean:
    case Kind::number:
      out += text_;
      break;
    case Kind::string:
      detail::write_json_string(out, text_);
      break;
    case Kind::array:
      out += '[';
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if (i > 0) out += ',';
        line(level + 1);
        items_[i].write(out, indent, level + 1);
      }
      if (!items_.empty()) line(level);
      out += ']';
      break;
    case Kind::object:
      out += '{';
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if (i > 0) out += ',';
        line(level + 1);
        detail::write_json_string(out, members_[i].first);
        out += indent > 0 ? ": " : ":";
        members_[i].second.write(out, indent, level + 1);
      }
      if (!members_.empty()) line(level);
      out += '}';
      break;
  }
}

}  // namespace stet
