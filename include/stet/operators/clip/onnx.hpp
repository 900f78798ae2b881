#pragma once
// Clipping in .onnx: written and read.

#include <stet/operators/activation/onnx.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace stet::onnx {

inline void write(const graph::op::Clip& o, FloatWriter& w) {
  const auto& [lo, hi] = o.clamps;
  Names inputs{w.get(w.input(), w.layout(w.input())), std::isfinite(lo) ? w.scalar(w.name() + ".min", lo) : ""};
  if (std::isfinite(hi)) inputs.push_back(w.scalar(w.name() + ".max", hi));
  w.emit("Clip", std::move(inputs), w.layout(w.input()));
}
inline void write(const graph::op::Clip& o, IntegerWriter& w) { write_clamp(o, w); }

/// Clip between constants, which may be relu or relu6, or between none.
inline void read_clip(Importer& g, Attributes& a) {
  constexpr float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
  const auto bound = [&](std::size_t i, const char* name, float otherwise) {
    return g.has_input(i) ? g.one_real(i, name, otherwise) : a.real(name, otherwise);
  };
  float lo = bound(1, "min", -infinity), hi = bound(2, "max", infinity);
  if (lo <= -largest) lo = -infinity;
  if (hi >= largest) hi = infinity;
  require(lo < hi, Errc::unsupported, "clips to {}..{}, which are not ascending", lo, hi);
  const integer::Activation bounds{lo, hi};
  if (bounds == integer::Activation::none) return g.give(g.value());
  g.give_same(bounds == integer::Activation::relu    ? graph::Operator(graph::op::Relu{})
              : bounds == integer::Activation::relu6 ? graph::Operator(graph::op::Relu6{})
                                                     : graph::Operator(graph::op::Clip{bounds}));
}

inline constexpr OperatorReader clip_readers[] = {{"Clip", read_clip}};

}  // namespace stet::onnx
