#pragma once
// CheckReport: what the preflight found, node by node, as plain data and as a table.

#include <stet/graph/print.hpp>
#include <stet/io/integer_formats.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace stet {

/// Weight of a finding.
enum class Severity {
  integer,  ///< runs as integers on the target
  note,     ///< runs too, in a way that is good to know
  warning,  ///< runs, but accuracy or another runtime will suffer
  error     ///< does not run: prepare, training or the runtime refuses it
};

/// Name of a severity.
inline const char* name(Severity severity) {
  switch (severity) {
    case Severity::integer:
      return "integer";
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "unknown";
}

/// One finding about a node; node is empty where it is about the whole graph.
struct CheckEntry {
  std::string node{}, kind{};
  Severity severity = Severity::integer;
  std::string what{};    ///< how the node runs, or what is wrong
  std::string remedy{};  ///< the change that mends it; empty if nothing needs mending
  std::optional<IntegerFormat> refused{};  ///< the file that cannot hold the node, if that is the finding
  bool clips = false;    ///< values are cut whatever the calibration and training: prepare says it too

  /// The finding as a sentence: node, what, remedy.
  [[nodiscard]] std::string str() const {
    return formatted("{}{}{}{}{}", node, node.empty() ? "" : ": ", what, remedy.empty() ? "" : "; ", remedy);
  }
};

/// Findings in the order of the graph's nodes; of one node the severest first.
struct CheckReport {
  std::string target{};
  std::vector<CheckEntry> entries{};

  [[nodiscard]] int count(Severity severity) const {
    return static_cast<int>(
        std::count_if(entries.begin(), entries.end(), [=](const CheckEntry& e) { return e.severity == severity; }));
  }
  /// Whether nothing stands in the way of training and running on the target.
  [[nodiscard]] bool ok() const { return count(Severity::error) == 0; }

  /// Whether the integers can be written as this format, as far as is known now.
  [[nodiscard]] bool writes(IntegerFormat format) const {
    return ok() && std::none_of(entries.begin(), entries.end(), [=](const CheckEntry& e) { return e.refused == format; });
  }

  /// Warnings as sentences.
  [[nodiscard]] std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (const CheckEntry& e : entries) {
      if (e.severity == Severity::warning) all.push_back(e.str());
    }
    return all;
  }

  /// A table with one row per finding under a line that counts them.
  [[nodiscard]] std::string str() const {
    std::string title = formatted("check: target {}, {} errors, {} warnings, {} notes\n", target,
                                    count(Severity::error), count(Severity::warning), count(Severity::note));
    std::vector<std::vector<std::string>> rows{{"", "node", "kind", "what", "remedy"}};
    for (const CheckEntry& e : entries) rows.push_back({name(e.severity), e.node, e.kind, e.what, e.remedy});
    return title + graph::detail::columns(rows, rows[0].size());
  }
};

}  // namespace stet

template <>
struct fmt::formatter<stet::CheckReport> : stet::TextFormatter {};
template <>
struct fmt::formatter<stet::CheckEntry> : stet::TextFormatter {};
