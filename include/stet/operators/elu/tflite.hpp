#pragma once
// The exponential linear unit in .tflite files, whose ELU has alpha 1; codes are looked up in a table.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_writer.hpp>

namespace stet::tflite {

inline void write(const op::Elu& o, IntegerWriter& w) { w.lookup(w.resolve(o)); }
inline void write(const op::Elu&, Writer& w) { w.unary(Builtin::elu); }
inline FloatTraits traits_of(const op::Elu& o, const Shape&) {
  if (o.alpha != 1.0f) return {.fault = "TFLite knows elu with alpha 1 alone"};
  return {.fault_at_16_bits = "LiteRT has no kernel for 16 bits"};
}

namespace detail {

inline void read_elu(const Site& s, FloatImporter& in) {
  s.expect_inputs(1, 1);
  in.finish(s, op::Elu{}, {in.value(s, 0)}, Activation::none);
}

}  // namespace detail

inline constexpr Row elu_rows[] = {{Builtin::elu, {detail::read_elu, nullptr}, 1, 1, "1.14.0", "AddElu"}};

}  // namespace stet::tflite
