#pragma once
// Memory plan: where each value of an integer model lies in one arena, reused as soon as its last reader has run.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace stet {

/// Offsets of values in an arena, in bytes per sample: for a batch of B, value v lies at [B*offset, B*(offset+size)).
struct MemoryPlan {
  std::vector<std::int64_t> offset;  ///< per value
  std::int64_t bytes = 0;            ///< arena bytes per sample
};

/// Plans an arena: largest values first, each at the lowest place that is free from the node that makes it to the node
/// that reads it last (inputs from the beginning, outputs to the end). Sizes are rounded up to 64 bytes.
STET_ENTRY MemoryPlan plan_memory(const IntegerModel& model);
#if STET_DEFINE_ENTRIES
STET_ENTRY MemoryPlan plan_memory(const IntegerModel& model) {
  const std::size_t count = model.values.size();
  const int end = static_cast<int>(model.nodes.size());
  std::vector<int> first(count, end), last(count, -1);
  for (int i = 0; i < end; ++i) {
    const IntegerNode& node = model.nodes[static_cast<std::size_t>(i)];
    first[static_cast<std::size_t>(node.output)] = graph::is<graph::op::Input>(node.op) ? 0 : i;  // all inputs come before any node
    last[static_cast<std::size_t>(node.output)] = i;
    for (const int in : node.inputs) last[static_cast<std::size_t>(in)] = i;
  }
  for (const int out : model.outputs) last[static_cast<std::size_t>(out)] = end;
  const auto size = [&](std::size_t v) {
    return model.values[v].real ? 0 : (model.values[v].shape.elements() + 63) / 64 * 64;  // reals have tensors of their own
  };
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  MemoryPlan plan{std::vector<std::int64_t>(count, -1), 0};
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t v : order) {
    std::int64_t at = 0;
    for (const std::size_t other : placed) {
      if (first[v] > last[other] || first[other] > last[v]) continue;
      if (at + size(v) <= plan.offset[other]) break;
      at = std::max(at, plan.offset[other] + size(other));
    }
    plan.offset[v] = at;
    plan.bytes = std::max(plan.bytes, at + size(v));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), v,
                                   [&](std::size_t a, std::size_t b) { return plan.offset[a] < plan.offset[b]; }),
                  v);
  }
  return plan;
}
#endif

}  // namespace stet
