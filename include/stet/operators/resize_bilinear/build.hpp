#pragma once
// Resizes images.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Bilinear interpolation to a height and width.
inline Value resize_bilinear(const Value& x, Pair size, Coordinates coordinates = Coordinates::half_pixel) {
  return append(op::ResizeBilinear{size.height, size.width, coordinates}, {x});
}

}  // namespace stet::graph
