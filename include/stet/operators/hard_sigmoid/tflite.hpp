#pragma once
// The hard sigmoid in .tflite files: the format has no operator of it. Floats are written as Keras writes them, and codes are
// looked up in a table.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_writer.hpp>

#include <string>

namespace stet::tflite {

inline void write(const op::HardSigmoid& o, IntegerWriter& w) { w.lookup(w.resolve(o)); }

/// relu6(6*alpha*x + 6*beta)/6
inline void write(const op::HardSigmoid& o, Writer& w) {
  const std::string& name = w.node().name;
  const auto number = [&](const char* of, float v) { return w.float32(name + of, Tensor<float>::filled(Shape{1}, v)); };
  std::int32_t x = w.input();
  if (const float factor = 6.0f * o.alpha; factor != 1.0f) {
    const std::int32_t line = w.like(x, name + ":line", w.node().in);
    w.operation(Builtin::mul, {x, number(":factor", factor)}, line, {.type = OptionsType::mul});
    x = line;
  }
  const std::int32_t ramp = w.like(x, name + ":ramp", w.node().in);
  w.operation(Builtin::add, {x, number(":offset", 6.0f * o.beta)}, ramp,
              {.type = OptionsType::add, .fused_activation = FusedActivation::relu6});
  w.emit(Builtin::mul, {ramp, number(":sixth", 1.0f / 6.0f)}, {.type = OptionsType::mul});
}
inline FloatTraits traits_of(const op::HardSigmoid&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT has no kernel for 16 bits"};
}

}  // namespace stet::tflite
