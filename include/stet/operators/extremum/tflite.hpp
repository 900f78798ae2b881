#pragma once
// Maxima and minima of two values in .tflite files; the rows of both builtin operators stand with clip, which they are with a
// constant.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/operators/clip/tflite.hpp>

namespace stet::tflite {

inline void write(const op::Extremum& o, Writer& w) {
  w.emit(o.largest ? Builtin::maximum : Builtin::minimum, {w.input(0), w.input(1)}, {.type = OptionsType::maximum_minimum});
}

}  // namespace stet::tflite
