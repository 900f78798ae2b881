#pragma once
// Sums and means over dimensions in .tflite files.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/row.hpp>

namespace stet::tflite {

inline void write(const op::Mean& o, Writer& w) { w.reduce(Builtin::mean, o.axes, o.keep_dims); }
inline void write(const op::Sum& o, Writer& w) { w.reduce(Builtin::sum, o.axes, o.keep_dims); }
inline FloatTraits traits_of(const op::Sum&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT's reference kernel for 16 bits does not rescale; use a mean"};
}

inline constexpr Row reduction_rows[] = {{Builtin::mean, 2, 3, "1.6.0 1.14.0 2.4.0"},
                                         {Builtin::sum, 2, 3, "1.10.0"}};

}  // namespace stet::tflite
