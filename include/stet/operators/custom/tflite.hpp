#pragma once
// The user's own operators in .tflite files: the format names operators and has none for them.

#include <stet/io/tflite/float_plan.hpp>

namespace stet::tflite {

inline void write(const op::Custom&, Writer& w) {
  fail(Errc::unsupported, "save_tflite: {} has no TFLite operator", w.node().name);  // refused before that
}
inline FloatTraits traits_of(const op::Custom&, const Shape&) {
  return {.fault = "an operator of your own has no TFLite operator"};
}

}  // namespace stet::tflite
