#pragma once
// Which images calibration and passes look at.

#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/graph.hpp>

#include <cstdint>
#include <vector>

namespace stet {

/// How calibrate goes through its data.
struct CalibrateOptions {
  std::int64_t batch = 128;    ///< at most; batches have one size, lest a small last one weighs like the others
  std::int64_t images = 1024;  ///< drawn at random from all, whatever their order; 0: all
  std::uint64_t seed = 1;      ///< of the drawing
};

namespace detail {

// Whether samples are what a graph takes in.
// Errors:    Errc::shape if there are more or fewer inputs, or one has another shape, naming it
inline void require_data(const char* op, const Graph& graph, const Dataset& data) {
  const std::vector<int> entries = graph.inputs();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const graph::Node& input = graph.node(entries[i]);
    require(i < data.inputs(), Errc::shape, "{}: the model has {} inputs, data set {} has {}; add values of '{}' with Dataset::with_input", op,
            entries.size(), data.name(), data.inputs(), input.name);
    require(data.shape(i) == input.shape, Errc::shape, "{}: input '{}' wants [N] + {}, images of data set {} are {}", op, input.name,
            input.shape, data.name(), data.shape(i));
  }
  require(data.inputs() == entries.size(), Errc::shape, "{}: data set {} has {} inputs, the model has {}; make a data set of those that it reads",
          op, data.name(), data.inputs(), entries.size());
}

// The sample of a data set that a pass looks at.
// Errors:    Errc::state if the data are empty; Errc::range if an option is impossible
inline Batches sample_of(const char* op, const Dataset& data, const CalibrateOptions& o) {
  require(data.size() > 0, Errc::state, "{}: the data set is empty", op);
  require(o.batch > 0, Errc::range, "{}: batch must be positive, got {}", op, o.batch);
  require(o.images >= 0, Errc::range, "{}: images must not be negative, got {}; 0 is all", op, o.images);
  return {data.size(), {.size = o.batch, .seed = o.seed, .images = o.images, .even = true}, 0};
}
// The same of data that a graph takes in.
// Errors:    as above, and as require_data
inline Batches sample_of(const char* op, const Graph& graph, const Dataset& data, const CalibrateOptions& o) {
  Batches batches = sample_of(op, data, o);
  require_data(op, graph, data);
  return batches;
}

}  // namespace detail
}  // namespace stet
