#pragma once
// Clipping in .tflite files: RELU_N1_TO_1 and RELU_0_TO_1, else MINIMUM and MAXIMUM with constants.

#include <stet/core/rounding.hpp>
#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/io/tflite/integer_writer.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace stet::tflite {

inline void write(const op::Clip& o, IntegerWriter& w) { w.clamp(w.input(), w.resolve(o).bounds, w.node().value_name); }
inline void write(const op::Clip& o, Writer& w) {
  const auto& [lo, hi] = o.clamps;
  const bool coded = w.kind().type == TensorType::int16;
  if (lo == -1.0f && hi == 1.0f && !coded) return w.unary(Builtin::relu_n1_to_1);
  const std::string& name = w.node().name;
  const auto number = [&](const char* of, float v) {
    if (!coded) return w.float32(name + of, Tensor<float>::filled(Shape{1}, v));
    const Quantization& q = w.node().quantization;
    const std::int16_t code[] = {static_cast<std::int16_t>(std::clamp(round_half_even(v / q.scale[0]), -32767.0f, 32767.0f))};
    return w.constant<std::int16_t>(name + of, TensorType::int16, {1}, code, q);
  };
  const Options options{.type = OptionsType::maximum_minimum};
  std::int32_t x = w.input();
  if (std::isfinite(lo) && std::isfinite(hi)) {
    const std::int32_t low = w.like(x, name + ":low", w.node().in);
    w.operation(Builtin::minimum, {x, number(":highest", hi)}, low, options);
    x = low;
  }
  if (std::isfinite(lo)) return w.emit(Builtin::maximum, {x, number(":lowest", lo)}, options);
  w.emit(Builtin::minimum, {x, number(":highest", hi)}, options);
}
inline FloatTraits traits_of(const op::Clip&, const Shape&) { return {.scale = FloatTraits::Scale::kept}; }

namespace detail {

inline void read_bounds(const Site& s, FloatImporter& in, integer::Activation bounds) {
  s.expect_inputs(1, 1);
  in.finish(s, op::Clip{bounds}, {in.value(s, 0)}, Activation::none);
}
inline void read_relu_n1_to_1(const Site& s, FloatImporter& in) { read_bounds(s, in, {-1.0f, 1.0f}); }
inline void read_relu_0_to_1(const Site& s, FloatImporter& in) { read_bounds(s, in, {0.0f, 1.0f}); }
// The constant bound of a MINIMUM or MAXIMUM.
inline float bound_of(const Site& s, const FloatImporter& in) {
  const Tensor<float> c = in.constant(s, 1);
  s.require(c.size() == 1, Errc::unsupported, "bounds by {} numbers; only one for all elements is understood", c.size());
  return c[0];
}
inline bool is_bound(const OperatorInfo* o, Builtin code, const FloatImporter& in) {
  return o != nullptr && o->code == code && o->inputs.size() == 2 && o->inputs[1] >= 0 && o->outputs.size() == 1 && in.is_constant(o->inputs[1]);
}
// A MINIMUM that a MAXIMUM alone reads, or the other way round, is one clip, made behind both.
inline void read_limit(const Site& s, FloatImporter& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::maximum_minimum);
  const bool least = s.info().code == Builtin::minimum;
  if (in.value_of(s.output_index()) >= 0) return;
  if (!in.is_constant(s.index(1))) return in.finish(s, op::Extremum{!least}, {in.value(s, 0), in.value(s, 1)}, Activation::none);
  float lo = -std::numeric_limits<float>::infinity(), hi = -lo;
  (least ? hi : lo) = bound_of(s, in);
  const OperatorInfo* next = in.sole_reader(s.output_index());
  const bool both = is_bound(next, least ? Builtin::maximum : Builtin::minimum, in);
  if (both) (least ? lo : hi) = bound_of(in.site_of(*next), in);
  const int from = in.value(s, 0);
  in.finish(both ? in.site_of(*next) : s, op::Clip{{lo, hi}}, {from}, Activation::none);
}

// A MINIMUM or MAXIMUM of a value with one code is how an activation of fewer than 8 bits is written, the grid of the value
// before it, and bounds that are no ReLU.
inline void read_limit(const Site& s, IntegerImporter& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::maximum_minimum);
  const int from = in.value(s, 0);
  if (const int other = in.value_of(s.index(1)); other >= 0) {
    return in.finish(s, op::Extremum{s.info().code == Builtin::maximum}, {from, other}, Activation::none);
  }
  in.require_same_params(s, from);
  s.require_output(in.shape(from));
  const Tensor<std::int8_t> end = s.constant<std::int8_t>(s.input(1), TensorType::int8);
  const Affine p = IntegerImporter::codes(s, s.input(1));
  s.require(end.size() == 1 && p.scale == in.codes(from).scale && p.zero_point == in.codes(from).zero_point,
            Errc::unsupported, "only one code under the scale of the value is understood as a bound");
  const graph::Operator* maker = in.maker(from);
  if (maker == nullptr) return in.set_value(s.output_index(), from);
  const bool least = s.info().code == Builtin::minimum;
  Grid grid = in.codes(from).grid;
  (least ? grid.hi : grid.lo) = end[0];
  const bool few_bits = grid.lo < grid.hi && std::has_single_bit(static_cast<std::uint32_t>(grid.levels()));
  if (few_bits && grid.contains(p.zero_point) && in.read_once(s.index(0)) && !graph::moves_codes(*maker)) {
    return in.limit(s, from, grid);
  }
  integer::Activation bounds;
  (least ? bounds.hi : bounds.lo) = p.scale * static_cast<float>(end[0] - p.zero_point);
  in.finish(s, op::Clip{bounds}, {from}, Activation::none);
}

}  // namespace detail

inline constexpr Row clip_rows[] = {
    {Builtin::relu_n1_to_1, {detail::read_relu_n1_to_1, nullptr}, 1, 1, "1.5.0"},
    {Builtin::relu_0_to_1, {detail::read_relu_0_to_1, nullptr}, 1, 1, "2.12.0"},
    {Builtin::maximum, {detail::read_limit, detail::read_limit}, 2, 4, "1.14.0 1.14.0 2.3.0 2.3.0", "AddMaximum", broadcast_version},
    {Builtin::minimum, {detail::read_limit, detail::read_limit}, 2, 4, "1.14.0 1.14.0 2.3.0 2.3.0", "AddMinimum", broadcast_version}};

}  // namespace stet::tflite
