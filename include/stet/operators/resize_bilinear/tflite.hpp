#pragma once
// Bilinear interpolation in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <cstdint>
#include <vector>

namespace stet::tflite {

inline void write(const op::ResizeBilinear& o, Writer& w) {
  w.emit(Builtin::resize_bilinear, {w.input(), w.indices(w.node().name + ":size", Writer::dimensions({o.height, o.width}))},
         {.type = OptionsType::resize_bilinear,
          .align_corners = o.coordinates == Coordinates::align_corners,
          .half_pixel_centers = o.coordinates == Coordinates::half_pixel});
}

namespace detail {

inline int resize_bilinear_version(const ModelInfo&, const OperatorInfo& o) { return o.options.half_pixel_centers ? 3 : 1; }

inline void read_resize_bilinear(const Site& s, Importer& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::resize_bilinear);
  const int from = in.value(s, 0);
  const std::vector<std::int64_t> size = s.integers(1, "size");
  const Options& o = s.options();
  s.require(size.size() == 2 && in.shape(from).rank() == 3, Errc::unsupported, "resizes {} by {} numbers", in.shape(from), size.size());
  s.require(!o.align_corners || !o.half_pixel_centers, Errc::format, "has align_corners and half_pixel_centers");
  const Coordinates coordinates = o.align_corners        ? Coordinates::align_corners
                                  : o.half_pixel_centers ? Coordinates::half_pixel
                                                         : Coordinates::asymmetric;
  in.finish(s, op::ResizeBilinear{size[0], size[1], coordinates}, {from});
}

}  // namespace detail

inline constexpr Row resize_bilinear_rows[] = {{Builtin::resize_bilinear, reads<detail::read_resize_bilinear>, 2, 4,
                                                "1.7.0 1.14.0 2.2.0 2.5.0", "AddResizeBilinear", detail::resize_bilinear_version}};

}  // namespace stet::tflite
