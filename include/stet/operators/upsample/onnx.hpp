#pragma once
// Upsampling in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Upsample& o, auto& w) {
  const std::vector<float> scales{1.0f, 1.0f, static_cast<float>(o.factor.height), static_cast<float>(o.factor.width)};
  w.emit_moved("Resize", {w.get(w.input(), Layout::first), "", w.list(w.name() + ".scales", scales)}, Layout::first,
               {attribute("mode", "nearest"), attribute("coordinate_transformation_mode", "asymmetric"),
                attribute("nearest_mode", "floor")});
}

/// Upsample by the factors of batch, channels, height and width.
inline void give_upsampled(Importer& g, const std::vector<double>& factors) {
  const int from = g.image(g.value());
  bool fits = factors.size() == 4 && factors[0] == 1.0 && factors[1] == 1.0;
  for (const double f : factors) fits = fits && f >= 1.0 && f <= 65535.0 && f == std::floor(f);
  require(fits, Errc::unsupported, "only height and width, by whole factors, can be made larger");
  const graph::op::Upsample op{{static_cast<int>(factors[2]), static_cast<int>(factors[3])}};
  if (op.factor == Pair(1)) return g.give(g.value());
  g.give_image(g.add(op, {from}));
}
inline std::vector<double> scale_factors(Importer& g, std::size_t i) {
  const std::vector<float>& scales = g.reals(i, "scales").reals;
  return {scales.begin(), scales.end()};
}

/// Resize to the nearest element. Whichever way the file counts coordinates, whole factors must repeat each element.
inline void read_resize(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "nearest");
  const std::string places = a.text("coordinate_transformation_mode", g.opset < 11 ? "asymmetric" : "half_pixel");
  const std::string rounds = a.text("nearest_mode", g.opset < 11 ? "floor" : "round_prefer_floor");
  a.ignore("cubic_coeff_a");
  a.ignore("extrapolation_value");
  a.ignore("exclude_outside");
  a.expect("antialias", 0);
  const bool rounded = rounds == "round_prefer_floor" || rounds == "round_prefer_ceil";
  const bool repeats = (places == "asymmetric" && rounds == "floor") || (places == "tf_half_pixel_for_nn" && rounds == "floor") ||
                       ((places == "half_pixel" || places == "pytorch_half_pixel" || places == "half_pixel_symmetric") && rounded);
  require(mode == "nearest" && repeats, Errc::unsupported,
          "attributes mode {}, coordinate_transformation_mode {} and nearest_mode {}: only what repeats each element is understood", mode,
          places, rounds);
  require(a.integers("axes").empty(), Errc::unsupported, "attribute axes is not understood");
  require(a.text("keep_aspect_ratio_policy", "stretch") == "stretch", Errc::unsupported,
          "attribute keep_aspect_ratio_policy: only stretch is understood");
  if (g.opset < 11) return give_upsampled(g, scale_factors(g, 1));
  if (g.has_input(2) && !g.has_input(3)) return give_upsampled(g, scale_factors(g, 2));
  const Ints sizes = g.few_integers(3, "sizes");
  const Arrangement& x = g.value();
  require(sizes.size() == 4 && x.dims.size() == 3 && sizes[1] == x.dims[0], Errc::unsupported,
          "sizes must be those of an image with its own channels");
  give_upsampled(g, {1.0, 1.0, static_cast<double>(sizes[2]) / static_cast<double>(x.dims[1]),
                     static_cast<double>(sizes[3]) / static_cast<double>(x.dims[2])});
}
/// Upsample, the Resize of opsets 7 to 9.
inline void read_upsample(Importer& g, Attributes& a) {
  require(a.text("mode", "nearest") == "nearest", Errc::unsupported, "attribute mode: only nearest is understood");
  give_upsampled(g, scale_factors(g, 1));
}

inline constexpr OperatorReader upsample_readers[] = {{"Resize", read_resize}, {"Upsample", read_upsample}};

}  // namespace stet::onnx
