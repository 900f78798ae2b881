#include "table.hpp"

#include "../common/say.hpp"

#include <stet/io/file.hpp>

#include <nlohmann/json.hpp>

#include <cmath>

namespace example {

namespace {

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

// Sample standard deviation; 0 for one value.
double spread(const std::vector<double>& x) {
  if (x.size() < 2) return 0;
  double sum = 0;
  for (const double v : x) sum += (v - mean(x)) * (v - mean(x));
  return std::sqrt(sum / static_cast<double>(x.size() - 1));
}

}  // namespace

Table::Table(const std::vector<std::string>& recipes, int qat_epochs) : qat_epochs_(qat_epochs) {
  rows_.push_back({"fp32"});
  rows_.push_back({"control"});
  for (const std::string& name : recipes) rows_.push_back({name});
}

void Table::add(const std::string& name, double accuracy, std::int64_t bytes, std::int64_t different_codes) {
  for (Row& row : rows_) {
    if (row.name != name) continue;
    row.accuracy.push_back(100 * accuracy);
    row.bytes = bytes;
    row.different += different_codes;
  }
}

std::vector<double> Table::against_control(const Row& row) const {
  std::vector<double> difference;
  for (std::size_t i = 0; i < row.accuracy.size() && i < rows_[1].accuracy.size(); ++i) {
    difference.push_back(row.accuracy[i] - rows_[1].accuracy[i]);
  }
  return difference;
}

std::int64_t Table::different() const {
  std::int64_t sum = 0;
  for (const Row& row : rows_) sum += row.different;
  return sum;
}

void Table::print() const {
  say("\n{:<12}{:>10}{:>8}{:>16}{:>8}{:>12}{:>16}   {}\n", "", "mean", "spread", "against control", "spread",
             "file size", "differing codes", "seeds");
  for (const Row& row : rows_) {
    if (row.accuracy.empty()) continue;
    const std::vector<double> difference = against_control(row);
    std::string seeds;
    for (const double a : row.accuracy) seeds += fmt::format(" {:.2f}", a);
    const bool quantized = row.name != "fp32" && row.name != "control";
    say("{:<12}{:>8.2f} %{:>8.2f}{:>+14.2f} p{:>8.2f}{:>12}{:>16}  {}\n", row.name, mean(row.accuracy),
               spread(row.accuracy), mean(difference), spread(difference),
               quantized ? fmt::format("{:.1f} KiB", static_cast<double>(row.bytes) / 1024.0) : "-",
               quantized ? std::to_string(row.different) : "-", seeds);
  }
  say("control: FP32 with {} more epochs; the others are the integers in the engine\n", qat_epochs_);
}

void Table::save(const std::string& path, const Options& options) const {
  nlohmann::ordered_json json;
  json["network"] = options.network;
  json["seeds"] = options.seeds;
  json["qat_epochs"] = options.qat_epochs;
  json["rows"] = nlohmann::ordered_json::array();
  for (const Row& row : rows_) {
    const std::vector<double> difference = against_control(row);
    json["rows"].push_back({{"name", row.name},
                            {"accuracy", row.accuracy},
                            {"mean", mean(row.accuracy)},
                            {"spread", spread(row.accuracy)},
                            {"against_control", mean(difference)},
                            {"size_bytes", row.bytes},
                            {"different_codes", row.different}});
  }
  stet::write_file_atomically(path, json.dump(2) + "\n");
}

}  // namespace example
