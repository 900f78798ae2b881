#pragma once
// Upsampling in .onnx: written and read.

#include <stet/operators/resize_bilinear/onnx.hpp>

#include <string>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Upsample& o, auto& w) {
  const std::vector<float> scales{1.0f, 1.0f, static_cast<float>(o.factor.height), static_cast<float>(o.factor.width)};
  w.emit_moved("Resize", {w.get(w.input(), Layout::first), "", w.list(w.name() + ".scales", scales)}, Layout::first,
               {attribute("mode", "nearest"), attribute("coordinate_transformation_mode", "asymmetric"),
                attribute("nearest_mode", "floor")});
}

/// Upsample where both sizes are multiples of what they were.
inline void give_upsampled(Importer& g, Attributes& a) {
  const Pair to = resized_to(g, a), from = resized_from(g.value());
  const bool line = g.value().dims.size() == 2;
  require(to.height % from.height == 0 && to.width % from.width == 0, Errc::unsupported,
          "makes {}x{} of {}x{}; to the nearest element, images are made larger by whole factors only", to.height, to.width, from.height,
          from.width);
  if (to == from) return g.give(g.value());
  g.give_image(g.add(graph::op::Upsample{{to.height / from.height, to.width / from.width}}, {g.image(g.value())}), line);
}

/// Resize, linear or to the nearest element. Whichever way the file counts coordinates, whole factors must then repeat each
/// element.
inline void read_resize(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "nearest");
  const std::string places = a.text("coordinate_transformation_mode", g.opset < 11 ? "asymmetric" : "half_pixel");
  const std::string rounds = a.text("nearest_mode", g.opset < 11 ? "floor" : "round_prefer_floor");
  a.ignore("cubic_coeff_a");
  a.ignore("extrapolation_value");
  a.ignore("exclude_outside");
  a.expect("antialias", 0);
  require(a.text("keep_aspect_ratio_policy", "stretch") == "stretch", Errc::unsupported,
          "attribute keep_aspect_ratio_policy: only stretch is understood");
  if (mode == "linear") return read_linear_resize(g, a, places);
  const bool rounded = rounds == "round_prefer_floor" || rounds == "round_prefer_ceil";
  const bool repeats = (places == "asymmetric" && rounds == "floor") || (places == "tf_half_pixel_for_nn" && rounds == "floor") ||
                       ((places == "half_pixel" || places == "pytorch_half_pixel" || places == "half_pixel_symmetric") && rounded);
  require(mode == "nearest" && repeats, Errc::unsupported,
          "attributes mode {}, coordinate_transformation_mode {} and nearest_mode {}: only mode linear and what repeats each element are "
          "understood",
          mode, places, rounds);
  give_upsampled(g, a);
}
/// Upsample, the Resize of opsets 7 to 9.
inline void read_upsample(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "nearest");
  if (mode == "linear") return read_linear_resize(g, a, "asymmetric");
  require(mode == "nearest", Errc::unsupported, "attribute mode {}: only nearest and linear are understood", mode);
  give_upsampled(g, a);
}

inline constexpr OperatorReader upsample_readers[] = {{"Resize", read_resize}, {"Upsample", read_upsample}};

}  // namespace stet::onnx
