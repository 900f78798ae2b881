#pragma once
// A screen of text: lines no longer than its columns, and no more of them than its rows.

#include <stet/diagnose/shown_text.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::detail {

/// A number's text, or a dash of ASCII, which columns count as one.
inline std::string plain_number(double value, std::string text) { return std::isfinite(value) ? std::move(text) : "-"; }

/// A name in a column: columns are as wide as they have bytes, so what is no ASCII becomes "?".
inline std::string plain_cell(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : printable(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) out += c == '\n' ? ' ' : c;
    if (byte >= 0xC0) out += '?';
  }
  if (out.size() <= most) return out;
  return out.substr(0, most - 2) + "..";
}

inline std::vector<std::string> text_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

/// Lines of at most so many characters, broken at spaces where there are some; those behind the first begin as it does, two
/// further in.
inline std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
  std::vector<std::string> lines;
  for (const std::string& paragraph : text_lines(printable(text))) {
    std::string_view rest = paragraph;
    const std::size_t first = std::min(rest.find_first_not_of(' '), std::size_t{20});
    std::string indent;
    while (!rest.empty()) {
      const std::size_t room = columns - indent.size();
      std::string_view line = first_characters(rest, room);
      if (line.size() < rest.size()) {
        const std::size_t space = line.rfind(' ');
        if (space != std::string_view::npos && space > room / 2) line = line.substr(0, space);
      }
      lines.push_back(indent + std::string(line));
      rest = rest.substr(line.size());
      rest = rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
      indent = std::string(first + 2, ' ');
    }
  }
  return lines;
}

/// Parts of a summary, an empty line between them.
class Screen {
 public:
  /// Parts of a smaller rank give lines first, from their end, until `least` are left; 0 of them: the part may go.
  void add(std::vector<std::string> lines, int rank, std::size_t least) {
    if (!lines.empty()) parts_.push_back({std::move(lines), rank, least});
  }
  [[nodiscard]] std::string str(std::size_t rows, std::size_t columns) && {
    std::vector<Part*> order;
    for (Part& p : parts_) order.push_back(&p);
    std::stable_sort(order.begin(), order.end(), [](const Part* a, const Part* b) { return a->rank < b->rank; });
    for (Part* p : order) {
      const std::size_t all = height();
      if (all > rows) p->shrink(all - rows);
    }
    std::string text;
    for (const Part& p : parts_) {
      if (p.lines.empty()) continue;
      if (!text.empty()) text += "\n";
      for (const std::string& line : p.lines) text += shortened(line, columns) + "\n";
    }
    return text;
  }

 private:
  struct Part {
    std::vector<std::string> lines{};
    int rank = 0;
    std::size_t least = 0;
    // One line says what went.
    void shrink(std::size_t by) {
      if (least == 0 && by + 1 >= lines.size()) return lines.clear();
      const std::size_t keep = std::max(least, lines.size() > by + 1 ? lines.size() - by - 1 : 0);
      if (keep + 1 >= lines.size()) return;
      const std::size_t gone = lines.size() - keep;
      lines.resize(keep);
      lines.push_back(formatted("... {} more lines: see the page or the JSON", gone));
    }
  };
  [[nodiscard]] std::size_t height() const {
    std::size_t rows = 0;
    for (const Part& p : parts_) rows += p.lines.empty() ? 0 : p.lines.size() + (rows > 0 ? 1 : 0);
    return rows;
  }
  std::vector<Part> parts_{};
};

}  // namespace stet::detail
