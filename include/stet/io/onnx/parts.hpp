#pragma once
// What Slice and Split of .onnx files say of the parts that they take.

#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cstdint>

namespace stet::onnx {

/// Numbers of a Slice, one each per axis; steps are filled in.
struct SliceNumbers {
  Ints starts{}, ends{}, axes{}, steps{};
};
/// Errors:    Errc::unsupported if their lengths differ or a step is 0
inline SliceNumbers slice_numbers(Importer& g, Attributes& a) {
  SliceNumbers n{a.integers("starts"), a.integers("ends"), a.integers("axes"), {}};
  if (g.has_input(1)) n.starts = g.few_integers(1, "starts");
  if (g.has_input(2)) n.ends = g.few_integers(2, "ends");
  if (g.has_input(3)) n.axes = g.few_integers(3, "axes");
  if (g.has_input(4)) n.steps = g.few_integers(4, "steps");
  if (n.axes.empty()) {
    for (std::size_t i = 0; i < n.starts.size(); ++i) n.axes.push_back(static_cast<std::int64_t>(i));
  }
  if (n.steps.empty()) n.steps.assign(n.starts.size(), 1);
  require(n.starts.size() == n.ends.size() && n.axes.size() == n.starts.size() && n.steps.size() == n.starts.size(),
          Errc::unsupported, "starts, ends, axes and steps have different lengths");
  for (const std::int64_t step : n.steps) require(step != 0, Errc::unsupported, "a step of 0");
  return n;
}

/// Sizes of a Split's parts of a dimension, one per output.
/// Errors:    Errc::unsupported unless they are positive and cover it
inline Ints split_sizes(Importer& g, Attributes& a, std::int64_t whole) {
  const auto count = static_cast<std::int64_t>(g.node->outputs.size());
  Ints sizes = a.integers("split");
  if (g.has_input(1)) sizes = g.few_integers(1, "split");
  const std::int64_t parts = a.integer("num_outputs", count);
  require(parts == count && count >= 1, Errc::unsupported, "attribute num_outputs is {}, there are {} outputs", parts, count);
  if (sizes.empty()) {
    const std::int64_t each = (whole + count - 1) / count;
    for (std::int64_t i = 0; i < count; ++i) sizes.push_back(std::min(each, whole - i * each));
  }
  require(static_cast<std::int64_t>(sizes.size()) == count, Errc::unsupported, "split has {} sizes for {} outputs", sizes.size(), count);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] >= 1 && sizes[i] <= whole - first, Errc::unsupported, "part {} has {} elements", i, sizes[i]);
    first += sizes[i];
  }
  require(first == whole, Errc::unsupported, "the parts are {} of {} elements", first, whole);
  return sizes;
}

}  // namespace stet::onnx
