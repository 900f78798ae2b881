#pragma once
// The transposed convolution in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace stet::tflite {

inline void write(const op::ConvTranspose& o, Writer& w) {
  const std::int32_t y = w.output();
  std::vector<std::int32_t> inputs = w.layer(w.input(), op::ConvTranspose::channel_axis, true);
  std::swap(inputs[0], inputs[1]);
  inputs.insert(inputs.begin(), w.indices(w.node().name + ":shape", w.at(y).shape));
  const bool same = tflite_padding(o, w.node().in) == stet::Padding::Kind::same;
  w.operation(Builtin::transpose_conv, std::move(inputs), y,
              {.type = OptionsType::transpose_conv,
               .padding = same ? Padding::same : Padding::valid,
               .stride_w = o.stride.width,
               .stride_h = o.stride.height,
               .fused_activation = w.node().activation});
}
inline FloatTraits traits_of(const op::ConvTranspose& o, const Shape& x) {
  return {.fuses = true,
          .fault = tflite_padding(o, x) ? "" : "TRANSPOSE_CONV has no such padding; take same or valid, or as much before as after",
          .fault_at_16_bits = "LiteRT's kernel for 16 bits has not been measured"};
}

namespace detail {

inline int conv_transpose_version(const ModelInfo&, const OperatorInfo& o) {
  return o.options.fused_activation != FusedActivation::none ? 4 : 3;
}

inline void read_conv_transpose(const Site& s, Importer& in) {
  s.expect_inputs(3, 4);
  s.expect_options(OptionsType::transpose_conv);
  OperatorInfo layer = s.info();  // with its operands as those of other layers: input, weights, bias
  layer.inputs.assign({s.index(2), s.index(1)});
  if (s.info().inputs.size() > 3) layer.inputs.push_back(s.index(3));
  const Site as_layer = in.site_of(layer);
  const int from = in.value(as_layer, 0);
  const Shape w = as_layer.filter(4), x = in.shape(from), y = s.output_sample();
  s.require(x.rank() == 3 && y.rank() == 3 && w[3] == x[2], Errc::shape,
            "input {} (without the batch), weights {} and output {} are none of a transposed convolution", x, w, y);
  const std::vector<std::int64_t> shape = s.integers(0, "output_shape");
  s.require(shape.size() == 4 && std::equal(shape.begin() + 1, shape.end(), y.dims().begin()), Errc::shape,
            "output_shape is not the shape {} of the output", y);
  op::ConvTranspose o{.filters = static_cast<int>(w[0]),
                      .kernel = {static_cast<int>(w[1]), static_cast<int>(w[2])},
                      .stride = s.stride(),
                      .padding = s.padding()};
  const Window usual = window(o, x);
  if (y[0] != usual.h.in || y[1] != usual.w.in) {  // another size that the padding leaves open
    const std::int64_t h = (x[0] - 1) * o.stride.height + w[1] - y[0], v = (x[1] - 1) * o.stride.width + w[2] - y[1];
    s.require(o.padding.kind == stet::Padding::Kind::same && h >= 0 && v >= 0 && h < w[1] && v < w[2], Errc::unsupported,
              "makes {} of {}; with this padding only {}x{}, or what cutting off less than the kernel leaves, is understood", y, x,
              usual.h.in, usual.w.in);
    const auto n = [](std::int64_t size) { return static_cast<int>(size); };
    o.padding = stet::Padding::of(n(h / 2), n(h - h / 2), n(v / 2), n(v - v / 2));
  }
  in.finish_layer(as_layer, o, from);
}

}  // namespace detail

inline constexpr Row conv_transpose_rows[] = {{Builtin::transpose_conv, reads<detail::read_conv_transpose>, 3, 3,
                                               "1.9.0 2.2.0 2.3.0 2.13.0", "AddTransposeConv",
                                               detail::conv_transpose_version}};

}  // namespace stet::tflite
