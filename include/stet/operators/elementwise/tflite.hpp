#pragma once
// Sums, differences and products of two values in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <type_traits>
#include <vector>

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

// A constant factor or summand: of the layer before it, else of a depthwise 1x1 convolution.
template <class Op>
void read_with_constant(const Site& s, FloatImporter& in, std::size_t constant) {
  const std::size_t other = 1 - constant;
  const Shape x = in.shape(in.value(s, other));
  const Tensor<float> c = in.constant(s, constant);
  if (std::is_same_v<Op, op::Mul> && x.rank() >= 1 && x.back() == 1 && c.size() > 1 && c.shape().back() == c.size() &&
      s.activation() == Activation::none) {
    // One channel times one number for each of several: a layer that makes them.
    const int channels = static_cast<int>(c.size());
    if (x.rank() != 3) return in.finish_made(s, op::Linear{.units = channels, .bias = false}, in.value(s, other), c.reshaped({c.size(), 1}), {});
    return in.finish_made(s, op::Conv2D{.filters = channels, .kernel = 1, .bias = false}, in.value(s, other), c.reshaped({c.size(), 1, 1, 1}), {});
  }
  s.require(x.rank() >= 1 && (c.size() == 1 || (c.size() == x.back() && c.shape().back() == c.size())),
            Errc::unsupported,
            "the constant {} has shape {}; only one number, or one per channel ({}), is understood",
            s.input(constant).name, c.shape(), x.back());
  std::vector<float> values(c.span().begin(), c.span().end());
  if constexpr (std::is_same_v<Op, op::Mul>) {
    in.affine(s, s.index(other), values, {0.0f}, s.activation());
  } else {
    const bool minus = std::is_same_v<Op, op::Sub>;
    if (minus && constant == 1) {
      for (float& v : values) v = -v;
    }
    in.affine(s, s.index(other), {minus && constant == 0 ? -1.0f : 1.0f}, values, s.activation());
  }
}
template <class Op, OptionsType type>
void read_elementwise(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  s.expect_options(type);
  if (in.is_corrected(s.index(0))) return in.take_over(s, s.index(0), s.activation());
  for (const std::size_t i : {0u, 1u}) {
    if (in.is_constant(s.index(i))) return read_with_constant<Op>(s, in, i);
  }
  in.finish(s, Op{}, {in.value(s, 0), in.value(s, 1)}, s.activation());
}
template <class Op, OptionsType type>
void read_elementwise(const Site& s, IntegerImporter& in) {
  if (const OperatorInfo* next = in.sole_reader(s.output_index()); s.output().type == TensorType::int32 && next != nullptr &&
      next->outputs.size() == 1 && in.value_of(next->outputs[0]) >= 0) {
    return;  // an index into a table of codes, which has been read
  }
  s.expect_inputs(2, 2);
  s.expect_options(type);
  s.require(!s.is_constant(0) || !s.is_constant(1), Errc::unsupported, "computes of constants alone");
  const int rank = in.shape(in.value(s, s.is_constant(0) ? 1 : 0)).rank();
  const int a = in.operand(s, 0, rank), b = in.operand(s, 1, rank);
  s.require(in.shape(a).rank() == in.shape(b).rank(), Errc::unsupported,
            "operands have shapes {} and {}; values are repeated only over dimensions of size 1", in.shape(a), in.shape(b));
  in.finish(s, Op{}, {a, b}, s.activation());
}
template <class Op, OptionsType type>
inline constexpr Reads reads_elementwise{read_elementwise<Op, type>, read_elementwise<Op, type>};

}  // namespace detail

inline constexpr Row elementwise_rows[] = {
    {Builtin::add, detail::reads_elementwise<op::Add, OptionsType::add>, 2, 3, "1.5.0 1.14.0 2.4.0", "AddAdd"},
    {Builtin::sub, detail::reads_elementwise<op::Sub, OptionsType::sub>, 2, 5, "1.6.0 1.14.0 2.3.0 - 2.4.0", "AddSub",
     broadcast_version},
    {Builtin::mul, detail::reads_elementwise<op::Mul, OptionsType::mul>, 2, 4, "1.5.0 1.14.0 1.15.0 2.3.0", "AddMul",
     detail::product_version}};

}  // namespace stet::tflite
