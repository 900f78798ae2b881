#pragma once
// The worst of what was measured of all nodes, beside the healthy range.

#include <stet/core/entry.hpp>
#include <stet/diagnose/name_cause.hpp>

#include <vector>

namespace stet::detail {

STET_ENTRY std::vector<Evidence> overall_evidence(const std::vector<DiagnosedNode>& nodes, const HealthyRanges& healthy);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<Evidence> overall_evidence(const std::vector<DiagnosedNode>& nodes, const HealthyRanges& h) {
  std::vector<Evidence> all;
  const auto extreme = [&](auto value, bool largest, const char* what, const char* healthy, auto suspicious) {
    const DiagnosedNode* found = nullptr;
    for (const DiagnosedNode& n : nodes) {
      if (value(n) == 0) continue;
      if (found == nullptr || (largest ? value(n) > value(*found) : value(n) < value(*found))) found = &n;
    }
    if (found != nullptr) all.push_back(evidence(what, found->node, value(*found), healthy, suspicious(value(*found))));
  };
  const auto reach = [](const DiagnosedNode& n) { return n.activation_bits > 0 ? n.reach : 0.0; };
  extreme(reach, true, "range / p99.9, largest", "1.6 to 2.3", [&](double v) { return v > h.most_reach; });
  extreme(reach, false, "range / p99.9, smallest", "1.6 to 2.3", [&](double v) { return v < h.least_reach; });
  extreme([](const DiagnosedNode& n) { return 100 * n.clipped; }, true, "clipped values, %", "at most 0.12", [&](double v) { return v > 100 * h.clipped; });
  extreme([](const DiagnosedNode& n) { return n.activation_bits > 0 ? n.sqnr : 0.0; }, false, "SQNR of one value, dB", "36 to 40 (8 bits)", [&](double v) { return v < h.sqnr; });
  extreme([](const DiagnosedNode& n) { return n.channel_disparity; }, true, "largest channel / median", "2.8 to 4.2", [&](double v) { return v > h.disparity; });
  extreme([](const DiagnosedNode& n) { return n.batch_norm_drift; }, true, "batch norm drift", "at most 0.014", [&](double v) { return v > h.drift; });
  extreme([](const DiagnosedNode& n) { return n.largest_to_second; }, true, "largest / second calibration image", "at most 1.07", [&](double v) { return v > h.largest_to_second; });
  return all;
}
#endif

}  // namespace stet::detail
