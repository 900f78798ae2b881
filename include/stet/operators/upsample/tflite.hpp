#pragma once
// Upsampling in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <cstdint>
#include <vector>

namespace stet::tflite {

inline void write(const op::Upsample&, Writer& w) {
  const Shape& y = w.node().out;
  w.emit(Builtin::resize_nearest_neighbor, {w.input(), w.indices(w.node().name + ":size", Writer::dimensions({y[0], y[1]}))},
         {.type = OptionsType::resize_nearest_neighbor});
}

namespace detail {

// With whole factors it makes no difference whether the centres of pixels lie at halves.
inline void read_resize_nearest(const Site& s, Importer& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::resize_nearest_neighbor);
  const int from = in.value(s, 0);
  const Shape x = in.shape(from);
  const std::vector<std::int64_t> size = s.integers(1, "size");
  const bool fits = x.rank() == 3 && size.size() == 2 && !s.options().align_corners && size[0] >= 1 && size[1] >= 1 &&
                    size[0] % x[0] == 0 && size[1] % x[1] == 0 && size[0] / x[0] <= 65535 && size[1] / x[1] <= 65535;
  s.require(fits, Errc::unsupported,
            "makes another size of {}; only whole factors of height and width, without align_corners, are understood", x);
  in.finish(s, op::Upsample{{static_cast<int>(size[0] / x[0]), static_cast<int>(size[1] / x[1])}}, {from});
}

}  // namespace detail

inline constexpr Row upsample_rows[] = {{Builtin::resize_nearest_neighbor, reads<detail::read_resize_nearest>, 2, 4,
                                         "1.13.1 1.14.0 2.3.0 2.4.0", "AddResizeNearestNeighbor"}};

}  // namespace stet::tflite
