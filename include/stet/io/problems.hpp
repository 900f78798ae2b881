#pragma once
// What a file of another program has that is not understood: one line per kind, with the number of nodes and the first of them.

#include <stet/core/error.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Collects problems; those that differ in names and numbers only are one.
class Problems {
 public:
  /// A problem of a node, by its operator and its name. Without an operator the name says what it is of; without either the
  /// text says all. The error's code is that of the first problem.
  void add(Errc code, const std::string& op_type, const std::string& name, const std::string& text) {
    if (lines_.empty()) code_ = code;
    const bool alone = op_type.empty() && name.empty();
    const auto [found, first] = lines_of_.emplace(op_type + '\0' + (alone ? text : kind_of(text)), lines_.size());
    if (first) {
      if (lines_.size() >= most_lines) {
        lines_of_.erase(found);
        ++left_out_;
        return;
      }
      lines_.push_back({op_type, text});
    }
    Line& line = lines_[found->second];
    if (++line.count <= most_names && !alone) line.names += (line.count == 1 ? "" : ", ") + name;
  }
  void add(Errc code, const std::string& text) { add(code, {}, {}, text); }
  [[nodiscard]] bool none() const { return lines_.empty(); }
  /// One line for each, in the order in which they came.
  [[nodiscard]] std::string text() const {
    std::string all;
    for (const Line& l : lines_) {
      if (l.names.empty() && l.op_type.empty()) {
        all += "\n  " + l.text;
      } else if (l.op_type.empty()) {
        all += formatted("\n  {}: {}", l.names, l.text);
      } else if (l.count == 1) {
        all += formatted("\n  {} ({}): {}", l.names, l.op_type, l.text);
      } else {
        all += formatted("\n  {} ({} nodes: {}{}): {}", l.op_type, l.count, l.names,
                         l.count > most_names ? ", ..." : "", l.text);
      }
    }
    if (left_out_ > 0) all += formatted("\n  and {} more", left_out_);
    return all;
  }
  /// Throws what was collected.
  /// Errors:    the code of the first problem; the message lists all (of more than 100 kinds, the first 100)
  void require_none(const std::string& where) const {
    if (!none()) throw Error(code_, where + ":" + text());
  }

 private:
  static constexpr std::size_t most_lines = 100;
  static constexpr int most_names = 3;
  struct Line {
    std::string op_type, text;
    int count = 0;
    std::string names{};
  };

  // A text without what stands between quotation marks, and without numbers.
  static std::string kind_of(const std::string& text) {
    std::string kind;
    bool quoted = false;
    for (const char c : text) {
      if (c == '\'') quoted = !quoted;
      if (!quoted && (c < '0' || c > '9')) kind += c;
    }
    return kind;
  }

  Errc code_ = Errc::format;
  std::vector<Line> lines_;
  std::map<std::string, std::size_t> lines_of_;
  std::size_t left_out_ = 0;
};

}  // namespace stet
