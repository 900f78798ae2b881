#pragma once
// Activations that are no clamp, as tables: 256 codes in, 256 codes out, filled as the target computes each of them.

#include <stet/core/rounding.hpp>
#include <stet/core/scalar_function.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/fixed_point.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/integer/runtime_function.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

namespace stet::integer {

/// Functions that run as a table.
enum class Function { leaky_relu, sigmoid, tanh, hard_swish, scalar };

/// Name of a function, as its graph operator is called.
inline const char* name(Function f) {
  switch (f) {
    case Function::leaky_relu:
      return "leaky_relu";
    case Function::sigmoid:
      return "sigmoid";
    case Function::tanh:
      return "tanh";
    case Function::hard_swish:
      return "hard_swish";
    case Function::scalar:
      return "scalar function";
  }
  return "unknown";
}

/// Output code of each input code; entry q + 128. Made by make_table.
using Table = std::array<std::int8_t, 256>;

/// What a table maps: scales and zero points of both sides, and the slope of a leaky ReLU.
struct TableSpec {
  Function function = Function::sigmoid;
  float alpha = 0.0f;  ///< of leaky_relu
  Affine in{}, out{};
  std::shared_ptr<const ScalarFunction> scalar{};  ///< of scalar
};

namespace detail {

inline float function_value(const Target& target, const TableSpec& t, float x, bool sigmoid_in_double) {
  switch (t.function) {
    case Function::leaky_relu:
      return x >= 0.0f ? x : t.alpha * x;
    case Function::sigmoid:
      if (sigmoid_in_double) return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
      return 1.0f / (1.0f + std::exp(-x));
    case Function::tanh:
      return std::tanh(x);
    case Function::hard_swish: {
      const float inner = rounded_product(x, 1.0f / 6.0f) + 0.5f;
      return x * std::clamp(inner, 0.0f, 1.0f);
    }
    case Function::scalar:
      return of_runtimes(t.scalar.get())->value_on(target, x);
  }
  return 0.0f;
}

// Codes minus the output's zero point are small; far ones saturate.
inline std::int32_t steps(float v) { return static_cast<std::int32_t>(std::clamp(v, -1024.0f, 1024.0f)); }

inline std::int32_t leaky_relu_code(const TableSpec& t, LeakyReluRule rule, std::int32_t d) {
  const float positive = t.in.scale / t.out.scale;
  if (rule == LeakyReluRule::xnnpack) {
    const float negative = rounded_product(positive, t.alpha);
    const auto factor = [](float m) { return static_cast<std::int32_t>(round_half_even(256.0f * m)); };
    return (d * factor(d >= 0 ? positive : negative) + 128) >> 8;
  }
  const float m = d >= 0 ? positive : rounded_product(t.in.scale, t.alpha) / t.out.scale;
  return double_rounding(d, quantize_multiplier(static_cast<double>(m)));
}

// A user's function, which no runtime has a rule for.
inline std::int32_t scalar_code(const TableSpec& t, std::int32_t d) {
  const double x = static_cast<double>(t.in.scale) * d;
  const double code = t.scalar->value(x) / static_cast<double>(t.out.scale);
  require(!std::isnan(code), Errc::range, "{}: its value at {} is NaN; the input's range reaches there", t.scalar->name(), x);
  return static_cast<std::int32_t>(round_half_even(std::clamp(code, -1024.0, 1024.0)));
}

// 16-bit fixed point as in gemmlowp and LiteRT.
inline std::int16_t saturated(std::int32_t v) { return static_cast<std::int16_t>(std::clamp(v, -32768, 32767)); }
inline std::int16_t high_multiply(std::int16_t a, std::int16_t b, bool rounding) {
  if (a == -32768 && b == -32768) return 32767;
  const std::int32_t product = std::int32_t{a} * b;
  const std::int32_t nudge = !rounding ? 0 : product >= 0 ? 1 << 14 : 1 - (1 << 14);
  return static_cast<std::int16_t>((product + nudge) / (1 << 15));
}
inline std::int16_t top_half(std::int32_t multiplier) {
  constexpr std::int32_t offset = 1 << 15;
  if (multiplier >= std::numeric_limits<std::int32_t>::max() - offset) return 32767;
  return static_cast<std::int16_t>((multiplier + offset) >> 16);
}

inline std::int32_t hard_swish_code(const TableSpec& t, std::int32_t d) {
  const float fine = (1.0f / 128.0f) * t.in.scale;
  const QuantizedMultiplier out = quantize_multiplier(static_cast<double>(fine / t.out.scale));
  const QuantizedMultiplier inner = quantize_multiplier(static_cast<double>(fine / (3.0f / 32768.0f)));
  const auto x = static_cast<std::int16_t>(d * 128);
  const std::int16_t on_output_scale = high_multiply(x, top_half(out.multiplier), true);
  std::int16_t ramp = x;  // of x over [-3, 3], in [-1, 1)
  if (inner.shift > 0) ramp = saturated(std::int32_t{ramp} * (1 << std::min(inner.shift - 1, 15)));
  ramp = high_multiply(ramp, top_half(inner.multiplier), true);
  if (inner.shift > 0) ramp = saturated(2 * std::int32_t{ramp});
  if (inner.shift < 0) {
    ramp = static_cast<std::int16_t>(rounding_divide_by_power_of_two(ramp, std::min(-inner.shift, 31)));
  }
  ramp = static_cast<std::int16_t>((std::int32_t{ramp} + (1 << 15)) >> 1);
  return rounding_divide_by_power_of_two(high_multiply(ramp, on_output_scale, false), std::min(-out.shift, 31));
}

// Sigmoid and tanh of microcontrollers: beyond 15 the input is not looked at any more.
inline std::int32_t fixed_function_code(const TableSpec& t, std::int32_t d) {
  const QuantizedMultiplier m = quantize_multiplier(static_cast<double>(t.in.scale) * 0x1p27);
  const auto radius = static_cast<std::int64_t>(std::floor(std::ldexp(15.0, 27 - m.shift)));
  const bool sigmoid = t.function == Function::sigmoid;
  if (d <= -radius) return sigmoid ? 0 : -128;
  if (d >= radius) return sigmoid ? 255 : 127;
  const std::int32_t x = double_rounding(d, m);
  return sigmoid ? rounding_divide_by_power_of_two(fixed_point::sigmoid(x), 23)
                 : rounding_divide_by_power_of_two(fixed_point::tanh(x), 24);
}

inline std::int32_t real_function_code(const Target& target, const TableSpec& t, FunctionRule rule, std::int32_t d) {
  const float x = rounded_product(t.in.scale, static_cast<float>(d));
  const float f = function_value(target, t, x, rule == FunctionRule::reciprocal_half_even);
  if (rule == FunctionRule::division_half_even) return steps(round_half_even(f / t.out.scale));
  const float scaled = rounded_product(f, 1.0f / t.out.scale);
  if (rule == FunctionRule::reciprocal_half_away) return steps(round_half_away(scaled));
  return steps(round_half_even(scaled + static_cast<float>(t.out.zero_point))) - t.out.zero_point;
}

}  // namespace detail

/// Scale and zero point that LiteRT and TensorFlow Lite Micro demand of a function's output, and stet gives it for all: those of sigmoid and tanh.
struct FixedOutput {
  float scale;
  std::int32_t zero_point;
};
/// Formula:   sigmoid: 1/256, -128; tanh: 1/128, 0
/// Source:    LiteRT g3doc/performance/quantization_spec.md
inline constexpr FixedOutput sigmoid_output{1.0f / 256.0f, -128}, tanh_output{1.0f / 128.0f, 0};

/// The fixed output of a function; null if it has none.
inline const FixedOutput* fixed_output(Function f) {
  return f == Function::sigmoid ? &sigmoid_output : f == Function::tanh ? &tanh_output : nullptr;
}

/// Makes the table of a function.
/// Formula:   entry q + 128 = clamp(round(f(s_in*(q - z_in)) / s_out) + z_out), in the arithmetic of the target's rule
/// Rounding:  as the target's rule for the function; of a scalar function that no runtime has in double, half to even
/// Errors:    Errc::range if a scale or zero point is none; Errc::unsupported if the output scale is not what the function
///            demands, the input scale is 8 or more in fixed point, a leaky ReLU has a negative slope or a multiplier of
///            256 or more, or a hard swish has s_in/128 >= s_out; Errc::range if a scalar function is NaN at a code
/// Source:    LiteRT kernels/activations.cc, reference/hard_swish.h; TFLM kernels/logistic_common.cc, tanh.cc; XNNPACK operators/unary-elementwise-nc.c;
///            ONNX Runtime contrib_ops/cpu/quantization/qlinear_lookup_table.cc
inline Table make_table(const Target& target, const TableSpec& t) {
  const bool scalar = t.function == Function::scalar;
  require(!scalar || t.scalar != nullptr, Errc::state, "make_table: a scalar function without a function");
  const std::string_view op = scalar ? t.scalar->name() : std::string_view(name(t.function));
  const bool own = scalar && of_runtimes(t.scalar.get()) == nullptr;
  for (const float s : {t.in.scale, t.out.scale}) {
    require(std::isfinite(s) && s > 0.0f, Errc::range, "{}: scale {} must be positive and finite", op, s);
  }
  for (const std::int32_t z : {t.in.zero_point, t.out.zero_point}) {
    require(z >= -128 && z <= 127, Errc::range, "{}: zero point {} lies outside int8", op, z);
  }
  require(t.out.grid.fits_int8() && t.out.grid.lo <= t.out.grid.hi, Errc::range, "{}: grid {}..{} does not fit int8", op, t.out.grid.lo,
          t.out.grid.hi);
  FunctionRule rule = FunctionRule::division_half_even;
  LeakyReluRule leaky = target.leaky_relu;
  if (const FixedOutput* fixed = fixed_output(t.function)) {
    rule = t.function == Function::sigmoid ? target.sigmoid : target.tanh;
    require(rule != FunctionRule::fixed_point || t.in.scale < 8.0f, Errc::unsupported,
            "{}: input scale {} must be below 8 on target {}", op, t.in.scale, target.name);
    const bool any = rule == FunctionRule::division_half_even;  // ONNX Runtime takes whatever the file says
    require(any || (t.out.scale == fixed->scale && t.out.zero_point == fixed->zero_point), Errc::unsupported,
            "{}: output scale {} and zero point {} must be {} and {}", op, t.out.scale, t.out.zero_point, fixed->scale,
            fixed->zero_point);
  } else if (t.function == Function::leaky_relu) {
    require(t.alpha >= 0.0f && t.alpha <= 256.0f, Errc::unsupported, "leaky_relu: slope {} must be 0 to 256", t.alpha);
    const float positive = t.in.scale / t.out.scale;
    const float negative = rounded_product(positive, t.alpha);
    require(std::max(positive, negative) < 256.0f, Errc::unsupported,
            "leaky_relu: multiplier {} must be below 256; raise the output scale", std::max(positive, negative));
    const auto delegated = [](float m) { return m >= 0x1p-8f && m <= 0x1p7f; };
    if (leaky == LeakyReluRule::xnnpack && !(delegated(positive) && delegated(negative))) {
      leaky = LeakyReluRule::double_rounding;
    }
  } else if (scalar) {
    rule = target.function;
  } else {
    require(t.in.scale / 128.0f < t.out.scale, Errc::unsupported,
            "hard_swish: input scale {} must be below 128 times the output scale {}", t.in.scale, t.out.scale);
  }
  Table table{};
  for (std::int32_t q = -128; q < 128; ++q) {
    const std::int32_t d = q - t.in.zero_point;
    std::int32_t code = 0;
    if (own) {
      code = detail::scalar_code(t, d);
    } else if (t.function == Function::leaky_relu && leaky != LeakyReluRule::division_half_even) {
      code = detail::leaky_relu_code(t, leaky, d);
    } else if (t.function == Function::hard_swish && target.hard_swish == HardSwishRule::fixed_point) {
      code = detail::hard_swish_code(t, d);
    } else if (rule == FunctionRule::fixed_point) {
      code = detail::fixed_function_code(t, d);
    } else {
      code = detail::real_function_code(target, t, rule, d);
    }
    code = std::clamp(code + t.out.zero_point, t.out.grid.lo, t.out.grid.hi);
    table[static_cast<std::size_t>(q + 128)] = static_cast<std::int8_t>(code);
  }
  return table;
}

/// Maps codes through a table.
/// Shapes:    x and out of one size
/// Errors:    Errc::shape if out has another size
inline void lookup(const Codes& x, const Table& table, std::span<std::int8_t> out) {
  detail::require_size("lookup", x.shape(), out.size());
  parallel_chunks(x.size(), 1, [&](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) {
      out[static_cast<std::size_t>(i)] = table[static_cast<std::size_t>(x.data()[i] + 128)];
    }
  });
}

}  // namespace stet::integer
