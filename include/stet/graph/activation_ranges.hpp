#pragma once
// ActivationRanges: the range of every value of a float model, for formats whose activations are integers of 16 bits.

#include <stet/graph/graph.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/quant/range.hpp>

#include <string>
#include <vector>

namespace stet {

/// Smallest and largest real value that each node of a graph made on some data.
struct ActivationRanges {
  std::vector<Range> of_node{};  ///< one per node id
  std::vector<InputFingerprint> inputs{};  ///< of the data, one per input, or none where it is not known; float files carry them
};

/// Checks that there is one usable range per node.
/// Errors:    Errc::state if the number of ranges is not that of the nodes; Errc::range listing all nodes whose range is
///            not finite or whose lower end is above the upper one
inline void check(const char* op, const ActivationRanges& ranges, const Graph& graph) {
  require(ranges.of_node.size() == graph.nodes().size(), Errc::state,
          "{}: there are {} activation ranges for {} nodes; observe the model on data first", op, ranges.of_node.size(),
          graph.nodes().size());
  std::string problems;
  for (std::size_t i = 0; i < ranges.of_node.size(); ++i) {
    const Range& r = ranges.of_node[i];
    if (r.finite() && r.lo <= r.hi) continue;
    problems += formatted("\n  {}: range {}..{}", graph.nodes()[i].name, r.lo, r.hi);
  }
  require(problems.empty(), Errc::range, "{}: ranges must be finite and ascending:{}", op, problems);
}

}  // namespace stet
