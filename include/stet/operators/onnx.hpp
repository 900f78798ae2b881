#pragma once
// Every operator in .onnx: write(op, writer) for float and integer models, and the readers of ONNX operators.

#include <stet/io/onnx/read_constants.hpp>
#include <stet/operators/activation/onnx.hpp>
#include <stet/operators/clip/onnx.hpp>
#include <stet/operators/constant/onnx.hpp>
#include <stet/operators/conv_transpose/onnx.hpp>
#include <stet/operators/convolution/onnx.hpp>
#include <stet/operators/custom/onnx.hpp>
#include <stet/operators/elementary/onnx.hpp>
#include <stet/operators/elementwise/onnx.hpp>
#include <stet/operators/elu/onnx.hpp>
#include <stet/operators/extremum/onnx.hpp>
#include <stet/operators/gelu/onnx.hpp>
#include <stet/operators/hard_sigmoid/onnx.hpp>
#include <stet/operators/input/onnx.hpp>
#include <stet/operators/layer_norm/onnx.hpp>
#include <stet/operators/linear/onnx.hpp>
#include <stet/operators/normalization/onnx.hpp>
#include <stet/operators/pad_channels/onnx.hpp>
#include <stet/operators/pooling/onnx.hpp>
#include <stet/operators/real/onnx.hpp>
#include <stet/operators/recurrent/onnx.hpp>
#include <stet/operators/reduction/onnx.hpp>
#include <stet/operators/resize_bilinear/onnx.hpp>
#include <stet/operators/shape/onnx.hpp>
#include <stet/operators/slice/onnx.hpp>
#include <stet/operators/softplus/onnx.hpp>
#include <stet/operators/upsample/onnx.hpp>

#include <span>

namespace stet::onnx {

/// The reader of an operator of ONNX; null if no family has one.
inline const OperatorReader* reader_of(std::string_view op_type) {
  for (const std::span<const OperatorReader> family :
       {std::span<const OperatorReader>(activation_readers),     std::span<const OperatorReader>(clip_readers),
        std::span<const OperatorReader>(constant_readers),       std::span<const OperatorReader>(convolution_readers),
        std::span<const OperatorReader>(conv_transpose_readers), std::span<const OperatorReader>(elementwise_readers),
        std::span<const OperatorReader>(elementary_readers),     std::span<const OperatorReader>(elu_readers),
        std::span<const OperatorReader>(extremum_readers),       std::span<const OperatorReader>(gelu_readers),
        std::span<const OperatorReader>(hard_sigmoid_readers),   std::span<const OperatorReader>(layer_norm_readers),
        std::span<const OperatorReader>(linear_readers),         std::span<const OperatorReader>(normalization_readers),
        std::span<const OperatorReader>(recurrent_readers),
        std::span<const OperatorReader>(pad_readers),            std::span<const OperatorReader>(pooling_readers),        std::span<const OperatorReader>(reduction_readers),
        std::span<const OperatorReader>(shape_readers),          std::span<const OperatorReader>(slice_readers),
        std::span<const OperatorReader>(softplus_readers),       std::span<const OperatorReader>(upsample_readers)}) {
    for (const OperatorReader& r : family) {
      if (r.op_type == op_type) return &r;
    }
  }
  return nullptr;
}

/// The same of constants alone; null if an operator is not computed while a file is loaded.
inline const OperatorReader* folder_of(std::string_view op_type) {
  for (const OperatorReader& r : constant_folders) {
    if (r.op_type == op_type) return &r;
  }
  return nullptr;
}

}  // namespace stet::onnx
