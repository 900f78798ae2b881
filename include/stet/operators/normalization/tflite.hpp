#pragma once
// Batch norms in .tflite files: layers before them take them in, as they are written and as they are read.

#include <stet/io/tflite/float_writer.hpp>

namespace stet::tflite {

// One that no layer took in: y = k*x + b by MUL and ADD.
inline void write(const op::BatchNorm&, FloatWriter& w) {
  const std::string& name = w.node().name;
  const stet::detail::NormLine line = stet::detail::norm_line(w.model(), w.graph().find(name));
  Tensor<float> k(Shape{w.node().out.back()}), b(k.shape());
  for (std::size_t c = 0; c < line.k.size(); ++c) {
    k.edit()[c] = static_cast<float>(line.k[c]);
    b.edit()[c] = static_cast<float>(line.beta[c] - line.mean[c] * line.k[c]);
  }
  const std::int32_t factor = w.real(name + ":factor", k), offset = w.real(name + ":offset", b);
  const std::int32_t scaled = w.value(name + ":scaled", w.node().out, TensorType::float32);
  w.operation(Builtin::mul, {w.input(), factor}, scaled, {.type = OptionsType::mul});
  w.emit(Builtin::add, {scaled, offset}, {.type = OptionsType::add});
}
inline FloatTraits traits_of(const op::BatchNorm&, const Shape&) {
  return {.fault_at_16_bits = "stands behind no layer that could take it in"};
}

}  // namespace stet::tflite
