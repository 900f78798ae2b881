#pragma once
// Layer normalization in .tflite files, which have no operator for it: mean, deviations, their squares' mean, RSQRT.

#include <stet/io/tflite/float_writer.hpp>

#include <string>
#include <vector>

namespace stet::tflite {

inline void write(const op::LayerNorm& o, FloatWriter& w) {
  const std::string& name = w.node().name;
  const Shape &whole = w.node().out, rows = whole.with(whole.rank() - 1, 1);
  const auto step = [&](const char* suffix, const Shape& shape, Builtin code, std::vector<std::int32_t> inputs,
                        const Options& options) {
    const std::int32_t y = w.value(name + suffix, shape, TensorType::float32);
    w.operation(code, std::move(inputs), y, options);
    return y;
  };
  const std::int32_t axis = w.indices(name + ":axis", {whole.rank()});
  const float eps[] = {o.eps};
  const Options mean{.type = OptionsType::reducer, .keep_dims = true}, mul{.type = OptionsType::mul},
      add{.type = OptionsType::add};
  const std::int32_t centred =
      step(":centred", whole, Builtin::sub, {w.input(), step(":mean", rows, Builtin::mean, {w.input(), axis}, mean)},
           {.type = OptionsType::sub});
  const std::int32_t squares = step(":squares", whole, Builtin::mul, {centred, centred}, mul);
  const std::int32_t variance = step(":variance", rows, Builtin::mean, {squares, axis}, mean);
  const std::int32_t raised = step(":raised", rows, Builtin::add,
                                   {variance, w.constant<float>(name + ":eps", TensorType::float32, {1}, eps)}, add);
  const std::int32_t inverse = step(":inverse", rows, Builtin::rsqrt, {raised}, {});
  const std::int32_t normal = step(":normal", whole, Builtin::mul, {centred, inverse}, mul);
  const auto parameter = [&](const char* suffix) {
    return w.real(name + suffix, w.model().parameter(name + suffix).value);
  };
  const std::int32_t scaled = step(":scaled", whole, Builtin::mul, {normal, parameter(".gamma")}, mul);
  w.emit(Builtin::add, {scaled, parameter(".beta")}, add);
}
inline FloatTraits traits_of(const op::LayerNorm&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT has no RSQRT of 16 bits"};
}

inline constexpr Row layer_norm_rows[] = {{Builtin::rsqrt, {}, 1, 1, "1.10.0", "AddRsqrt"}};

}  // namespace stet::tflite
