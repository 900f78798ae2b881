#pragma once
// Elementary functions in .tflite files: codes are looked up in a table.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_writer.hpp>

#include <vector>

namespace stet::tflite {

inline void write(const op::Elementary& o, IntegerWriter& w) { w.lookup(w.resolve(o)); }
inline void write(const op::Elementary& o, Writer& w) {
  using op::ElementaryFunction;
  switch (o.function) {
    case ElementaryFunction::abs:
      return w.unary(Builtin::abs, {.type = OptionsType::abs});
    case ElementaryFunction::square:
      return w.unary(Builtin::square, {.type = OptionsType::square});
    case ElementaryFunction::sqrt:
      return w.unary(Builtin::sqrt);
    case ElementaryFunction::rsqrt:
      return w.unary(Builtin::rsqrt);
    case ElementaryFunction::exp:
      return w.unary(Builtin::exp, {.type = OptionsType::exp});
    case ElementaryFunction::log:
      return w.unary(Builtin::log);
    case ElementaryFunction::reciprocal:
    case ElementaryFunction::pow: {
      const float p = o.function == ElementaryFunction::pow ? o.exponent : -1.0f;
      return w.emit(Builtin::pow, {w.input(), w.float32(w.node().name + ":exponent", Tensor<float>::filled(Shape{1}, p))},
                    {.type = OptionsType::pow});
    }
    case ElementaryFunction::selu:
    case ElementaryFunction::mish:
      break;
  }
  fail(Errc::unsupported, "save_tflite: {} has no TFLite operator", w.node().name);  // refused before that
}
inline FloatTraits traits_of(const op::Elementary& o, const Shape&) {
  if (o.function == op::ElementaryFunction::selu || o.function == op::ElementaryFunction::mish) {
    return {.fault = "TFLite has no such function for floats; int8 files hold its table, .onnx files hold both"};
  }
  return {.fault_at_16_bits = "is not measured at 16 bits"};
}

namespace detail {

template <op::ElementaryFunction function>
void read_elementary(const Site& s, FloatImporter& in) {
  s.expect_inputs(1, 1);
  in.finish(s, op::Elementary{function}, {in.value(s, 0)}, Activation::none);
}
inline void read_pow(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  const Tensor<float> p = in.constant(s, 1);
  s.require(p.size() == 1, Errc::unsupported, "has {} exponents; only one is understood", p.size());
  const op::Elementary power{op::ElementaryFunction::pow, p[0]}, inverse{op::ElementaryFunction::reciprocal};
  in.finish(s, p[0] == -1.0f ? inverse : power, {in.value(s, 0)}, Activation::none);
}

// The rectifier with a slope for negative values: one number is a leaky ReLU, one per channel a x + (1 - a) relu(x).
inline void read_prelu(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  const int x = in.value(s, 0);
  const Tensor<float> slope = in.constant(s, 1);
  const std::int64_t channels = in.shape(x).back();
  if (slope.size() == 1) return in.finish(s, op::LeakyRelu{slope[0]}, {x}, Activation::none);
  s.require(slope.size() == channels && slope.shape().back() == channels, Errc::unsupported,
            "the slope has shape {}; one number, or one per channel ({}), is understood", slope.shape(), channels);
  const std::vector<float> own(slope.span().begin(), slope.span().end());
  std::vector<float> rest = own;
  for (float& a : rest) a = 1.0f - a;
  const int positive = in.add(s, op::Relu{}, {x}, "positive");
  in.finish(s, op::Add{}, {in.affine(s, x, own, {0.0f}, "slope"), in.affine(s, positive, rest, {0.0f}, "rest")}, Activation::none);
}
inline void read_squared_difference(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::squared_difference);
  const int difference = in.add(s, op::Sub{}, {in.value(s, 0), in.value(s, 1)}, "difference");
  in.finish(s, op::Elementary{op::ElementaryFunction::square}, {difference}, Activation::none);
}
inline void read_neg(const Site& s, FloatImporter& in) {
  s.expect_inputs(1, 1);
  (void)in.value(s, 0);
  in.affine(s, s.index(0), {-1.0f}, {0.0f}, Activation::none);
}

}  // namespace detail

inline constexpr Row elementary_rows[] = {
    {Builtin::abs, {detail::read_elementary<op::ElementaryFunction::abs>, nullptr}, 1, 1, "1.13.0", "AddAbs"},
    {Builtin::square, {detail::read_elementary<op::ElementaryFunction::square>, nullptr}, 1, 1, "1.12.0", "AddSquare"},
    {Builtin::sqrt, {detail::read_elementary<op::ElementaryFunction::sqrt>, nullptr}, 1, 1, "1.10.0", "AddSqrt"},
    {Builtin::rsqrt, {detail::read_elementary<op::ElementaryFunction::rsqrt>, nullptr}, 1, 1, "1.10.0", "AddRsqrt"},
    {Builtin::exp, {detail::read_elementary<op::ElementaryFunction::exp>, nullptr}, 1, 1, "1.7.0", "AddExp"},
    {Builtin::log, {detail::read_elementary<op::ElementaryFunction::log>, nullptr}, 1, 1, "1.14.0", "AddLog"},
    {Builtin::prelu, {detail::read_prelu, nullptr}},
    {Builtin::neg, {detail::read_neg, nullptr}},
    {Builtin::squared_difference, {detail::read_squared_difference, nullptr}},
    {Builtin::pow, {detail::read_pow, nullptr}, 1, 1, "1.10.0"}};

}  // namespace stet::tflite
