#pragma once
// Tables of text: .csv files, with columns of numbers and of classes.

#include <stet/core/tensor.hpp>
#include <stet/io/file.hpp>
#include <stet/io/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

struct CsvOptions {
  char separator = ',';
  bool header = true;  ///< whether the first line has the names of the columns; else they are 0, 1, ...
};

/// Classes of a column: labels count from 0, in the order of the names.
struct CsvClasses {
  Tensor<std::int32_t> labels{};  ///< [rows]
  std::vector<std::string> names{};
};

namespace detail {

// A number as people write it: sign, digits with or without a point, exponent; nothing else around but spaces.
inline bool parse_number(std::string_view text, double& value) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  std::size_t at = !text.empty() && text.front() == '-' ? 1 : 0, digits = 0;
  const auto skip = [&] {
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) ++digits;
  };
  skip();
  if (at < text.size() && text[at] == '.') ++at;
  skip();
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    digits = 0;
    skip();
    if (digits == 0) return false;
  }
  return at == text.size() && parse_double(std::string(text), value);
}

}  // namespace detail

/// A table that was read, cell by cell.
class CsvTable {
 public:
  /// Takes the text of a file apart; `from` stands for it in messages.
  /// Errors:    as load_csv
  CsvTable(std::string text, const std::string& from, const CsvOptions& options = {});

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return names_.size(); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// Position of a column.
  /// Errors:    Errc::range, with the names that there are, if none has this name
  [[nodiscard]] std::size_t column(std::string_view name) const {
    const auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end()) {
      std::string all;
      for (std::size_t i = 0; i < names_.size() && i < 20; ++i) all += (i == 0 ? "" : ", ") + names_[i];
      fail(Errc::range, "csv file {}: has no column '{}'; it has {}{}", from_, name, all, names_.size() > 20 ? ", ..." : "");
    }
    return static_cast<std::size_t>(at - names_.begin());
  }
  /// Text of a cell, without the quotes around it.
  [[nodiscard]] std::string_view cell(std::int64_t row, std::size_t column) const {
    require(row >= 0 && row < rows_ && column < columns(), Errc::range, "csv file {}: row {}, column {} of {} rows and {} columns", from_, row, column,
            rows_, columns());
    return cells_[static_cast<std::size_t>(row) * columns() + column];
  }
  /// Whether all cells of a column are numbers.
  [[nodiscard]] bool is_numeric(std::size_t column) const {
    double value = 0;
    for (std::int64_t r = 0; r < rows_; ++r) {
      if (!detail::parse_number(cell(r, column), value)) return false;
    }
    return true;
  }
  /// Columns as numbers.
  /// Shapes:    [rows, columns that are asked for]
  /// Rounding:  to the nearest float, half to even
  /// Errors:    Errc::format, with line and column, if a cell is none (an empty one is none either) or too large
  [[nodiscard]] Tensor<float> numbers(std::span<const std::size_t> which) const {
    Tensor<float> x(Shape{rows_, static_cast<std::int64_t>(which.size())});
    auto to = x.edit();
    std::size_t i = 0;
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (const std::size_t c : which) {
        double value = 0;
        const std::string_view text = cell(r, c);
        require(detail::parse_number(text, value) && std::isfinite(static_cast<float>(value)), Errc::format,
                "csv file {}: '{}' in row {} of column {} is no number that float has; fill it in, leave the column out, or take it for classes", from_,
                text.substr(0, 40), r + 1, names_[c]);
        to[i++] = static_cast<float>(value);
      }
    }
    return x;
  }
  /// A column as classes: the different texts in it, numbers by size, others by their bytes.
  /// Errors:    Errc::format if a cell is empty; Errc::range if there are more than 65536 classes
  [[nodiscard]] CsvClasses classes(std::size_t column) const {
    std::vector<std::string_view> all;
    for (std::int64_t r = 0; r < rows_; ++r) {
      all.push_back(cell(r, column));
      require(!all.back().empty(), Errc::format, "csv file {}: row {} of column {} is empty; a class has a name", from_, r + 1, names_[column]);
    }
    std::vector<std::string_view> names = all;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    require(names.size() <= 65536, Errc::range, "csv file {}: column {} has {} different texts; these are no classes", from_, names_[column], names.size());
    std::vector<std::size_t> order(names.size());  // of the classes, as positions in the sorted names
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (is_numeric(column)) {
      std::vector<double> value(names.size());
      for (std::size_t k = 0; k < names.size(); ++k) (void)detail::parse_number(names[k], value[k]);
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return value[a] < value[b]; });
    }
    std::vector<std::int32_t> label(names.size());
    CsvClasses result;
    for (std::size_t k = 0; k < order.size(); ++k) {
      label[order[k]] = static_cast<std::int32_t>(k);
      result.names.emplace_back(names[order[k]]);
    }
    result.labels = Tensor<std::int32_t>(Shape{rows_});
    auto to = result.labels.edit();
    for (std::size_t r = 0; r < all.size(); ++r) to[r] = label[static_cast<std::size_t>(std::lower_bound(names.begin(), names.end(), all[r]) - names.begin())];
    return result;
  }

 private:
  std::string from_;
  std::shared_ptr<const std::string> text_{};  // what the cells are parts of
  std::vector<std::string> names_{};
  std::vector<std::string_view> cells_{};
  std::int64_t rows_ = 0;
};

inline CsvTable::CsvTable(std::string text, const std::string& from, const CsvOptions& options) : from_(from) {
  const char separator = options.separator;
  require(separator != '"' && separator != '\n' && separator != '\r' && separator != '\0', Errc::range,
          "csv file {}: the separator is a quote or the end of a line; take another", from);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // the mark of UTF-8
  // Cells are unquoted in place: they never get longer.
  std::size_t at = 0, put = 0, line = 1, columns = 0;
  std::vector<std::pair<std::size_t, std::size_t>> spans;
  const auto ends = [&](std::size_t i) { return i >= text.size() || text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] == '\n')); };
  while (at < text.size()) {
    if (ends(at)) {  // an empty line
      at += text[at] == '\r' ? 2u : 1u;
      ++line;
      continue;
    }
    const std::size_t first_line = line;
    std::size_t count = 0;
    for (bool more = true; more; ++count) {
      const std::size_t begin = put;
      if (at < text.size() && text[at] == '"') {
        for (++at;; ++at) {
          require(at < text.size(), Errc::format, "csv file {}: the quotes of a cell in line {} do not close", from, first_line);
          if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
          if (text[at] == '"') ++at;  // two stand for one
          line += text[at] == '\n' ? 1u : 0u;
          text[put++] = text[at];
        }
        ++at;
        require(ends(at) || text[at] == separator, Errc::format, "csv file {}: something follows the quotes of a cell in line {}", from, line);
      } else {
        for (; !ends(at) && text[at] != separator; ++at) {
          require(text[at] != '"', Errc::format, "csv file {}: a quote within a cell in line {}; a cell with quotes has them around it, and two for one", from,
                  line);
          text[put++] = text[at];
        }
      }
      spans.emplace_back(begin, put - begin);
      more = !ends(at);
      if (more) ++at;
    }
    require(columns == 0 || count == columns, Errc::format, "csv file {}: line {} has {} cells, the first one {}; is '{}' what separates them?", from,
            first_line, count, columns, separator);
    columns = count;
    if (at < text.size()) at += text[at] == '\r' ? 2u : 1u;
    ++line;
  }
  require(!spans.empty(), Errc::format, "csv file {}: is empty", from);
  text_ = std::make_shared<const std::string>(std::move(text));
  const std::string_view whole = *text_;
  std::size_t next = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    names_.push_back(options.header ? std::string(whole.substr(spans[c].first, spans[c].second)) : std::to_string(c));
  }
  if (options.header) next = columns;
  require(next < spans.size(), Errc::format, "csv file {}: has the names of its columns, and no rows", from);
  cells_.reserve(spans.size() - next);
  for (; next < spans.size(); ++next) cells_.push_back(whole.substr(spans[next].first, spans[next].second));
  rows_ = static_cast<std::int64_t>(cells_.size() / columns);
}

/// Reads a .csv file: cells parted by a separator, lines of as many cells each. Cells in quotes may hold separators, line ends and
/// two quotes for one. Empty lines are left out.
/// Errors:    Errc::io if it cannot be read; Errc::range if it is larger than 1 GiB; Errc::format if it has no rows, a line has
///            more or fewer cells than the first, or quotes do not close
/// Source:    RFC 4180
inline CsvTable load_csv(const std::string& path, const CsvOptions& options = {}) {
  const std::vector<std::uint8_t> bytes = read_file(path, std::uint64_t{1} << 30);
  return {std::string(bytes.begin(), bytes.end()), path, options};
}

}  // namespace stet
