#pragma once
// Element-wise arithmetic on codes: add, subtract, multiply and clamp, as the target does them.

#include <stet/core/bits.hpp>
#include <stet/core/rounding.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/elements.hpp>
#include <stet/integer/kernel/isa.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/integer/target.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace stet::integer {

/// Scale and zero point of a tensor.
struct Quantized {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
};

/// Scale, zero point, activation and grid of a result.
struct QuantizedOutput {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  Activation activation = Activation::none;
  Grid grid = Grid::int8();
};

/// Everything that adds or subtracts two tensors, resolved. Made by make_add.
struct AddParameters {
  AddRule rule = AddRule::three_roundings;
  bool subtract = false;
  bool relu = false;
  std::int32_t z1 = 0, z2 = 0, z_out = 0;
  Bounds bounds{};
  QuantizedMultiplier m1{}, m2{}, m_out{};    ///< of three_roundings
  std::int32_t f1 = 0, f2 = 0, constant = 0;  ///< of xnnpack: (f1*q1 + f2*q2 + constant + 2^(shift-1)) >> shift
  int shift = 0;
};

/// Everything that multiplies two tensors, resolved. Made by make_multiply.
struct MultiplyParameters {
  MultiplyRule rule = MultiplyRule::double_rounding;
  bool relu = false;
  std::int32_t z1 = 0, z2 = 0, z_out = 0;
  Bounds bounds{};
  QuantizedMultiplier m{};  ///< of double_rounding
  float scale = 0.0f;       ///< of xnnpack
};

/// Everything that clamps codes under a shared scale. Made by make_clamp.
struct ClampParameters {
  bool relu = false;
  std::int32_t zero_point = 0;
  Bounds bounds{};
};

namespace detail {

inline void require_scales(const char* op, const Quantized& a, const Quantized& b, const QuantizedOutput& y) {
  for (const float s : {a.scale, b.scale, y.scale}) {
    require(std::isfinite(s) && s > 0.0f, Errc::range, "{}: scale {} must be positive and finite", op, s);
  }
  for (const std::int32_t z : {a.zero_point, b.zero_point, y.zero_point}) {
    require(z >= -128 && z <= 127, Errc::range, "{}: zero point {} lies outside int8", op, z);
  }
}

}  // namespace detail

/// Resolves an addition, or a subtraction q1 - q2.
/// Formula:   three_roundings: t = 2*max(s1,s2); m1 = s1/t, m2 = s2/t, m_out = t/(2^20*s_out) in double;
///            xnnpack: r_i = s_i/s_out in float, shift = 20 - floor(log2(max r)), f_i = round(r_i * 2^shift)
/// Rounding:  f_i half to even; bounds half_away for three_roundings, half_even for xnnpack
/// Errors:    Errc::range if a scale or zero point is none; Errc::unsupported if 2*max(s1,s2) >= 2^20*s_out, where the
///            reference kernel aborts
/// Source:    LiteRT kernels/add.cc, sub.cc; XNNPACK microparams-init.c, xnn_init_qs8_add_minmax_scalar_params
inline AddParameters make_add(const Target& target, Quantized a, Quantized b, QuantizedOutput y,
                              bool subtract = false) {
  const char* op = subtract ? "sub" : "add";
  detail::require_scales(op, a, b, y);
  AddParameters p;
  p.subtract = subtract;
  p.relu = y.activation != Activation::none;
  p.z1 = a.zero_point;
  p.z2 = b.zero_point;
  p.z_out = y.zero_point;
  const float r1 = a.scale / y.scale;
  const float r2 = b.scale / y.scale;
  const auto delegated = [](float r) { return r >= 0x1p-10f && r < 0x1p8f; };
  if (target.add == AddRule::xnnpack && delegated(r1) && delegated(r2)) {
    p.rule = AddRule::xnnpack;
    p.shift = 20 - std::ilogb(std::max(r1, r2));
    p.f1 = static_cast<std::int32_t>(round_half_even(std::ldexp(r1, p.shift)));
    p.f2 = static_cast<std::int32_t>(round_half_even(std::ldexp(r2, p.shift)));
    if (subtract) p.f2 = -p.f2;
    p.constant = -p.f1 * p.z1 - p.f2 * p.z2;
  } else {
    const double larger = 2.0 * static_cast<double>(std::max(a.scale, b.scale));
    const double m_out = larger / (0x1p20 * static_cast<double>(y.scale));
    require(
        m_out < 1.0, Errc::unsupported,
        "{}: input scales {} and {} are too large for output scale {}; twice the larger must be below 2^20 times it",
        op, a.scale, b.scale, y.scale);
    p.rule = AddRule::three_roundings;
    p.m1 = quantize_multiplier(static_cast<double>(a.scale) / larger);
    p.m2 = quantize_multiplier(static_cast<double>(b.scale) / larger);
    p.m_out = quantize_multiplier(m_out);
  }
  const ClampRule clamp = p.rule == AddRule::xnnpack ? ClampRule::half_even : ClampRule::half_away;
  p.bounds = clamp_bounds(clamp, y.activation, y.scale, y.zero_point, y.grid);
  return p;
}

/// Resolves a multiplication.
/// Formula:   m = s1*s2/s_out in float from left to right
/// Rounding:  bounds half_away for double_rounding, half_even for xnnpack
/// Errors:    Errc::range if a scale or zero point is none; Errc::unsupported if m >= 256
/// Source:    LiteRT kernels/mul.cc; XNNPACK microparams-init.c, xnn_init_qs8_mul_minmax_fp32_scalar_params
inline MultiplyParameters make_multiply(const Target& target, Quantized a, Quantized b, QuantizedOutput y) {
  detail::require_scales("mul", a, b, y);
  MultiplyParameters p;
  p.relu = y.activation != Activation::none;
  p.z1 = a.zero_point;
  p.z2 = b.zero_point;
  p.z_out = y.zero_point;
  const float m = rounded_product(a.scale, b.scale) / y.scale;
  require(m < 0x1p8f, Errc::unsupported, "mul: multiplier {} must be below 256; raise the output scale {}", m, y.scale);
  if (target.multiply == MultiplyRule::xnnpack && m >= 0x1p-16f) {
    p.rule = MultiplyRule::xnnpack;
    p.scale = m;
  } else {
    p.rule = MultiplyRule::double_rounding;
    p.m = quantize_multiplier(static_cast<double>(m));
  }
  const ClampRule clamp = p.rule == MultiplyRule::xnnpack ? ClampRule::half_even : ClampRule::half_away;
  p.bounds = clamp_bounds(clamp, y.activation, y.scale, y.zero_point, y.grid);
  return p;
}

/// Resolves an activation that is an operator of its own, whose input and output share scale and zero point.
/// Errors:    Errc::range as clamp_bounds
inline ClampParameters make_clamp(const Target& target, QuantizedOutput y) {
  return {y.activation != Activation::none, y.zero_point,
          clamp_bounds(target.activation_clamp, y.activation, y.scale, y.zero_point, y.grid)};
}

namespace detail {

/// Shape of two operands under broadcasting: dimensions from the back are equal, or one of them is 1 or missing.
inline Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dims{};
  for (int i = 0; i < rank; ++i) {
    const std::int64_t da = i < rank - a.rank() ? 1 : a[i - rank + a.rank()];
    const std::int64_t db = i < rank - b.rank() ? 1 : b[i - rank + b.rank()];
    require(da == db || da == 1 || db == 1, Errc::shape, "{}: shapes {} and {} do not broadcast", op, a, b);
    dims[static_cast<std::size_t>(i)] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank)));
}

// The codes repeated to a larger shape; shared with x if the shape is x's own.
inline Tensor<std::int8_t> broadcast_codes(const Codes& x, const Shape& shape) {
  Tensor<std::int8_t> out(shape);
  const auto to = out.edit();
  const int lead = shape.rank() - x.shape().rank();
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    std::int64_t rest = i;
    std::int64_t from = 0;
    std::int64_t step = 1;
    for (int d = shape.rank() - 1; d >= lead; --d) {
      const std::int64_t size = x.shape()[d - lead];
      if (size != 1) from += rest % shape[d] * step;
      step *= size;
      rest /= shape[d];
    }
    to[static_cast<std::size_t>(i)] = x.data()[from];
  }
  return out;
}

}  // namespace detail

inline namespace STET_INTEGER_ISA {

namespace loops {

using kernel::Block32;
using kernel::block_elements;

// Multiplier and shift of one factor, repeated for a block.
struct RepeatedMultiplier {
  Block32 multiplier, shift;
  explicit RepeatedMultiplier(QuantizedMultiplier m) {
    std::fill_n(multiplier.value, block_elements, m.multiplier);
    std::fill_n(shift.value, block_elements, m.shift);
  }
  void operator()(const Block32& x, Block32& y) const { kernel::double_rounding(x, multiplier.value, shift.value, y); }
};

// Rules on blocks of codes: the code minus the zero point, and the sum before its last rounding.
namespace element = kernel::implementation::STET_INTEGER_ISA;

struct ThreeRoundings {
  AddParameters p;
  RepeatedMultiplier m1{p.m1}, m2{p.m2}, m_out{p.m_out};
  void operator()(const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    constexpr std::int32_t one = 1 << 20;
    Block32 a, b;
    element::affine(q1, one, -p.z1 * one, value);
    m1(value, a);
    element::affine(q2, one, -p.z2 * one, value);
    m2(value, b);
    if (p.subtract) {
      element::minus(a, b, sum);
    } else {
      element::plus(a, b, sum);
    }
    m_out(sum, value);
  }
};

struct XnnpackAdd {
  AddParameters p;
  void operator()(const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    element::affine(q1, p.f1, p.constant, a);
    element::affine(q2, p.f2, 0, b);
    element::plus(a, b, sum);
    element::shift_half_up(sum, p.shift, value);
  }
};

struct DoubleRoundingMultiply {
  MultiplyParameters p;
  RepeatedMultiplier m{p.m};
  void operator()(const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    element::affine(q1, 1, -p.z1, a);
    element::affine(q2, 1, -p.z2, b);
    element::times(a, b, sum);
    m(sum, value);
  }
};

struct XnnpackMultiply {
  MultiplyParameters p;
  float scale[block_elements];
  explicit XnnpackMultiply(const MultiplyParameters& parameters) : p(parameters) {
    std::fill_n(scale, block_elements, p.scale);
  }
  void operator()(const std::int8_t* q1, const std::int8_t* q2, Block32& value, Block32& sum) const {
    Block32 a, b;
    element::affine(q1, 1, -p.z1, a);
    element::affine(q2, 1, -p.z2, b);
    element::times(a, b, sum);
    kernel::float_half_even(sum, scale, -1024.0f, 1024.0f, value);
  }
};

// Standalone activation: the second operand is not looked at.
struct ClampRuleOfCodes {
  struct {
    bool relu;
    Bounds bounds;
    std::int32_t z_out;
  } p;
  void operator()(const std::int8_t* q, const std::int8_t*, Block32& value, Block32& sum) const {
    element::affine(q, 1, -p.z_out, value);
    sum = value;
  }
};

template <bool with_pass, class Rule>
void binary(const std::int8_t* a, const std::int8_t* b, std::int64_t n, const Rule& rule, std::int8_t* out,
            std::uint32_t* pass) {
  const std::int32_t z = rule.p.z_out;
  const std::int32_t lo = rule.p.bounds.lo - z;
  const std::int32_t hi = rule.p.bounds.hi - z;
  const std::int32_t least = rule.p.relu ? 1 : std::numeric_limits<std::int32_t>::min();
  Block32 value, sum;
  std::int64_t i = 0;
  for (; i + block_elements <= n; i += block_elements) {
    rule(a + i, b + i, value, sum);
    if constexpr (with_pass) pass[i / 32] = kernel::within(value, sum, lo, hi, least);
    kernel::store_codes(value, lo, hi, z, out + i);
  }
  if (i < n) {
    std::int8_t rest_a[block_elements]{}, rest_b[block_elements]{}, codes[block_elements];
    std::copy_n(a + i, n - i, rest_a);
    std::copy_n(b + i, n - i, rest_b);
    rule(rest_a, rest_b, value, sum);
    if constexpr (with_pass) pass[i / 32] = kernel::within(value, sum, lo, hi, least) & ((1u << (n - i)) - 1u);
    kernel::store_codes(value, lo, hi, z, codes);
    std::copy_n(codes, n - i, out + i);
  }
}

// Broadcasts, checks the result's memory and runs the rule in parallel.
template <class Rule>
void run_binary(const char* op, const Codes& a, const Codes& b, const Rule& rule, std::span<std::int8_t> out,
                std::uint32_t* pass) {
  const Shape shape = integer::detail::broadcast_shape(op, a.shape(), b.shape());
  integer::detail::require_size(op, shape, out.size());
  Tensor<std::int8_t> wide_a, wide_b;
  if (a.shape() != shape) wide_a = integer::detail::broadcast_codes(a, shape);
  if (b.shape() != shape) wide_b = integer::detail::broadcast_codes(b, shape);
  const std::int8_t* pa = a.shape() != shape ? wide_a.data() : a.data();
  const std::int8_t* pb = b.shape() != shape ? wide_b.data() : b.data();
  integer::detail::parallel_words(shape.elements(), [&](std::int64_t first, std::int64_t last) {
    const std::int64_t n = last - first;
    if (pass != nullptr) {
      binary<true>(pa + first, pb + first, n, rule, out.data() + first, pass + first / 32);
    } else {
      binary<false>(pa + first, pb + first, n, rule, out.data() + first, nullptr);
    }
  });
}

}  // namespace loops

/// Adds or subtracts codes.
/// Formula:   three_roundings: clamp(D(D((q1-z1)*2^20, m1) + D((q2-z2)*2^20, m2), m_out) + z), D = double_rounding;
///            xnnpack: clamp(((f1*q1 + f2*q2 + constant + 2^(shift-1)) >> shift) + z);
///            pass = (not relu or the sum before the last rounding > 0) and lo <= unclamped code <= hi
/// Shapes:    a and b of one shape, or broadcasting -> out of the joint shape, pass [ceil(n/32)] words if wanted
/// Errors:    Errc::shape if the shapes do not broadcast or out has another size
inline void add(const Codes& a, const Codes& b, const AddParameters& p, std::span<std::int8_t> out,
                std::uint32_t* pass = nullptr) {
  const char* op = p.subtract ? "sub" : "add";
  if (p.rule == AddRule::xnnpack) {
    loops::run_binary(op, a, b, loops::XnnpackAdd{p}, out, pass);
  } else {
    loops::run_binary(op, a, b, loops::ThreeRoundings{p}, out, pass);
  }
}

/// Multiplies codes.
/// Formula:   clamp(round((q1-z1)*(q2-z2) * m) + z);
///            pass = (not relu or (q1-z1)*(q2-z2) > 0) and lo <= unclamped code <= hi
/// Shapes:    a and b of one shape, or broadcasting -> out of the joint shape, pass [ceil(n/32)] words if wanted
/// Rounding:  double_rounding: twice, half up then half away; xnnpack: half to even on the float product
/// Errors:    Errc::shape if the shapes do not broadcast or out has another size
inline void multiply(const Codes& a, const Codes& b, const MultiplyParameters& p, std::span<std::int8_t> out,
                     std::uint32_t* pass = nullptr) {
  if (p.rule == MultiplyRule::xnnpack) {
    loops::run_binary("mul", a, b, loops::XnnpackMultiply{p}, out, pass);
  } else {
    loops::run_binary("mul", a, b, loops::DoubleRoundingMultiply{p}, out, pass);
  }
}

/// Clamps codes under a shared scale: an activation that is an operator of its own.
/// Formula:   y = clamp(q, lo, hi); pass = (not relu or q > z) and lo <= q <= hi
/// Errors:    Errc::shape if out has another size
inline void clamp(const Codes& x, const ClampParameters& p, std::span<std::int8_t> out, std::uint32_t* pass = nullptr) {
  loops::run_binary("clamp", x, x, loops::ClampRuleOfCodes{{p.relu, p.bounds, p.zero_point}}, out, pass);
}

}  // namespace STET_INTEGER_ISA

}  // namespace stet::integer
