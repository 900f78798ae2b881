#pragma once
// CheckReport: what the preflight found, node by node, as plain data and as a table.

#include <stet/core/join_some.hpp>
#include <stet/graph/print.hpp>
#include <stet/io/integer_formats.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
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

/// Which findings say the same of several nodes: reports and warnings make one sentence of them, that of the worst node.
struct FindingGroup {
  const char* id = "";  ///< empty: always a sentence of its own
  double size = 0;      ///< how bad it is, among those of the group
};

/// One finding about a node; node is empty where it is about the whole graph.
struct CheckEntry {
  std::string node{}, kind{};
  Severity severity = Severity::integer;
  std::string what{};    ///< how the node runs, or what is wrong
  std::string remedy{};  ///< the change that mends it; empty if nothing needs mending
  std::optional<IntegerFormat> refused{};  ///< the file that cannot hold the node, if that is the finding
  bool prepare_warns = false;  ///< whatever the calibration and training: values are cut, or an operator stays in float
  FindingGroup group{};

  /// The finding as a sentence: node, what, remedy.
  [[nodiscard]] std::string str() const {
    return formatted("{}{}{}{}{}", node, node.empty() ? "" : ": ", what, remedy.empty() ? "" : "; ", remedy);
  }
};

/// One finding for those of a severity and group, in the place of the first: its nodes with the worst in front, three by name, and what is
/// wrong with the worst.
inline std::vector<CheckEntry> grouped(const std::vector<CheckEntry>& entries) {
  std::vector<CheckEntry> groups;
  std::vector<std::vector<std::string>> nodes;
  std::vector<std::size_t> worst;
  std::vector<bool> differ;
  for (const CheckEntry& e : entries) {
    const auto alike = [&](const CheckEntry& g) {
      return e.group.id[0] != '\0' && g.severity == e.severity && std::string_view(g.group.id) == e.group.id;
    };
    const auto found = std::find_if(groups.begin(), groups.end(), alike);
    if (found == groups.end()) {
      groups.push_back(e);
      nodes.push_back({e.node});
      worst.push_back(0);
      differ.push_back(false);
      continue;
    }
    const auto at = static_cast<std::size_t>(found - groups.begin());
    std::vector<std::string>& names = nodes[at];
    if (std::find(names.begin(), names.end(), e.node) != names.end()) continue;
    differ[at] = differ[at] || e.what != found->what;
    if (e.group.size > found->group.size) {
      *found = e;
      worst[at] = names.size();
    }
    names.push_back(e.node);
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (nodes[g].size() == 1) continue;
    std::rotate(nodes[g].begin(), nodes[g].begin() + static_cast<std::ptrdiff_t>(worst[g]), nodes[g].begin() + static_cast<std::ptrdiff_t>(worst[g]) + 1);
    if (differ[g]) groups[g].what += formatted(" ({}, the worst)", nodes[g][0]);
    groups[g].node = detail::join_some(nodes[g], 3);
  }
  return groups;
}

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

  /// Warnings as sentences, one of all nodes of which it says the same.
  [[nodiscard]] std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (const CheckEntry& e : grouped(entries)) {
      if (e.severity == Severity::warning) all.push_back(e.str());
    }
    return all;
  }

  /// A table with one row per finding, or group of them, under a line that counts them all.
  [[nodiscard]] std::string str() const {
    std::string title = formatted("check: target {}, {} errors, {} warnings, {} notes\n", target,
                                    count(Severity::error), count(Severity::warning), count(Severity::note));
    std::vector<std::vector<std::string>> rows{{"", "node", "kind", "what", "remedy"}};
    for (const CheckEntry& e : grouped(entries)) rows.push_back({name(e.severity), e.node, e.kind, e.what, e.remedy});
    return title + graph::detail::columns(rows, rows[0].size());
  }
};

}  // namespace stet

template <>
struct fmt::formatter<stet::CheckReport> : stet::TextFormatter {};
template <>
struct fmt::formatter<stet::CheckEntry> : stet::TextFormatter {};
