#pragma once
// Operators that move values, in .tflite files.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/row.hpp>

#include <utility>
#include <vector>

namespace stet::tflite {

inline void write(const op::Concat& o, Writer& w) {
  std::vector<std::int32_t> inputs;
  for (std::size_t i = 0; i < w.node().inputs.size(); ++i) inputs.push_back(w.input(i));
  w.emit(Builtin::concatenation, std::move(inputs), {.type = OptionsType::concatenation, .axis = o.axis + 1});
}
inline void write(const op::Pad& o, Writer& w) {
  w.emit(Builtin::pad, {w.input(), w.paddings(o.top, o.bottom, o.left, o.right)}, {.type = OptionsType::pad});
}
inline void write(const op::Reshape&, Writer& w) {
  w.reshape(w.input(), w.output(), w.node().name, w.node().out);
}
inline void write(const op::Flatten&, Writer& w) { write(op::Reshape{}, w); }
inline void write(const op::Transpose& o, Writer& w) {
  std::vector<std::int32_t> order = Writer::behind_batch(o.axes);
  order.insert(order.begin(), 0);
  const std::int32_t y = w.output();
  w.operation(Builtin::transpose, {w.input(), w.indices(w.node().name + ":order", order)}, y,
              {.type = OptionsType::transpose});
}
inline FloatTraits traits_of(const op::Flatten&, const Shape&) { return {.scale = FloatTraits::Scale::kept}; }

namespace detail {

inline int transpose_version(const ModelInfo& m, const OperatorInfo& o) {
  const std::size_t rank = m.input(o, 0).shape.size();
  return rank > 5 ? 6 : rank > 4 ? 4 : 1;
}

}  // namespace detail

inline constexpr Row shape_rows[] = {
    {Builtin::concatenation, 2, 3, "1.5.0 1.14.0 2.3.0"},
    {Builtin::pad, 2, 3, "1.5.0 1.14.0 2.4.0"},
    {Builtin::padv2, 2, 3, "1.9.0 1.14.0 2.4.0"},
    {Builtin::reshape, 1, 1, "1.5.0"},
    {Builtin::transpose, 2, 5, "1.6.0 1.14.0 - 2.3.0 2.4.0 2.12.0", detail::transpose_version}};

}  // namespace stet::tflite
