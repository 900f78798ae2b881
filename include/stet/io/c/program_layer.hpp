#pragma once
// Layers of C programs: weights, biases and multipliers as constants, windows, and the call.

#include <stet/core/window.hpp>
#include <stet/io/c/program_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet::c {

/// Fields of a stet_window.
inline std::string window_fields(const Window& v, std::int64_t in_channels, std::int64_t out_channels) {
  return formatted("{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}", v.h.in, v.w.in, in_channels, v.h.out, v.w.out, out_channels,
                   v.h.kernel, v.w.kernel, v.h.stride, v.w.stride, v.h.dilation, v.w.dilation, v.h.before, v.w.before);
}
/// Defines a window and returns its address.
inline std::string window_of(ProgramWriter& w, const Window& v, std::int64_t in_channels, std::int64_t out_channels) {
  w.use("window");
  return w.parameters("stet_window", "window", window_fields(v, in_channels, out_channels), 14 * 4);
}

/// Bytes that the wrappers of CMSIS-NN may ask for, whichever instructions it was built for; they are asked again in every call.
/// Source:    ARM-software/CMSIS-NN, arm_convolve_get_buffer_sizes_s8.c, arm_depthwise_conv_get_buffer_sizes_s8.c
inline std::int64_t cmsis_scratch_of_convolution(std::int64_t products) { return 6 * ((products + 15) / 16 * 16); }
inline std::int64_t cmsis_scratch_of_depthwise(std::int64_t taps, std::int64_t channels) { return std::max(2 * channels, std::int64_t{4 * 124}) * taps; }

/// Writes weights, biases and multipliers of a layer, and asks for the kernel with the rule of its target; the name of the kernel.
/// `address` becomes that of the layer's struct.
template <class Op>
std::string layer(const Op& o, ProgramWriter& w, std::string_view kernel, std::string& address) {
  const LayerConstants& constants = w.node().constants;
  const integer::Requantizer r = w.site().resolve(o);
  const auto outputs = static_cast<std::size_t>(r.channels);
  std::string multiplier = "0", shift = "0", factor = "0", scale = "0";
  const std::string weights = w.codes("weights", constants.weights.span()), bias = w.integers("bias", constants.bias.span());
  switch (r.rule) {
    case integer::Requantization::double_rounding:
      multiplier = w.integers("multiplier", std::span(r.multiplier).first(outputs));
      shift = w.integers("shift", std::span(r.shift).first(outputs));
      break;
    case integer::Requantization::half_away_double:
      factor = w.reals("factor", std::span(r.factor).first(outputs));
      break;
    case integer::Requantization::float_half_even:
      scale = w.reals("scale", std::span(r.scale).first(outputs));
      break;
  }
  address = w.parameters("stet_layer", "layer",
                         formatted("{}, {}, {}, {}, {}, {}, {}, {}, {}, {}", weights, bias, multiplier, shift, factor, scale,
                                   w.site().in().codes.zero_point, r.zero_point, r.bounds.lo, r.bounds.hi),
                         6 * 4 + 4 * 4);
  const std::string name = std::string(kernel) + std::string(code_kernel(r.rule).substr(4));
  w.use(name);
  return name;
}

}  // namespace stet::c
