#pragma once
// Targets: which runtime executes the integers, as one named rule per operator.

#include <stet/core/description.hpp>
#include <stet/core/error.hpp>

#include <array>
#include <string>
#include <string_view>

namespace stet {

namespace integer {

/// How accumulators of a convolution, depthwise convolution or linear layer become codes.
enum class Requantization {
  double_rounding,   ///< integer multiplier from (double)s_x*s_w/s_y, two roundings
  half_away_double,  ///< round((double)acc * m), m = (double)s_x*s_w/s_y, half away from zero
  float_half_even    ///< float(acc) * m, m = (s_x*s_w)/s_y in float from left to right, half to even
};

/// How the bounds of a fused activation become codes.
enum class ClampRule {
  half_away,           ///< z + round(v/s), half away from zero
  half_even,           ///< round(v/s + z), half to even
  half_even_then_zero  ///< round(v/s) + z, half to even: QuantizeLinear of the bound
};

/// How two tensors are added or subtracted.
enum class AddRule {
  three_roundings,  ///< both inputs at 2^20 to the doubled larger scale, then to the output scale
  xnnpack,      ///< 21-bit multipliers and one rounding where both s_i/s_y are in [2^-10, 2^8), else three_roundings
  float_fused,  ///< two fused multiply-adds in float on unsigned codes, half to even
  dequantized   ///< real values in float, their sum divided by s_y, half to even
};

/// How two tensors are multiplied.
enum class MultiplyRule {
  double_rounding,         ///< integer multiplier from s_1*s_2/s_y in float, two roundings
  xnnpack,                 ///< float(product) * m, half to even, where m is in [2^-16, 2^8), else double_rounding
  double_rounding_double,  ///< as double_rounding, with s_1*s_2/s_y in double
  float_with_zero_point    ///< float(product) * m + unsigned z in float, half to even
};

/// How a mean over height and width is taken.
enum class MeanRule {
  integer,          ///< sum - n*z with the multiplier divided by n in integers, two roundings
  float_half_even,  ///< float(sum)*m + z', m = (s_x/s_y)*(1/n) in float, half to even
  float_centred     ///< float(sum - n*z)*m, m = s_x/(s_y*n) in float, half to even
};

/// How an average pool divides.
enum class AveragePoolRule {
  codes_half_away,  ///< sum of the codes inside the image divided by their count, half away from zero
  dequantized       ///< real values summed in float in the order of the taps, /count, /s + unsigned z, half to even
};

/// How sigmoid, tanh and other functions become a table of codes: f(s_x*(q - z_x)) in float, then
enum class FunctionRule {
  reciprocal_half_away,  ///< round(f*(1/s_y)) + z, half away from zero
  reciprocal_half_even,  ///< round(f*(1/s_y) + z), half to even; sigmoid in double
  division_half_even,    ///< round(f/s_y) + z, half to even
  fixed_point            ///< 32-bit fixed point of 4 integer bits, rounded to 8 bits half away from zero
};

/// How a leaky ReLU becomes a table of codes.
enum class LeakyReluRule {
  double_rounding,    ///< an integer multiplier for each sign, two roundings
  xnnpack,            ///< 8-bit fractions and one rounding where both are in [2^-8, 2^7], else double_rounding
  division_half_even  ///< round(f/s_y) + z in float, half to even
};

/// How a hard swish becomes a table of codes.
enum class HardSwishRule {
  fixed_point,        ///< 16-bit fixed point
  division_half_even  ///< round(f/s_y) + z in float, half to even
};

/// How images are resized by bilinear interpolation.
enum class ResizeRule {
  fixed_10_half_away,  ///< positions in integers of 2^-10, one rounding half away from zero
  float_11_half_up,    ///< positions in float, weights rounded to 2^-11 half to even, one rounding half up
  exact_8_half_even    ///< exact positions, weights rounded to 2^-8 half to even, one rounding half to even
};

/// How real inputs become codes.
enum class InputRule {
  division_half_away,    ///< round(x/s) + z, half away from zero
  reciprocal_half_even,  ///< round(x*(1/s)) + z, half to even
  division_half_even     ///< round(x/s) + z, half to even
};

}  // namespace integer

/// A runtime, named, with the rule that it uses for each operator. Plain data; compare by value.
struct Target {
  std::string_view name, runtime, version;
  integer::Requantization convolution, depthwise, linear;
  integer::ClampRule weighted_clamp;  ///< of convolution, depthwise and linear
  integer::AddRule add, subtract;     ///< their clamp goes with the path that is taken
  integer::MultiplyRule multiply;     ///< its clamp goes with the path that is taken
  integer::MeanRule mean;
  integer::AveragePoolRule average_pool;
  integer::ClampRule average_pool_clamp;
  integer::ClampRule max_pool_clamp;         ///< where the stride is at most the window
  integer::ClampRule max_pool_sparse_clamp;  ///< where it is larger in height or width
  integer::ClampRule activation_clamp;       ///< of RELU and RELU6 as operators of their own
  integer::InputRule input;
  integer::FunctionRule sigmoid, tanh;
  integer::FunctionRule function;  ///< of all others that have no rule of their own here
  integer::LeakyReluRule leaky_relu;
  integer::HardSwishRule hard_swish;
  integer::ResizeRule resize;
  friend constexpr bool operator==(const Target&, const Target&) = default;
};

/// A target in full, one line per rule, because a rule may be exchanged.
inline std::string describe(const Target& t) {
  const auto& [name, runtime, version, convolution, depthwise, linear, weighted_clamp, add, subtract, multiply, mean,
               average_pool, average_pool_clamp, max_pool_clamp, max_pool_sparse_clamp, activation_clamp, input, sigmoid,
               tanh, function, leaky_relu, hard_swish, resize] = t;  // all of them: a new rule does not compile before it is here too
  std::string text = formatted("target: {} ({} {})\n", name, runtime, version);
  const auto rule = [&](const char* of, auto is) { text += formatted("target's {}: {}\n", of, enumerator_name(is)); };
  rule("convolution", convolution);
  rule("depthwise convolution", depthwise);
  rule("linear", linear);
  rule("clamp of layers", weighted_clamp);
  rule("add", add);
  rule("subtract", subtract);
  rule("multiply", multiply);
  rule("mean", mean);
  rule("average pool", average_pool);
  rule("clamp of average pools", average_pool_clamp);
  rule("clamp of max pools", max_pool_clamp);
  rule("clamp of sparse max pools", max_pool_sparse_clamp);
  rule("activation", activation_clamp);
  rule("input", input);
  rule("sigmoid", sigmoid);
  rule("tanh", tanh);
  rule("other functions", function);
  rule("leaky relu", leaky_relu);
  rule("hard swish", hard_swish);
  rule("bilinear resize", resize);
  return text;
}

namespace targets {

/// LiteRT's reference kernels (BUILTIN_REF), with the portable rounding of TensorFlow Lite.
inline constexpr Target tflite_reference{
    .name = "tflite_reference",
    .runtime = "LiteRT reference kernels",
    .version = "2.3",
    .convolution = integer::Requantization::double_rounding,
    .depthwise = integer::Requantization::double_rounding,
    .linear = integer::Requantization::half_away_double,
    .weighted_clamp = integer::ClampRule::half_away,
    .add = integer::AddRule::three_roundings,
    .subtract = integer::AddRule::three_roundings,
    .multiply = integer::MultiplyRule::double_rounding,
    .mean = integer::MeanRule::integer,
    .average_pool = integer::AveragePoolRule::codes_half_away,
    .average_pool_clamp = integer::ClampRule::half_away,
    .max_pool_clamp = integer::ClampRule::half_away,
    .max_pool_sparse_clamp = integer::ClampRule::half_away,
    .activation_clamp = integer::ClampRule::half_away,
    .input = integer::InputRule::division_half_away,
    .sigmoid = integer::FunctionRule::reciprocal_half_away,
    .tanh = integer::FunctionRule::reciprocal_half_away,
    .function = integer::FunctionRule::reciprocal_half_away,
    .leaky_relu = integer::LeakyReluRule::double_rounding,
    .hard_swish = integer::HardSwishRule::fixed_point,
    .resize = integer::ResizeRule::fixed_10_half_away,
};

/// What LiteRT runs by default on x86-64: XNNPACK, and the builtin kernels for what it leaves over.
inline constexpr Target litert_default{
    .name = "litert_default",
    .runtime = "LiteRT with XNNPACK",
    .version = "2.3",
    .convolution = integer::Requantization::float_half_even,
    .depthwise = integer::Requantization::float_half_even,
    .linear = integer::Requantization::float_half_even,
    .weighted_clamp = integer::ClampRule::half_even,
    .add = integer::AddRule::xnnpack,
    .subtract = integer::AddRule::xnnpack,
    .multiply = integer::MultiplyRule::xnnpack,
    .mean = integer::MeanRule::float_half_even,
    .average_pool = integer::AveragePoolRule::codes_half_away,
    .average_pool_clamp = integer::ClampRule::half_away,
    .max_pool_clamp = integer::ClampRule::half_even,
    .max_pool_sparse_clamp = integer::ClampRule::half_away,
    .activation_clamp = integer::ClampRule::half_away,
    .input = integer::InputRule::reciprocal_half_even,
    .sigmoid = integer::FunctionRule::reciprocal_half_even,
    .tanh = integer::FunctionRule::reciprocal_half_even,
    .function = integer::FunctionRule::reciprocal_half_away,
    .leaky_relu = integer::LeakyReluRule::xnnpack,
    .hard_swish = integer::HardSwishRule::fixed_point,
    .resize = integer::ResizeRule::float_11_half_up,
};

/// ONNX Runtime's CPU provider on x86-64 with all graph optimizations, for models in QDQ form whose activations are
/// uint8: code + 128, zero point + 128. Fused activations and narrower grids are a Clip on codes.
inline constexpr Target onnxruntime{
    .name = "onnxruntime",
    .runtime = "ONNX Runtime, CPU on x86-64",
    .version = "1.32",
    .convolution = integer::Requantization::float_half_even,
    .depthwise = integer::Requantization::float_half_even,
    .linear = integer::Requantization::float_half_even,
    .weighted_clamp = integer::ClampRule::half_even_then_zero,
    .add = integer::AddRule::float_fused,
    .subtract = integer::AddRule::dequantized,
    .multiply = integer::MultiplyRule::float_with_zero_point,
    .mean = integer::MeanRule::float_centred,
    .average_pool = integer::AveragePoolRule::dequantized,
    .average_pool_clamp = integer::ClampRule::half_even_then_zero,
    .max_pool_clamp = integer::ClampRule::half_even_then_zero,
    .max_pool_sparse_clamp = integer::ClampRule::half_even_then_zero,
    .activation_clamp = integer::ClampRule::half_even_then_zero,
    .input = integer::InputRule::division_half_even,
    .sigmoid = integer::FunctionRule::division_half_even,
    .tanh = integer::FunctionRule::division_half_even,
    .function = integer::FunctionRule::division_half_even,
    .leaky_relu = integer::LeakyReluRule::division_half_even,
    .hard_swish = integer::HardSwishRule::division_half_even,
    .resize = integer::ResizeRule::exact_8_half_even,
};

/// TensorFlow Lite for Microcontrollers. Measured with its reference kernels on x86-64; CMSIS-NN, which promises the
/// same bits with double rounding, follows its sources and is not measured, nor is any device.
inline constexpr Target tflite_micro{
    .name = "tflite_micro",
    .runtime = "TensorFlow Lite Micro, reference kernels (CMSIS-NN: from its sources, not measured)",
    .version = "0.dev20261023 (CMSIS-NN 3.6.1)",
    .convolution = integer::Requantization::double_rounding,
    .depthwise = integer::Requantization::double_rounding,
    .linear = integer::Requantization::double_rounding,
    .weighted_clamp = integer::ClampRule::half_away,
    .add = integer::AddRule::three_roundings,
    .subtract = integer::AddRule::three_roundings,
    .multiply = integer::MultiplyRule::double_rounding_double,
    .mean = integer::MeanRule::integer,
    .average_pool = integer::AveragePoolRule::codes_half_away,
    .average_pool_clamp = integer::ClampRule::half_away,
    .max_pool_clamp = integer::ClampRule::half_away,
    .max_pool_sparse_clamp = integer::ClampRule::half_away,
    .activation_clamp = integer::ClampRule::half_away,
    .input = integer::InputRule::division_half_away,
    .sigmoid = integer::FunctionRule::fixed_point,
    .tanh = integer::FunctionRule::fixed_point,
    .function = integer::FunctionRule::reciprocal_half_away,
    .leaky_relu = integer::LeakyReluRule::double_rounding,
    .hard_swish = integer::HardSwishRule::fixed_point,
    .resize = integer::ResizeRule::fixed_10_half_away,
};

/// All targets that stet knows.
inline constexpr std::array all{tflite_reference, litert_default, onnxruntime, tflite_micro};

/// The target of this name.
/// Errors:    Errc::range if there is none; the message lists the names
inline const Target& by_name(std::string_view name) {
  for (const Target& target : all) {
    if (target.name == name) return target;
  }
  std::string names;
  for (const Target& target : all) names += (names.empty() ? "" : ", ") + std::string(target.name);
  fail(Errc::range, "targets: no target is named {}; there are {}", name, names);
}

}  // namespace targets

/// Whether a target's models are .onnx files, whatever rules were exchanged; those of all others are .tflite files.
inline bool runs_onnx(const Target& t) { return t.name == targets::onnxruntime.name; }

}  // namespace stet
