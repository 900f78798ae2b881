#pragma once
// Upsampling in .onnx: written and read.

#include <stet/operators/resize_bilinear/onnx.hpp>
#include <stet/operators/slice/onnx.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Upsample& o, auto& w) {
  const std::vector<float> scales{1.0f, 1.0f, static_cast<float>(o.factor.height), static_cast<float>(o.factor.width)};
  w.emit_moved("Resize", {w.get(w.input(), Layout::first), "", w.list(w.name() + ".scales", scales)}, Layout::first,
               {attribute("mode", "nearest"), attribute("coordinate_transformation_mode", "asymmetric"),
                attribute("nearest_mode", "floor")});
}

/// How a Resize finds the nearest element: where outputs lie, and which way positions are rounded.
struct Nearest {
  std::string places, rounds;
};
/// Elements of an axis that its outputs are.
/// Formula:   position n/d by the places, then rounded; exact, and moved to the ends where it lies outside
inline Ints nearest_elements(std::int64_t in, std::int64_t out, const Nearest& how) {
  const bool half = how.places == "half_pixel" || how.places == "half_pixel_symmetric" || (how.places == "pytorch_half_pixel" && out > 1);
  const bool corners = how.places == "align_corners", middle = how.places == "tf_half_pixel_for_nn";
  require(half || corners || middle || how.places == "asymmetric" || how.places == "pytorch_half_pixel", Errc::unsupported,
          "attribute coordinate_transformation_mode {} is not understood of mode nearest", how.places);
  const auto floor = [](std::int64_t n, std::int64_t d) { return n >= 0 ? n / d : -((-n + d - 1) / d); };
  Ints which;
  for (std::int64_t i = 0; i < out; ++i) {
    std::int64_t n = i * in, d = out;
    if (half || middle) {
      n = (2 * i + 1) * in - (half ? out : 0);
      d = 2 * out;
    } else if (how.places == "pytorch_half_pixel") {
      n = 0;
    } else if (corners) {
      n = out > 1 ? i * (in - 1) : 0;
      d = std::max<std::int64_t>(out - 1, 1);
    }
    std::int64_t e = 0;
    if (how.rounds == "floor") {
      e = floor(n, d);
    } else if (how.rounds == "ceil") {
      e = -floor(-n, d);
    } else if (how.rounds == "round_prefer_ceil") {
      e = floor(2 * n + d, 2 * d);
    } else {
      require(how.rounds == "round_prefer_floor", Errc::unsupported, "attribute nearest_mode {} is not understood", how.rounds);
      e = -floor(d - 2 * n, 2 * d);
    }
    which.push_back(std::clamp<std::int64_t>(e, 0, in - 1));
  }
  return which;
}
/// Upsample where each element is repeated as often as all others, else the elements in parts that are put together.
inline void give_nearest(Importer& g, Attributes& a, const Nearest& how) {
  const Pair to = resized_to(g, a), from = resized_from(g.value());
  const bool line = g.value().dims.size() == 2;
  const Ints rows = nearest_elements(from.height, to.height, how), columns = nearest_elements(from.width, to.width, how);
  const auto repeats = [](const Ints& which, std::int64_t in) {
    const auto out = static_cast<std::int64_t>(which.size());
    for (std::int64_t i = 0; i < out; ++i) {
      if (out % in != 0 || which[at(i)] != i / (out / in)) return false;
    }
    return true;
  };
  if (repeats(rows, from.height) && repeats(columns, from.width)) {
    if (to == from) return g.give(g.value());
    return g.give_image(g.add(graph::op::Upsample{{to.height / from.height, to.width / from.width}}, {g.image(g.value())}), line);
  }
  Arrangement y = g.value();
  if (!line) y = joined(g, y, 1, runs_of(rows));
  g.give(joined(g, y, line ? 1 : 2, runs_of(columns)));
}

/// Resize, linear or to the nearest element.
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
  require(mode == "nearest", Errc::unsupported, "attribute mode {}: only nearest and linear are understood", mode);
  give_nearest(g, a, {places, rounds});
}
/// Upsample, the Resize of opsets 7 to 9.
inline void read_upsample(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "nearest");
  if (mode == "linear") return read_linear_resize(g, a, "asymmetric");
  require(mode == "nearest", Errc::unsupported, "attribute mode {}: only nearest and linear are understood", mode);
  give_nearest(g, a, {"asymmetric", "floor"});
}

inline constexpr OperatorReader upsample_readers[] = {{"Resize", read_resize}, {"Upsample", read_upsample}};

}  // namespace stet::onnx
