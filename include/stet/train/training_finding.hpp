#pragma once
// TrainingFinding: a cause of a loss that a run of training showed while it went on, and MonitorOptions: how it is looked for.

#include <stet/core/join_some.hpp>
#include <stet/core/text.hpp>
#include <stet/model/healthy_ranges.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// What the monitor of a run found.
struct TrainingFinding {
  std::string cause{};               ///< "ranges_stuck": also the section of docs/why.md
  std::int64_t step = 0;             ///< at which it began, from 0
  std::vector<std::string> nodes{};  ///< where; empty: in the run as a whole
  std::string what{}, cure{};
  double value = 0;                  ///< measured, of the worst node
  std::string healthy{};             ///< of what is measured

  [[nodiscard]] std::string link() const { return "docs/why.md#" + cause; }
  /// One sentence: step, nodes, what, cure, link.
  [[nodiscard]] std::string str() const {
    const std::string where = nodes.empty() ? "" : detail::join_some(nodes, 3) + ": ";
    return formatted("from step {} on: {}{}; {} ({})", step + 1, where, what, cure, link());
  }
};

/// How fit watches the training of a quantized model.
struct MonitorOptions {
  bool on = true;
  std::int64_t every = 0;    ///< steps between two looks; 0: a fortieth of the run, at least 25
  std::int64_t images = 32;  ///< of the step's batch that a look runs through the float network
  HealthyRanges healthy{};
};

}  // namespace stet

template <>
struct fmt::formatter<stet::TrainingFinding> : stet::TextFormatter {};
