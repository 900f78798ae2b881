#pragma once
// The log of a run: a line per epoch, as CSV or as JSON lines.

#include <stet/core/entry.hpp>
#include <stet/core/text.hpp>
#include <stet/train/fit_options.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/io/json.hpp>
#endif

namespace stet {

namespace detail {

// The columns of a log and their numbers in one epoch; what was not measured is not a number.
inline std::vector<std::pair<std::string, double>> log_numbers(const EpochReport& e) {
  std::vector<std::pair<std::string, double>> all{{"epoch", static_cast<double>(e.epoch + 1)},
                                                  {"loss", e.loss},
                                                  {"accuracy", e.accuracy},
                                                  {"validation_loss", e.validation_loss},
                                                  {"validation_accuracy", e.validation_accuracy},
                                                  {"validation_metric", e.validation_metric},
                                                  {"learning_rate", e.lr},
                                                  {"oscillating", e.oscillating},
                                                  {"seconds", e.seconds}};
  const auto of_outputs = [&](std::string_view name, const std::vector<double>& losses) {
    for (std::size_t k = 0; k < losses.size(); ++k) all.emplace_back(formatted("{}_{}", name, k), losses[k]);
  };
  of_outputs("loss", e.losses);
  of_outputs("validation_loss", e.validation_losses);
  return all;
}

enum class LogFormat { none, csv, json_lines };
inline LogFormat log_format(std::string_view path) {
  return path.ends_with(".csv") ? LogFormat::csv : path.ends_with(".jsonl") ? LogFormat::json_lines : LogFormat::none;
}

}  // namespace detail

/// The epochs of a run as CSV: a line of names, then one per epoch. What was not measured is an empty field. Numbers are the
/// shortest texts that read back as the same double.
STET_ENTRY std::string log_csv(const FitReport& report, std::string_view title = {});
/// The epochs of a run as JSON lines: one object per epoch, with the names of log_csv and the metric's. What was not measured is
/// null.
/// Errors:    Errc::format if the title is not UTF-8
STET_ENTRY std::string log_json_lines(const FitReport& report, std::string_view title = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string log_csv(const FitReport& report, std::string_view title) {
  std::string quoted = "\"";
  for (const char c : title) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  quoted += '"';
  std::string text;
  for (const EpochReport& e : report.epochs) {
    const auto numbers = detail::log_numbers(e);
    if (text.empty()) {
      text = "title";
      for (const auto& [name, value] : numbers) text += "," + name;
      text += '\n';
    }
    text += quoted;
    for (const auto& [name, value] : numbers) text += std::isnan(value) ? std::string(",") : formatted(",{}", value);
    text += '\n';
  }
  return text;
}

STET_ENTRY std::string log_json_lines(const FitReport& report, std::string_view title) {
  std::string text;
  for (const EpochReport& e : report.epochs) {
    std::vector<Json::Member> members{{"title", Json(title)}};
    for (const auto& [name, value] : detail::log_numbers(e)) {
      // An infinite number has no text in JSON; of a loss that is one fit has made an error.
      members.emplace_back(name, std::isfinite(value) ? Json(value) : Json());
    }
    if (!report.metric.empty()) members.emplace_back("metric", Json(report.metric));
    text += Json::object(std::move(members)).str() + "\n";
  }
  return text;
}
#endif

namespace detail {
// The log of the options.
inline std::string log_text(const FitOptions& o, FitReport report) {
  report.metric = o.metric.name;
  return log_format(o.log) == LogFormat::csv ? log_csv(report, o.title) : log_json_lines(report, o.title);
}
}  // namespace detail

}  // namespace stet
