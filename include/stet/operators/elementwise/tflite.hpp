#pragma once
// Sums, differences and products of two values in .tflite files.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/row.hpp>

namespace stet::tflite {

inline void write(const op::Add&, Writer& w) { w.binary(Builtin::add, OptionsType::add); }
inline void write(const op::Sub&, Writer& w) { w.binary(Builtin::sub, OptionsType::sub); }
inline void write(const op::Mul&, Writer& w) { w.binary(Builtin::mul, OptionsType::mul); }

inline FloatTraits traits_of(const op::Add&, const Shape&) { return {.fuses = true}; }
inline FloatTraits traits_of(const op::Sub&, const Shape&) { return {.fuses = true}; }
inline FloatTraits traits_of(const op::Mul&, const Shape&) { return {.fuses = true}; }

namespace detail {

inline int product_version(const ModelInfo& m, const OperatorInfo& o) {
  const auto scale = [](const TensorInfo& t) { return t.quantization.scale.empty() ? 0.0f : t.quantization.scale[0]; };
  const bool large = scale(m.input(o, 0)) * scale(m.input(o, 1)) / scale(m.output(o)) >= 1.0f;
  return m.input(o, 0).type == TensorType::int8 && large ? 3 : 1;
}

}  // namespace detail

inline constexpr Row elementwise_rows[] = {
    {Builtin::add, 2, 3, "1.5.0 1.14.0 2.4.0"},
    {Builtin::sub, 2, 5, "1.6.0 1.14.0 2.3.0 - 2.4.0", broadcast_version},
    {Builtin::mul, 2, 4, "1.5.0 1.14.0 1.15.0 2.3.0", detail::product_version}};

}  // namespace stet::tflite
