#pragma once
// The operators of a graph. Adding one is a line here; then the compiler names each room that does not handle it.

#include <stet/core/one_of.hpp>
#include <stet/operators/activation/graph.hpp>
#include <stet/operators/clip/graph.hpp>
#include <stet/operators/constant/graph.hpp>
#include <stet/operators/conv_transpose/graph.hpp>
#include <stet/operators/convolution/graph.hpp>
#include <stet/operators/custom/graph.hpp>
#include <stet/operators/elementary/graph.hpp>
#include <stet/operators/elementwise/graph.hpp>
#include <stet/operators/elu/graph.hpp>
#include <stet/operators/extremum/graph.hpp>
#include <stet/operators/gelu/graph.hpp>
#include <stet/operators/hard_sigmoid/graph.hpp>
#include <stet/operators/input/graph.hpp>
#include <stet/operators/layer_norm/graph.hpp>
#include <stet/operators/linear/graph.hpp>
#include <stet/operators/normalization/graph.hpp>
#include <stet/operators/pad_channels/graph.hpp>
#include <stet/operators/pooling/graph.hpp>
#include <stet/operators/real/graph.hpp>
#include <stet/operators/recurrent/graph.hpp>
#include <stet/operators/reduction/graph.hpp>
#include <stet/operators/resize_bilinear/graph.hpp>
#include <stet/operators/shape/graph.hpp>
#include <stet/operators/slice/graph.hpp>
#include <stet/operators/softplus/graph.hpp>
#include <stet/operators/upsample/graph.hpp>

namespace stet::graph {

/// Any operator. A class of its own rather than an alias, so that functions of namespace graph are found for it.
struct Operator
    : OneOf<op::Input, op::Constant, op::Conv2D, op::DepthwiseConv2D, op::ConvTranspose, op::Linear, op::Matmul, op::BatchNorm,
            op::LayerNorm, op::Lstm, op::Gru, op::Add, op::Sub, op::Mul, op::Relu, op::Relu6, op::Clip, op::LeakyRelu, op::Sigmoid,
            op::Tanh, op::HardSwish, op::Gelu, op::HardSigmoid, op::Elu, op::Softplus, op::Elementary, op::Extremum,
            op::MaxPool, op::AveragePool, op::GlobalAveragePool, op::Concat, op::Pad, op::Reshape, op::Flatten,
            op::Transpose, op::Slice, op::Upsample, op::ResizeBilinear, op::PadChannels, op::Softmax, op::LogSoftmax,
            op::Dropout, op::Mean, op::Sum, op::Custom, op::Real> {
  using OneOf::OneOf;
};

}  // namespace stet::graph
