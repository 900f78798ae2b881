#pragma once
// Functions of one value in .tflite files.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/row.hpp>

namespace stet::tflite {

inline void write(const op::Relu&, Writer& w) { w.unary(Builtin::relu); }
inline void write(const op::Relu6&, Writer& w) { w.unary(Builtin::relu6); }
inline void write(const op::LeakyRelu& o, Writer& w) {
  w.unary(Builtin::leaky_relu, {.type = OptionsType::leaky_relu, .alpha = o.alpha});
}
inline void write(const op::Sigmoid&, Writer& w) { w.unary(Builtin::logistic); }
inline void write(const op::Tanh&, Writer& w) { w.unary(Builtin::tanh); }
inline void write(const op::HardSwish&, Writer& w) {
  w.unary(Builtin::hard_swish, {.type = OptionsType::hard_swish});
}
inline void write(const op::Softmax&, Writer& w) {
  w.unary(Builtin::softmax, {.type = OptionsType::softmax, .beta = 1.0f});
}
inline void write(const op::LogSoftmax&, Writer& w) {
  w.unary(Builtin::log_softmax, {.type = OptionsType::log_softmax});
}
// The identity after training.
inline void write(const op::Dropout&, Writer& w) { w.set_output(w.input()); }

inline FloatTraits traits_of(const op::Relu&, const Shape&) { return {}; }
inline FloatTraits traits_of(const op::Relu6&, const Shape&) { return {}; }
inline FloatTraits traits_of(const op::Sigmoid&, const Shape&) { return {.scale = FloatTraits::Scale::fixed}; }
inline FloatTraits traits_of(const op::Tanh&, const Shape&) { return {.scale = FloatTraits::Scale::fixed}; }
inline FloatTraits traits_of(const op::Softmax&, const Shape&) { return {.scale = FloatTraits::Scale::fixed}; }
inline FloatTraits traits_of(const op::Dropout&, const Shape&) { return {.scale = FloatTraits::Scale::kept}; }
inline FloatTraits traits_of(const op::HardSwish&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT has no kernel for 16 bits"};
}
inline FloatTraits traits_of(const op::LogSoftmax&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT has no kernel for 16 bits"};
}

inline constexpr Row activation_rows[] = {{Builtin::relu, 2, 3, "1.5.0 2.1.0 2.5.0"},
                                          {Builtin::relu6, 2, 3, "1.5.0 1.14.0 2.5.0"},
                                          {Builtin::leaky_relu, 1, 2, "1.13.1 2.3.0"},
                                          {Builtin::logistic, 2, 3, "1.14.0 1.14.0 2.3.0"},
                                          {Builtin::tanh, 2, 3, "1.14.0 1.14.0 2.3.0"},
                                          {Builtin::hard_swish, 1, 3, "1.15.0"},
                                          {Builtin::softmax, 2, 3, "1.5.0 1.14.0 2.3.0"},
                                          {Builtin::log_softmax, 2, 3, "1.14.0"}};

}  // namespace stet::tflite
