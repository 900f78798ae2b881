#pragma once
// Parameters of element-wise arithmetic on codes: what a target computes once from scales and zero points.

#include <stet/core/rounding.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stet::integer {

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
  float k1 = 0.0f, k2 = 0.0f;  ///< of float_fused: s_i/s_out; of dequantized: s_i, the second negated by a subtraction
  float offset = 0.0f;         ///< of float_fused
  float step = 1.0f;           ///< of dequantized: s_out
};

/// Everything that multiplies two tensors, resolved. Made by make_multiply.
struct MultiplyParameters {
  MultiplyRule rule = MultiplyRule::double_rounding;
  bool relu = false;
  std::int32_t z1 = 0, z2 = 0, z_out = 0;
  Bounds bounds{};
  QuantizedMultiplier m{};  ///< of double_rounding
  float scale = 0.0f;       ///< of xnnpack and float_with_zero_point
};

/// Everything that clamps codes under a shared scale. Made by make_clamp.
struct ClampParameters {
  bool relu = false;
  std::int32_t zero_point = 0;
  Bounds bounds{};
};

namespace detail {

inline void require_scales(const char* op, const Affine& a, const Affine& b, const Affine& y) {
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
///            xnnpack: r_i = s_i/s_out in float, shift = 20 - floor(log2(max r)), f_i = round(r_i * 2^shift);
///            float_fused: u = z + 128, k_i = s_i/s_out, offset = u_out - fma(k1, u1, k2*u2), each rounded to float
/// Rounding:  f_i half to even; bounds half_away for three_roundings, half_even for xnnpack, else half_even_then_zero
/// Errors:    Errc::range if a scale or zero point is none; Errc::unsupported if 2*max(s1,s2) >= 2^20*s_out, where
///            LiteRT's reference kernel aborts and no code means anything; or if LiteRT's optimized kernel, which takes
///            over from XNNPACK where a scale is 2^8 times s_out or more, may overflow
/// Source:    LiteRT kernels/add.cc, sub.cc; XNNPACK microparams-init.c, xnn_init_qs8_add_minmax_scalar_params;
///            ONNX Runtime core/mlas/lib/qladd.cpp
inline AddParameters make_add(const Target& target, const Affine& a, const Affine& b, const Affine& y,
                              Activation activation = Activation::none, bool subtract = false) {
  const char* op = subtract ? "sub" : "add";
  detail::require_scales(op, a, b, y);
  AddParameters p;
  p.subtract = subtract;
  p.relu = activation.rectifies();
  p.z1 = a.zero_point;
  p.z2 = b.zero_point;
  p.z_out = y.zero_point;
  const double larger = 2.0 * static_cast<double>(std::max(a.scale, b.scale));
  const double m_out = larger / (0x1p20 * static_cast<double>(y.scale));
  require(m_out < 1.0, Errc::unsupported,
          "{}: input scales {} and {} are too large for output scale {}; twice the larger must be below 2^20 times it",
          op, a.scale, b.scale, y.scale);
  const float r1 = a.scale / y.scale;
  const float r2 = b.scale / y.scale;
  const auto delegated = [](float r) { return r >= 0x1p-10f && r < 0x1p8f; };
  const AddRule rule = subtract ? target.subtract : target.add;
  if (rule == AddRule::float_fused || rule == AddRule::dequantized) {
    p.rule = rule;
    require(rule == AddRule::dequantized || !subtract, Errc::unsupported,
            "sub: no runtime subtracts by rule float_fused");
    const bool fused = rule == AddRule::float_fused;
    p.k1 = fused ? r1 : a.scale;
    p.k2 = fused ? r2 : subtract ? -b.scale : b.scale;
    const auto u = [](std::int32_t z) { return static_cast<float>(z + 128); };
    p.offset = u(y.zero_point) - std::fma(r1, u(a.zero_point), rounded_product(r2, u(b.zero_point)));
    p.step = y.scale;
  } else if (rule == AddRule::xnnpack && delegated(r1) && delegated(r2)) {
    p.rule = AddRule::xnnpack;
    p.shift = 20 - std::ilogb(std::max(r1, r2));
    p.f1 = static_cast<std::int32_t>(round_half_even(std::ldexp(r1, p.shift)));
    p.f2 = static_cast<std::int32_t>(round_half_even(std::ldexp(r2, p.shift)));
    if (subtract) p.f2 = -p.f2;
    p.constant = -p.f1 * p.z1 - p.f2 * p.z2;
  } else {
    // LiteRT's optimized kernel narrows the sum to int16 and then adds the zero point without saturation.
    const auto reach = [](const Affine& q) { return static_cast<double>(std::max(127 - q.zero_point, q.zero_point + 128)); };
    const double sum = static_cast<double>(r1) * reach(a) + static_cast<double>(r2) * reach(b);
    require(rule != AddRule::xnnpack || sum + 129.0 < 0x1p15, Errc::unsupported,
            "{}: input scales {} and {} are too far from output scale {} for {}: XNNPACK takes ratios from 2^-10 to 256, "
            "and in LiteRT's own kernel the sum may leave int16; raise the output scale",
            op, a.scale, b.scale, y.scale, target.name);
    p.rule = AddRule::three_roundings;
    p.m1 = quantize_multiplier(static_cast<double>(a.scale) / larger);
    p.m2 = quantize_multiplier(static_cast<double>(b.scale) / larger);
    p.m_out = quantize_multiplier(m_out);
  }
  const ClampRule clamp = p.rule == AddRule::xnnpack           ? ClampRule::half_even
                          : p.rule == AddRule::three_roundings ? ClampRule::half_away
                                                               : ClampRule::half_even_then_zero;
  p.bounds = clamp_bounds(clamp, activation, y.scale, y.zero_point, y.grid);
  return p;
}

/// Resolves a multiplication.
/// Formula:   m = s1*s2/s_out in float from left to right; double_rounding_double: in double
/// Rounding:  bounds half_away for both double_rounding, half_even for xnnpack, half_even_then_zero otherwise
/// Errors:    Errc::range if a scale or zero point is none; Errc::unsupported if m >= 256
/// Source:    LiteRT kernels/mul.cc; XNNPACK microparams-init.c, xnn_init_qs8_mul_minmax_fp32_scalar_params;
///            ONNX Runtime core/mlas/lib/qlmul.cpp; TFLM kernels/mul_common.cc
inline MultiplyParameters make_multiply(const Target& target, const Affine& a, const Affine& b, const Affine& y,
                                        Activation activation = Activation::none) {
  detail::require_scales("mul", a, b, y);
  MultiplyParameters p;
  p.relu = activation.rectifies();
  p.z1 = a.zero_point;
  p.z2 = b.zero_point;
  p.z_out = y.zero_point;
  const float m = rounded_product(a.scale, b.scale) / y.scale;
  require(m < 0x1p8f, Errc::unsupported, "mul: multiplier {} must be below 256; raise the output scale {}", m, y.scale);
  const bool in_float = target.multiply == MultiplyRule::float_with_zero_point;
  if (in_float || (target.multiply == MultiplyRule::xnnpack && m >= 0x1p-16f)) {
    p.rule = target.multiply;
    p.scale = m;
  } else {
    p.rule = MultiplyRule::double_rounding;
    const double wide = static_cast<double>(a.scale) * static_cast<double>(b.scale) / static_cast<double>(y.scale);
    p.m = quantize_multiplier(target.multiply == MultiplyRule::double_rounding_double ? wide : static_cast<double>(m));
  }
  const ClampRule clamp = in_float                          ? ClampRule::half_even_then_zero
                          : p.rule == MultiplyRule::xnnpack ? ClampRule::half_even
                                                            : ClampRule::half_away;
  p.bounds = clamp_bounds(clamp, activation, y.scale, y.zero_point, y.grid);
  return p;
}

/// Resolves an activation that is an operator of its own, relu or any bounds, whose input and output share scale and zero point.
/// Errors:    Errc::range as clamp_bounds
inline ClampParameters make_clamp(const Target& target, const Affine& y, Activation activation) {
  return {activation.rectifies(), y.zero_point,
          clamp_bounds(target.activation_clamp, activation, y.scale, y.zero_point, y.grid)};
}

}  // namespace stet::integer
