#pragma once
// The Gaussian error linear unit in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

namespace stet::tflite {

inline void write(const op::Gelu& o, Writer& w) {
  w.unary(Builtin::gelu, {.type = OptionsType::gelu, .approximate = o.tanh});
}
inline FloatTraits traits_of(const op::Gelu&, const Shape&) {
  return {.fault_at_16_bits = "LiteRT has no kernel for 16 bits"};
}

namespace detail {

inline void read_gelu(const Site& s, Importer& in) {
  s.expect_options(OptionsType::gelu);
  s.expect_inputs(1, 1);
  in.finish(s, op::Gelu{.tanh = s.options().approximate}, {in.value(s, 0)});
}

}  // namespace detail

inline constexpr Row gelu_rows[] = {{Builtin::gelu, reads<detail::read_gelu>, 2, 2, "2.9.0 2.9.0"}};

}  // namespace stet::tflite
