#pragma once
// Rows of the table of all runtimes.

#include "say.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace example {

/// Bytes of a file, 0 if there is none.
inline std::int64_t file_size(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

/// One model in one runtime. A program knows the engine's; runtimes.py adds those of LiteRT and ONNX Runtime.
struct RuntimeRow {
  std::string name, runtime;
  std::int64_t correct = 0, images = 0;  ///< correct is -1 where the data have no labels
  std::int64_t size_bytes = 0;
  [[nodiscard]] double accuracy() const { return static_cast<double>(correct) / static_cast<double>(images); }
};

inline std::string size_text(std::int64_t bytes) {
  return bytes == 0 ? std::string("-") : fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024.0);
}

inline void print_rows(const std::vector<RuntimeRow>& rows) {
  say("\n{:<12}{:<34}{:>10}{:>14}\n", "model", "runtime", "accuracy", "file size");
  for (const RuntimeRow& row : rows) {
    const std::string accuracy = row.correct < 0 ? "-  " : fmt::format("{:.2f} %", 100.0 * row.accuracy());
    say("{:<12}{:<34}{:>10}{:>14}\n", row.name, row.runtime, accuracy, size_text(row.size_bytes));
  }
}

}  // namespace example
