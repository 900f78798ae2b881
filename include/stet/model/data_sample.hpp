#pragma once
// Which images calibration and passes look at.

#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>

#include <cstdint>

namespace stet {

/// How calibrate goes through its data.
struct CalibrateOptions {
  std::int64_t batch = 128;    ///< at most; batches have one size, lest a small last one weighs like the others
  std::int64_t images = 1024;  ///< drawn at random from all, whatever their order; 0: all
  std::uint64_t seed = 1;      ///< of the drawing
};

namespace detail {

// The sample of a data set that a pass looks at.
inline Batches sample_of(const char* op, const Dataset& data, const CalibrateOptions& o) {
  require(data.size() > 0, Errc::state, "{}: the data set is empty", op);
  require(o.batch > 0, Errc::range, "{}: batch must be positive, got {}", op, o.batch);
  require(o.images >= 0, Errc::range, "{}: images must not be negative, got {}; 0 is all", op, o.images);
  return {data.size(), {.size = o.batch, .seed = o.seed, .images = o.images, .even = true}, 0};
}

}  // namespace detail
}  // namespace stet
