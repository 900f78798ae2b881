#pragma once
// The part of check() that needs data: values beside their ranges, channels, running statistics, each with its healthy range.

#include <stet/core/join_some.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/check_report.hpp>
#include <stet/model/healthy_ranges.hpp>
#include <stet/model/measure_values.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

// What measurements say of a model, and how far they lie from suspicion where they say nothing.
class DataCheck {
 public:
  DataCheck(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample)
      : qat_(qat), nodes_(measure_values(qat, data, sample)), shifts_(nodes_.size(), 0.0), p999_(needed_of_scales(qat, nodes_)),
        alike_(float_stands_for_codes(nodes_)) {
    constexpr std::int64_t images_of_statistics = 256;
    const Batches batches = sample_of("check", qat.graph(), data, {.batch = images_of_statistics, .images = sample.images, .seed = sample.seed});
    const std::vector<std::int64_t> images(batches[0].begin(), batches[0].end());
    if (images.size() >= 8) shifts_ = batch_norm_shifts(qat, data.batch(images).inputs());
  }

  void add_to(std::vector<std::vector<CheckEntry>>& of_node) {
    for (std::size_t u = 0; u < nodes_.size(); ++u) {
      const Unit& unit = qat_.units()[u];
      found_ = &of_node[static_cast<std::size_t>(unit.node)];
      if (!unit.real_output && !unit.shares_scale() && !qat_.runtime_fixes(unit.quantizer)) range(u);
      if (unit.has_weights()) channels(u);
      if (unit.batch_norm >= 0) statistics(u);
    }
    of_node.back().push_back({.severity = Severity::note, .what = "on data: " + join_some(summary(), 99)});
  }

 private:
  void add(std::size_t u, FindingGroup group, std::string what, const char* remedy) {
    found_->push_back({nodes_[u].node, nodes_[u].kind, Severity::warning, std::move(what), remedy});
    found_->back().group = group;
  }

  void range(std::size_t u) {
    const MeasuredNode& n = nodes_[u];
    const double p999 = p999_[static_cast<std::size_t>(qat_.units()[u].quantizer)];
    const double reach = p999 > 0 ? std::max(std::fabs(n.low), std::fabs(n.high)) / p999 : 1.0;
    const double cut = alike_ ? n.clipped : n.stopped, limit = alike_ ? healthy_.clipped : limit_of_stopped(nodes_, healthy_.stopped);
    if (reach > healthy_.most_reach) {
      add(u, {"data reach", reach}, formatted("its range {:.3g}..{:.3g} reaches {:.3g} times as far as 99.9 % of the values (healthy: {:.3g} to {:.3g})", n.low, n.high, reach,
                       healthy_.least_reach, healthy_.most_reach),
          "calibrate on data that are scaled as these, or an observer that leaves out single values");
    } else if (cut > limit) {
      add(u, {"data cut", cut}, formatted("its range {:.3g}..{:.3g} cuts {:.3g} % of the values, of which 99.9 % reach to {:.3g} (healthy: at most {:.3g} %)", n.low, n.high,
                       100 * cut, p999, 100 * limit),
          "calibrate on data that are scaled as these, or an observer that cuts less");
    }
    reach_.push_back(reach);
    cut_ = std::max(cut_, cut);
    most_cut_ = limit;
    if (n.largest_to_second > healthy_.largest_to_second) {
      add(u, {"data image", n.largest_to_second}, formatted("image {} reaches {:.3g} times as far as any other (healthy: at most {:.3g})", n.extreme_image, n.largest_to_second,
                       healthy_.largest_to_second),
          "look whether it is damaged or scaled otherwise");
    }
  }

  void channels(std::size_t u) {
    const MeasuredNode& n = nodes_[u];
    disparity_ = std::max(disparity_, n.channel_disparity);
    if (n.channel_disparity > healthy_.disparity) {
      add(u, {"data disparity", n.channel_disparity}, formatted("its largest channel of weights is {:.3g} times the median one (healthy: at most {:.3g})", n.channel_disparity, healthy_.disparity),
          "equalize(model) before prepare, or weights per channel");
    }
    const double still = n.channels == 0 ? 0 : static_cast<double>(n.dead_channels + n.saturated_channels) / static_cast<double>(n.channels);
    still_ = std::max(still_, still);
    if (still > healthy_.stuck_channels) {
      add(u, {"data channels", still}, formatted("{} of {} channels are dead and {} saturated on the data (healthy: at most {:.0f} %)", n.dead_channels, n.channels, n.saturated_channels,
                       100 * healthy_.stuck_channels),
          "look at gamma, beta and range there, and whether the data reach them");
    }
  }

  void statistics(std::size_t u) {
    const double shift = qat_.recipe().simulated() ? nodes_[u].batch_norm_drift : shifts_[u];
    shift_ = std::max(shift_, shift);
    if (shift <= healthy_.drift) return;
    add(u, {"data statistics", shift}, formatted("its data lie {:.3g} standard deviations from the running means of batch norm (healthy: at most {:.3g})", shift, healthy_.drift),
        "reestimate_batch_norm(qat, data) before convert");
  }

  [[nodiscard]] std::vector<std::string> summary() const {
    std::vector<std::string> parts;
    if (!reach_.empty()) {
      const auto [least, most] = std::minmax_element(reach_.begin(), reach_.end());
      parts.push_back(formatted("ranges reach {:.3g} to {:.3g} times 99.9 % of their values (healthy: {:.3g} to {:.3g})", *least, *most, healthy_.least_reach,
                                healthy_.most_reach));
    }
    parts.push_back(formatted("at most {:.3g} % are cut ({:.3g} %)", 100 * cut_, 100 * most_cut_));
    parts.push_back(formatted("largest channel at most {:.3g} times the median ({:.3g})", disparity_, healthy_.disparity));
    parts.push_back(formatted("batch norm at most {:.2g} standard deviations off ({:.3g})", shift_, healthy_.drift));
    parts.push_back(formatted("at most {:.0f} % of a layer's channels dead or saturated ({:.0f} %)", 100 * still_, 100 * healthy_.stuck_channels));
    return parts;
  }

  const QatModel& qat_;
  HealthyRanges healthy_{};
  std::vector<MeasuredNode> nodes_;
  std::vector<double> shifts_, p999_, reach_{};
  bool alike_;
  double cut_ = 0, most_cut_ = 0, disparity_ = 0, shift_ = 0, still_ = 0;
  std::vector<CheckEntry>* found_ = nullptr;
};

}  // namespace stet::detail
