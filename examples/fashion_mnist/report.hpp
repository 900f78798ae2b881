#pragma once
// Rows of the example's result, as a table and as results.json.

#include "../common/runtime_row.hpp"
#include "options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct Row {
  std::string name;
  std::int64_t correct = 0, images = 0;
  std::int64_t size_bytes = 0;
  double seconds = 0;
  [[nodiscard]] double accuracy() const { return static_cast<double>(correct) / static_cast<double>(images); }
};

/// Comparison of every code of the training forward in evaluation mode with the engine's.
struct BitExact {
  std::string target;
  std::int64_t images = 0, compared_codes = 0, different_codes = 0;
};

/// Whether QAT is worse than its control, and the cause if it is.
struct Why {
  std::string verdict, sentence, cause;
};

/// The network as a C program: its folder, and what it needs of a microcontroller's memories, in bytes.
struct Program {
  std::string folder;
  std::int64_t flash = 0, ram = 0;
};

struct Report {
  std::string network, data;
  std::uint64_t seed = 1;
  int threads = 1;
  std::vector<Row> rows;
  BitExact bit_exact;
  Program program;
  std::vector<RuntimeRow> runtimes;
  Why why;
};

/// Prints the table; differences are to the row fp32, in points.
void print(const Report& report);
/// Writes results.json.
void save(const Report& report, const std::string& path);

}  // namespace example
