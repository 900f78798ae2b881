#pragma once
// observe_ranges: the range of every value of a float model on data, for formats with activations of 16 bits.

#include <stet/data/dataset.hpp>
#include <stet/graph/activation_ranges.hpp>
#include <stet/passes/calibrate.hpp>
#include <stet/train/forward.hpp>

#include <algorithm>

namespace stet {

/// Runs a float model in evaluation and keeps the smallest and largest value that every node made.
/// Errors:    Errc::state if the data are empty; Errc::range if a value is not finite, naming the node
STET_ENTRY ActivationRanges observe_ranges(const Model& model, const Dataset& data, const CalibrateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ActivationRanges observe_ranges(const Model& model, const Dataset& data, const CalibrateOptions& options) {
  require(data.size() > 0, Errc::state, "observe_ranges: the data set is empty");
  require(options.batch > 0, Errc::range, "observe_ranges: batch must be positive, got {}", options.batch);
  ActivationRanges ranges;
  ranges.of_node.assign(model.graph().nodes().size(), RangeScan{}.range);
  for (std::int64_t first = 0; first < data.size(); first += options.batch) {
    const Batch batch = data.batch(first, std::min(first + options.batch, data.size()));
    (void)infer(model, batch.x, {.observe = [&](int node, const Tensor<float>& value) {
                  Range& range = ranges.of_node[static_cast<std::size_t>(node)];
                  range = unite(range, detail::range_of("observe_ranges", model.graph().node(node).name, value.span()));
                }});
  }
  return ranges;
}
#endif

}  // namespace stet
