#pragma once
// Strict reader of JSON text, safe on hostile input.

#include <stet/io/json.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// What a JSON text may at most contain. The reader calls itself for nested values, and keeps about 100 bytes a value, up
/// to three times as much while lists grow.
struct JsonLimits {
  int depth = 32;
  std::int64_t values = 0;  ///< 0: 2^17, or one per 16 bytes of text if that is more

  [[nodiscard]] std::int64_t values_of(std::size_t bytes) const {
    return values > 0 ? values : std::max(std::int64_t{1} << 17, static_cast<std::int64_t>(bytes / 16));
  }
};

namespace detail {

class JsonReader {
 public:
  JsonReader(std::string_view text, const JsonLimits& limits)
      : text_(text), depth_left_(limits.depth), values_left_(limits.values_of(text.size())) {}

  Json document() {
    space();
    Json value = read();
    space();
    check(at_ == text_.size(), "something follows the value");
    return value;
  }

 private:
  [[noreturn]] void bad(const char* what) const { fail(Errc::format, "JSON: {} at byte {}", what, at_); }
  void check(bool good, const char* what) const {
    if (!good) bad(what);
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  Json read() {
    check(values_left_-- > 0, "too many values (JsonLimits::values)");
    const char c = peek();
    if (c == '{') return object();
    if (c == '[') return array();
    if (c == '"') return Json(string());
    if (c == '-' || (c >= '0' && c <= '9')) return number();
    if (word("true")) return Json(true);
    if (word("false")) return Json(false);
    check(word("null"), "a value was expected");
    return Json();
  }

  Json array() {
    enter();
    std::vector<Json> items;
    space();
    if (!take(']')) {
      do {
        space();
        items.push_back(read());
        space();
      } while (take(','));
      check(take(']'), "a comma or ] was expected");
    }
    ++depth_left_;
    return Json::array(std::move(items));
  }

  Json object() {
    enter();
    std::vector<Json::Member> members;
    space();
    if (!take('}')) {
      do {
        space();
        check(peek() == '"', "a member's name was expected");
        std::string name = string();
        space();
        check(take(':'), "a colon was expected");
        space();
        members.emplace_back(std::move(name), read());
        space();
      } while (take(','));
      check(take('}'), "a comma or } was expected");
    }
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const Json::Member& m : members) names.push_back(m.first);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) fail(Errc::format, "JSON: member '{}' is there twice", *twice);
    ++depth_left_;
    return Json::object(std::move(members));
  }

  void enter() {
    ++at_;
    check(depth_left_-- > 0, "too deeply nested");
  }

  Json number() {
    const std::size_t first = at_;
    const auto digits = [&] {
      const std::size_t start = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      check(at_ > start, "a digit was expected");
    };
    take('-');
    if (!take('0')) digits();
    if (take('.')) digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      digits();
    }
    return Json::number(std::string(text_.substr(first, at_ - first)));
  }

  std::string string() {
    ++at_;
    std::string out;
    while (true) {
      check(at_ < text_.size(), "a string does not end");
      const char c = text_[at_];
      if (c == '"') break;
      check(static_cast<unsigned char>(c) >= 0x20, "a control character in a string");
      if (c == '\\') {
        ++at_;
        escape(out);
        continue;
      }
      const std::size_t length = utf8_length(text_, at_);
      check(length > 0, "text that is not UTF-8");
      out.append(text_, at_, length);
      at_ += length;
    }
    ++at_;
    return out;
  }

  void escape(std::string& out) {
    constexpr std::string_view plain = "\"\\/bfnrt", meaning = "\"\\/\b\f\n\r\t";
    const char c = peek();
    const auto known = plain.find(c);
    if (known != std::string_view::npos && at_ < text_.size()) {
      out += meaning[known];
      ++at_;
      return;
    }
    check(take('u'), "an unknown escape");
    std::uint32_t code = hex();
    check(code < 0xdc00 || code > 0xdfff, "half of a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
      check(word("\\u"), "half of a surrogate pair");
      const std::uint32_t low = hex();
      check(low >= 0xdc00 && low <= 0xdfff, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
  }
  std::uint32_t hex() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + static_cast<std::uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        code = code * 16 + static_cast<std::uint32_t>((c | 0x20) - 'a') + 10;
      } else {
        bad("four hexadecimal digits were expected");
      }
    }
    return code;
  }
  static void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_left_;
  std::int64_t values_left_;
};

}  // namespace detail

/// Reads one JSON value that is the whole text.
/// Errors:    Errc::format for anything that is not JSON (comments, trailing commas, NaN, text that is not UTF-8, lone
///            surrogates included), a name that an object has twice, and more depth or values than the limits allow
/// Source:    RFC 8259
inline Json parse_json(std::string_view text, const JsonLimits& limits = {}) {
  return detail::JsonReader(text, limits).document();
}

}  // namespace stet
