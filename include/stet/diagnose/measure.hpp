#pragma once
// Measurements of a quantized network on data: they explain a loss that interventions have found, and decide nothing.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/model/data_sample.hpp>
#include <stet/model/healthy_ranges.hpp>
#include <stet/model/qat_model.hpp>

#include <cstdint>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/measure_values.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#endif

namespace stet {

/// What the images of a data set look like to a network.
struct InputStatistics {
  double mean = 0, sd = 0, least = 0, most = 0;
  std::int64_t images = 0;
};

/// Mean, standard deviation and extremes of a sample of the images; sd of all numbers together, also those of
/// several inputs.
/// Errors:    Errc::state if the data are empty; Errc::range if an option is impossible
STET_ENTRY InputStatistics input_statistics(const Dataset& data, const CalibrateOptions& sample = {});

/// measure_values, as nodes of a diagnosis; the losses that nodes cost are for localize().
/// Errors:    as measure_values
STET_ENTRY std::vector<DiagnosedNode> measure_nodes(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample = {});

#if STET_DEFINE_ENTRIES
STET_ENTRY InputStatistics input_statistics(const Dataset& data, const CalibrateOptions& sample) {
  const Batches batches = detail::sample_of("input_statistics", data, sample);
  InputStatistics s{0, 0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0};
  double sum = 0, squares = 0, count = 0;
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    for (const Tensor<float>& input : batch.inputs()) {
      for (const float v : input.span()) {
        const auto x = static_cast<double>(v);
        sum += x;
        squares += x * x;
        s.least = std::min(s.least, x);
        s.most = std::max(s.most, x);
      }
      count += static_cast<double>(input.size());
    }
    s.images += batch.size();
  }
  s.mean = sum / count;
  s.sd = std::sqrt(std::max(0.0, squares / count - s.mean * s.mean));
  return s;
}

STET_ENTRY std::vector<DiagnosedNode> measure_nodes(const QatModel& qat, const Dataset& data, const CalibrateOptions& sample) {
  std::vector<DiagnosedNode> nodes;
  for (MeasuredNode& n : measure_values(qat, data, sample)) nodes.push_back({std::move(n)});
  return nodes;
}
#endif

}  // namespace stet
