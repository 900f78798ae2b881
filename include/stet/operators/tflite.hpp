#pragma once
// Every operator in .tflite files: write(op, Writer), traits_of(op, shape), and rows of builtin operators, which read.

#include <stet/graph/match.hpp>
#include <stet/operators/activation/tflite.hpp>
#include <stet/operators/clip/tflite.hpp>
#include <stet/operators/constant/tflite.hpp>
#include <stet/operators/conv_transpose/tflite.hpp>
#include <stet/operators/convolution/tflite.hpp>
#include <stet/operators/custom/tflite.hpp>
#include <stet/operators/elementary/tflite.hpp>
#include <stet/operators/elementwise/tflite.hpp>
#include <stet/operators/elu/tflite.hpp>
#include <stet/operators/extremum/tflite.hpp>
#include <stet/operators/gelu/tflite.hpp>
#include <stet/operators/hard_sigmoid/tflite.hpp>
#include <stet/operators/input/tflite.hpp>
#include <stet/operators/layer_norm/tflite.hpp>
#include <stet/operators/linear/tflite.hpp>
#include <stet/operators/normalization/tflite.hpp>
#include <stet/operators/pad_channels/tflite.hpp>
#include <stet/operators/pooling/tflite.hpp>
#include <stet/operators/real/tflite.hpp>
#include <stet/operators/recurrent/tflite.hpp>
#include <stet/operators/reduction/tflite.hpp>
#include <stet/operators/resize_bilinear/tflite.hpp>
#include <stet/operators/shape/tflite.hpp>
#include <stet/operators/slice/tflite.hpp>
#include <stet/operators/softplus/tflite.hpp>
#include <stet/operators/upsample/tflite.hpp>

#include <span>

namespace stet::tflite {

/// The row of a builtin operator; null if no family has it.
inline const Row* row_of(Builtin code) {
  for (const std::span<const Row> family :
       {std::span<const Row>(activation_rows), std::span<const Row>(clip_rows), std::span<const Row>(convolution_rows),
        std::span<const Row>(conv_transpose_rows), std::span<const Row>(elementwise_rows),
        std::span<const Row>(custom_rows), std::span<const Row>(elementary_rows), std::span<const Row>(elu_rows),
        std::span<const Row>(gelu_rows), std::span<const Row>(input_rows), std::span<const Row>(layer_norm_rows),
        std::span<const Row>(linear_rows), std::span<const Row>(pooling_rows), std::span<const Row>(reduction_rows),
        std::span<const Row>(recurrent_rows),
        std::span<const Row>(shape_rows), std::span<const Row>(resize_bilinear_rows), std::span<const Row>(slice_rows),
        std::span<const Row>(upsample_rows)}) {
    for (const Row& row : family) {
      if (row.code == code) return &row;
    }
  }
  return nullptr;
}

/// What float files ask of an operator; x is the shape of its first input.
inline FloatTraits float_traits(const graph::Operator& any, const Shape& x) {
  return graph::match(
      any, [](const auto& o, const Shape& in) { return traits_of(o, in); }, x);
}
/// Why no file holds the first node of a float graph that none does; empty if all can be written.
inline std::string_view float_fault(const Graph& graph) {
  for (const graph::Node& node : graph.nodes()) {
    const std::string_view fault =
        float_traits(node.op, node.inputs.empty() ? node.shape : graph.node(node.inputs[0]).shape).fault;
    if (!fault.empty()) return fault;
  }
  return {};
}

}  // namespace stet::tflite
