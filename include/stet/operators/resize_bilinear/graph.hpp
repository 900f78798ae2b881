#pragma once
// Images resized by bilinear interpolation.

#include <stet/core/description.hpp>
#include <stet/core/interpolation.hpp>
#include <stet/integer/resize_bilinear.hpp>
#include <stet/operators/convolution/graph.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace stet::graph::op {

/// Linear interpolation of rows and of columns to a size. Shapes:    [H,W,C] -> [height,width,C]
struct ResizeBilinear {
  static constexpr std::string_view name = "resize_bilinear";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr auto form = IntegerForm::moves;
  std::int64_t height = 1, width = 1;
  Coordinates coordinates = Coordinates::half_pixel;
};

inline std::string attributes(const ResizeBilinear& o) { return enumerator_name(o.coordinates); }
inline Shape infer(const ResizeBilinear& o, Shapes in) {
  const Shape& x = expect_image("resize_bilinear", in);
  for (const std::int64_t size : {o.height, o.width, x[0], x[1]}) {
    require(size >= 1 && size <= 65535, Errc::range, "resize_bilinear: {}x{} cannot become {}x{}: all must be in [1, 65535]", x[0], x[1],
            o.height, o.width);
  }
  return {o.height, o.width, x[2]};
}
inline std::int64_t multiply_adds(const ResizeBilinear&, Shapes, const Shape& out) { return 4 * out.elements(); }
/// Rules that round distances drift: where they would read behind the image, the runtime reads other memory.
inline std::optional<Obstacle> target_limit(const ResizeBilinear& o, Shapes in, const Target& target) {
  if (target.resize != integer::ResizeRule::fixed_10_half_away) return std::nullopt;
  for (const auto& [from, to] : {std::pair(in[0][0], o.height), std::pair(in[0][1], o.width)}) {
    const integer::FixedSteps steps(from, to, o.coordinates);
    if ((steps.first + (to - 1) * steps.step) / 1024 < from) continue;
    return Obstacle{.what = formatted("resizes {} lines to {}, where {} rounds positions to behind the image", from, to, target.name),
                    .remedy = "resize in two steps, or to a multiple of the size"};
  }
  return std::nullopt;
}

}  // namespace stet::graph::op
