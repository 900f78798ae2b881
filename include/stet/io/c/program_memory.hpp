#pragma once
// ProgramMemory: what a C program needs of a microcontroller's two memories.

#include <stet/core/text.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// RAM and flash of a program that save_c_program writes, in bytes. Machine code comes on top of the constants: it is the
/// compiler's, some 1 to 5 KB. So does the stack, on which lie no values.
struct ProgramMemory {
  struct Row {
    std::string node{}, kind{};
    std::int64_t flash = 0;  ///< its constants: weights, biases, multipliers, tables
    std::int64_t ram = 0;    ///< values that are needed while it runs
  };
  std::vector<Row> rows{};   ///< per node, in execution order
  std::int64_t arena = 0;    ///< of all values: the largest of the rows, rounded up per value and for what could not be packed closer
  std::int64_t scratch = 0;  ///< of CMSIS-NN, where the program is compiled with it

  [[nodiscard]] std::int64_t ram() const { return arena; }
  [[nodiscard]] std::int64_t flash() const {
    std::int64_t all = 0;
    for (const Row& r : rows) all += r.flash;
    return all;
  }
  /// A table with a line per node and the sums below.
  [[nodiscard]] std::string str() const {
    std::vector<std::vector<std::string>> lines{{"node", "kind", "flash", "RAM"}};
    for (const Row& r : rows) lines.push_back({r.node, r.kind, formatted("{}", r.flash), formatted("{}", r.ram)});
    lines.push_back({"all", "", formatted("{}", flash()), formatted("{}", ram())});
    std::size_t width[4] = {};
    for (const auto& line : lines) {
      for (std::size_t c = 0; c < 4; ++c) width[c] = line[c].size() > width[c] ? line[c].size() : width[c];
    }
    std::string text;
    for (const auto& line : lines) {
      for (std::size_t c = 0; c < 4; ++c) {
        const std::string space(width[c] - line[c].size(), ' ');
        text += c < 2 ? line[c] + space + "  " : space + line[c] + (c == 2 ? "  " : "\n");
      }
    }
    if (scratch > 0) text += formatted("with CMSIS-NN {} bytes of RAM more\n", scratch);
    return text;
  }
};

}  // namespace stet
