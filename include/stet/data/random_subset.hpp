#pragma once
// A random sample of a data set as a data set.

#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>

namespace stet {

/// So many images of a data set, drawn by the seed, as numbers; all of it if it has no more or `images` is 0.
/// Errors:    Errc::range if images is negative
inline Dataset random_subset(const Dataset& data, std::int64_t images, std::uint64_t seed) {
  require(images >= 0, Errc::range, "random_subset: {} images, must not be negative; 0 is all", images);
  if (images == 0 || images >= data.size()) return data;
  const std::vector<std::int64_t> order = shuffled_order(data.size(), seed, 0);
  return data.subset(std::span(order).first(static_cast<std::size_t>(images)));
}

}  // namespace stet
