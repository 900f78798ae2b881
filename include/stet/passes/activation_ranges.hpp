#pragma once
// activation_ranges: what every value of a float model spans on some data; the 16-bit export formats need it.

#include <stet/graph/activation_ranges.hpp>
#include <stet/passes/calibrate.hpp>

namespace stet {

/// Shows images to a float model in evaluation mode and keeps the smallest and largest number of every value.
/// Errors:    Errc::state if the data are empty; Errc::range if a value is not finite, naming its node; those of infer
STET_ENTRY ActivationRanges activation_ranges(const Model& model, const Dataset& data,
                                              const CalibrateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ActivationRanges activation_ranges(const Model& model, const Dataset& data,
                                              const CalibrateOptions& options) {
  require(data.size() > 0, Errc::state, "activation_ranges: the data set is empty");
  require(options.batch > 0, Errc::range, "activation_ranges: batch must be positive, got {}", options.batch);
  ActivationRanges ranges;
  ranges.of_node.resize(model.graph().nodes().size());
  for (std::int64_t first = 0; first < data.size(); first += options.batch) {
    const Batch batch = data.batch(first, std::min(first + options.batch, data.size()));
    (void)infer(model, batch.x, {.observe = [&](int node, const Tensor<float>& value) {
                  const auto id = static_cast<std::size_t>(node);
                  const Range seen =
                      detail::range_of("activation_ranges", model.graph().nodes()[id].name, value.span());
                  Range& all = ranges.of_node[id];
                  all = first == 0 ? seen : Range{std::min(all.lo, seen.lo), std::max(all.hi, seen.hi)};
                }});
  }
  return ranges;
}
#endif

}  // namespace stet
