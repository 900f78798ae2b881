#pragma once
// Text as people are shown it: names that others chose, cut to a width, and numbers that may be none.

#include <stet/io/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace stet::detail {

/// Text that any reader takes: bytes that are no UTF-8 become U+FFFD, control characters but the end of a line a space. Names
/// of nodes and data come from files of others.
inline std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    const auto byte = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (length == 1 && (byte == 127 || (byte < 32 && byte != '\n'))) {
      out += ' ';
    } else {
      out.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return out;
}

/// Characters of printable text.
inline std::size_t character_count(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u ? 1 : 0;
  return n;
}

/// The first characters of printable text, whole.
inline std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u) ++at;
    --count;
  }
  return text.substr(0, at);
}

/// Printable text in one line of at most so many characters; what is longer ends in an ellipsis.
inline std::string shortened(std::string_view text, std::size_t most) {
  std::string line = printable(text);
  for (char& c : line) c = c == '\n' ? ' ' : c;
  if (character_count(line) <= most) return line;
  return std::string(first_characters(line, most - 1)) + "…";
}

/// Printable text in one line that is about so many pixels wide at 13 px, where a browser's own measure is not at hand: most
/// letters of a sans-serif take 7.5, wide ones and what is no ASCII 13.
inline std::string fitting(std::string_view text, double pixels) {
  const std::string line = shortened(text, 400);
  double width = 0;
  std::size_t count = 0;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0u) == 0x80u) continue;
    const bool broad = byte >= 0x80 || c == 'm' || c == 'w' || c == 'M' || c == 'W' || c == '@' || c == '%';
    width += broad ? 13 : c >= 'A' && c <= 'Z' ? 9.5 : 7.5;
    if (width > pixels) return shortened(line, std::max<std::size_t>(count, 1));
    ++count;
  }
  return line;
}

/// The text of a number, or a dash where it is none: the accuracy of what has no classes, a ratio to zero.
inline std::string if_number(double value, std::string text) { return std::isfinite(value) ? std::move(text) : "–"; }

}  // namespace stet::detail
