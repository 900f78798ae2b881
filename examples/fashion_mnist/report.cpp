#include "report.hpp"

#include "../common/export.hpp"
#include "../common/say.hpp"

#include <stet/io/file.hpp>

#include <nlohmann/json.hpp>

namespace example {

namespace {

std::string seconds_text(double seconds) {
  return seconds < 0.005 ? std::string("-") : fmt::format("{:.1f} s", seconds);
}

}  // namespace

void print(const Report& report) {
  say("\nnetwork {}, data {}, seed {}, target {}, {} threads\n\n", report.network, report.data, report.seed,
             report.bit_exact.target, report.threads);
  say("{:<20}{:>10}{:>16}{:>14}{:>16}\n", "", "accuracy", "against fp32", "file size", "training time");
  const double base = report.rows.front().accuracy();
  for (const Row& row : report.rows) {
    say("{:<20}{:>8.2f} %{:>+14.2f} p{:>14}{:>16}\n", row.name, 100.0 * row.accuracy(),
               100.0 * (row.accuracy() - base), size_text(row.size_bytes), seconds_text(row.seconds));
  }
  const BitExact& b = report.bit_exact;
  say("\nTraining forward against integer engine ({}): {} of {} codes differ, over {} images and all tensors.\n",
             b.target, b.different_codes, b.compared_codes, b.images);
  say("As a C program ({}): {} of flash for constants, {} of RAM for values.\n", report.program.folder, size_text(report.program.flash),
             size_text(report.program.ram));
  print_rows(report.runtimes);
}

void save(const Report& report, const std::string& path) {
  nlohmann::ordered_json json;
  json["network"] = report.network;
  json["data"] = report.data;
  json["seed"] = report.seed;
  json["threads"] = report.threads;
  json["rows"] = nlohmann::ordered_json::array();
  for (const Row& row : report.rows) {
    json["rows"].push_back({{"name", row.name},
                            {"accuracy", row.accuracy()},
                            {"correct", row.correct},
                            {"images", row.images},
                            {"size_bytes", row.size_bytes},
                            {"seconds", row.seconds}});
  }
  const BitExact& b = report.bit_exact;
  json["bit_exact"] = {{"target", b.target},
                       {"images", b.images},
                       {"compared_codes", b.compared_codes},
                       {"different_codes", b.different_codes}};
  json["program"] = {{"folder", report.program.folder}, {"flash_bytes", report.program.flash}, {"ram_bytes", report.program.ram}};
  json["runtimes"] = rows_json(report.runtimes);
  json["why"] = {{"verdict", report.why.verdict}, {"sentence", report.why.sentence}, {"cause", report.why.cause}};
  stet::write_file_atomically(path, json.dump(2) + "\n");
}

}  // namespace example
