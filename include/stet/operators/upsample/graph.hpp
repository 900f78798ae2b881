#pragma once
// Images made larger by repeating their elements.

#include <stet/operators/convolution/graph.hpp>

#include <string>

namespace stet::graph::op {

/// Nearest neighbour by whole factors. Shapes:    [H,W,C] -> [H*factor.height,W*factor.width,C]
struct Upsample {
  static constexpr std::string_view name = "upsample";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  Pair factor = 2;
};

inline std::string attributes(const Upsample& o) { return str(o.factor); }
inline Shape infer(const Upsample& o, Shapes in) {
  const Shape& x = expect_image("upsample", in);
  require(o.factor.height >= 1 && o.factor.width >= 1, Errc::range, "upsample: factors {} and {} must be at least 1", o.factor.height,
          o.factor.width);
  return {x[0] * o.factor.height, x[1] * o.factor.width, x[2]};
}

}  // namespace stet::graph::op
