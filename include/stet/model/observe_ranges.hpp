#pragma once
// observe_ranges: the range of every value of a float model on data, for formats with activations of 16 bits.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/data_sample.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/model/forward.hpp>
#include <stet/model/qat_model.hpp>

#include <utility>
#include <vector>
#endif

namespace stet {

/// Runs a float model in evaluation and keeps the smallest and largest value that every node made, and the fingerprint of
/// the images; of all of them unless the options name a sample.
/// Errors:    Errc::shape if the data do not fit the inputs; Errc::state if the data are empty; Errc::range if an option is impossible or a value is not finite, naming
///            the node
STET_ENTRY ActivationRanges observe_ranges(const Model& model, const Dataset& data,
                                           const CalibrateOptions& options = {.images = 0});
#if STET_DEFINE_ENTRIES
STET_ENTRY ActivationRanges observe_ranges(const Model& model, const Dataset& data, const CalibrateOptions& options) {
  const Batches batches = detail::sample_of("observe_ranges", model.graph(), data, options);
  ActivationRanges ranges;
  FingerprintCollectors inputs;
  ranges.of_node.assign(model.graph().nodes().size(), RangeScan{}.range);
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    const std::vector<Tensor<float>> x = batch.inputs();
    (void)infer(model, x, {.observe = [&](int node, const Tensor<float>& value) {
                  Range& range = ranges.of_node[static_cast<std::size_t>(node)];
                  range = unite(range, detail::range_of("observe_ranges", model.graph().node(node).name, value.span()));
                }});
    inputs.observe(x);
  }
  ranges.inputs = std::move(inputs).finish();
  return ranges;
}
#endif

}  // namespace stet
