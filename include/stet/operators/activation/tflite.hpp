#pragma once
// Functions of one value in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <cmath>

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

namespace detail {

template <class Op>
void read_function(const Site& s, Importer& in) {
  s.expect_inputs(1, 1);
  in.finish(s, Op{}, {in.value(s, 0)});
}
// A RELU between codes of different scales is computed as a leaky one with the slope 0, which no runtime delegates.
inline void read_relu(const Site& s, FloatImporter& in) { read_function<op::Relu>(s, in); }
inline void read_relu(const Site& s, IntegerImporter& in) {
  s.expect_inputs(1, 1);
  const int from = in.value(s, 0);
  const Affine x = in.codes(from), y = IntegerImporter::codes(s, s.output());
  if (x.scale == y.scale && x.zero_point == y.zero_point) return in.finish(s, op::Relu{}, {from}, Activation::none);
  in.finish(s, op::LeakyRelu{0.0f}, {from}, Activation::none);
}
inline void read_leaky_relu(const Site& s, Importer& in) {
  s.expect_options(OptionsType::leaky_relu);
  s.require(std::isfinite(s.options().alpha), Errc::range, "alpha is {}", s.options().alpha);
  s.expect_inputs(1, 1);
  in.finish(s, op::LeakyRelu{s.options().alpha}, {in.value(s, 0)});
}
template <class Op>
void read_softmax(const Site& s, Importer& in) {
  s.require(!in.on_codes(), Errc::unsupported,
            "softmax stays outside of integer models; convert the network without it, ending in logits");
  if (s.info().code == Builtin::softmax) {
    s.expect_options(OptionsType::softmax);
    s.require(s.options().beta == 1.0f, Errc::unsupported, "beta is {}, must be 1", s.options().beta);
  }
  read_function<Op>(s, in);
}

}  // namespace detail

inline constexpr Row activation_rows[] = {
    {Builtin::relu, {detail::read_relu, detail::read_relu}, 2, 3, "1.5.0 2.1.0 2.5.0", "AddRelu"},
    {Builtin::relu6, reads<detail::read_function<op::Relu6>>, 2, 3, "1.5.0 1.14.0 2.5.0", "AddRelu6"},
    {Builtin::leaky_relu, reads<detail::read_leaky_relu>, 1, 2, "1.13.1 2.3.0", "AddLeakyRelu"},
    {Builtin::logistic, reads<detail::read_function<op::Sigmoid>>, 2, 3, "1.14.0 1.14.0 2.3.0", "AddLogistic"},
    {Builtin::tanh, reads<detail::read_function<op::Tanh>>, 2, 3, "1.14.0 1.14.0 2.3.0", "AddTanh"},
    {Builtin::hard_swish, reads<detail::read_function<op::HardSwish>>, 1, 3, "1.15.0", "AddHardSwish"},
    {Builtin::softmax, reads<detail::read_softmax<op::Softmax>>, 2, 3, "1.5.0 1.14.0 2.3.0", "AddSoftmax"},
    {Builtin::log_softmax, reads<detail::read_softmax<op::LogSoftmax>>, 2, 3, "1.14.0", "AddLogSoftmax"}};

}  // namespace stet::tflite
