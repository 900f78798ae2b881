#pragma once
// The table over seeds: mean, spread and distance to the control.

#include "options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace example {

/// Accuracies of every network over the seeds that were run so far.
class Table {
 public:
  Table(const std::vector<std::string>& recipes, int qat_epochs);

  /// A result of the seed that is being run.
  void add(const std::string& name, double accuracy, std::int64_t bytes, std::int64_t different_codes);
  void print() const;
  void save(const std::string& path, const Options& options) const;
  /// Codes in which training forward and engine differ, over all rows and seeds.
  [[nodiscard]] std::int64_t different() const;

 private:
  struct Row {
    std::string name;
    std::vector<double> accuracy{};
    std::int64_t bytes = 0, different = 0;
  };
  [[nodiscard]] std::vector<double> against_control(const Row& row) const;

  std::vector<Row> rows_;
  int qat_epochs_;
};

}  // namespace example
