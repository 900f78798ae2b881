#pragma once
// Builder: functions on graph Values, found by argument-dependent lookup, that add one node each.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Convolution: conv2d(x, {.filters = 16, .kernel = 3}).
inline Value conv2d(const Value& x, const op::Conv2D& options) { return append(options, {x}); }
/// Convolution of each channel on its own: depthwise_conv2d(x, {.kernel = 3}).
inline Value depthwise_conv2d(const Value& x, const op::DepthwiseConv2D& options) { return append(options, {x}); }
/// Fully connected layer over the last dimension: linear(x, {.units = 10}).
inline Value linear(const Value& x, const op::Linear& options) { return append(options, {x}); }
/// Product of two values, per sample.
inline Value matmul(const Value& a, const Value& b) { return append(op::Matmul{}, {a, b}); }

/// Batch normalization over all but the last dimension.
inline Value batch_norm(const Value& x, const op::BatchNorm& options = {}) { return append(options, {x}); }

/// Element by element; dimensions of size 1 are repeated.
inline Value add(const Value& a, const Value& b) { return append(op::Add{}, {a, b}); }
inline Value sub(const Value& a, const Value& b) { return append(op::Sub{}, {a, b}); }
inline Value mul(const Value& a, const Value& b) { return append(op::Mul{}, {a, b}); }
inline Value operator+(const Value& a, const Value& b) { return add(a, b); }
inline Value operator-(const Value& a, const Value& b) { return sub(a, b); }
inline Value operator*(const Value& a, const Value& b) { return mul(a, b); }

inline Value relu(const Value& x) { return append(op::Relu{}, {x}); }
inline Value relu6(const Value& x) { return append(op::Relu6{}, {x}); }
inline Value leaky_relu(const Value& x, const op::LeakyRelu& options = {}) { return append(options, {x}); }
inline Value sigmoid(const Value& x) { return append(op::Sigmoid{}, {x}); }
inline Value tanh(const Value& x) { return append(op::Tanh{}, {x}); }
inline Value hard_swish(const Value& x) { return append(op::HardSwish{}, {x}); }
/// Over the last dimension.
inline Value softmax(const Value& x) { return append(op::Softmax{}, {x}); }
inline Value log_softmax(const Value& x) { return append(op::LogSoftmax{}, {x}); }
inline Value dropout(const Value& x, const op::Dropout& options = {}) { return append(options, {x}); }

inline Value max_pool(const Value& x, const op::MaxPool& options = {}) { return append(options, {x}); }
inline Value average_pool(const Value& x, const op::AveragePool& options = {}) { return append(options, {x}); }
inline Value global_average_pool(const Value& x) { return append(op::GlobalAveragePool{}, {x}); }

namespace detail {
inline int axis_from_front(int axis, const Value& x) { return axis < 0 ? axis + x.shape().rank() : axis; }
inline std::vector<int> axes_from_front(std::vector<int> axes, const Value& x) {
  for (int& axis : axes) axis = axis_from_front(axis, x);
  return axes;
}
}  // namespace detail

/// Values side by side along an axis, which counts without the batch and from the back if negative.
inline Value concat(std::initializer_list<Value> values, int axis = -1) {
  require(values.size() > 0, Errc::shape, "concat: wants at least one input");
  return append(op::Concat{detail::axis_from_front(axis, *values.begin())}, values);
}
inline Value concat(std::span<const Value> values, int axis = -1) {
  require(!values.empty(), Errc::shape, "concat: wants at least one input");
  return append(op::Concat{detail::axis_from_front(axis, values[0])}, values);
}
/// Zeros around an image: pad(x, {.top = 1, .left = 1}).
inline Value pad(const Value& x, const op::Pad& options) { return append(options, {x}); }
/// To a shape without the batch.
inline Value reshape(const Value& x, const Shape& shape) { return append(op::Reshape{shape}, {x}); }
inline Value flatten(const Value& x) { return append(op::Flatten{}, {x}); }
/// Output dimension i is input dimension axes[i], without the batch.
inline Value transpose(const Value& x, std::vector<int> axes) {
  return append(op::Transpose{detail::axes_from_front(std::move(axes), x)}, {x});
}
/// Over axes that count without the batch and from the back if negative; ascending.
inline Value mean(const Value& x, std::vector<int> axes, bool keep_dims = false) {
  return append(op::Mean{detail::axes_from_front(std::move(axes), x), keep_dims}, {x});
}
inline Value sum(const Value& x, std::vector<int> axes, bool keep_dims = false) {
  return append(op::Sum{detail::axes_from_front(std::move(axes), x), keep_dims}, {x});
}

/// A user's operator.
inline Value custom(std::span<const Value> inputs, std::shared_ptr<const CustomOp> op) {
  return append(op::Custom{std::move(op)}, inputs);
}
inline Value custom(const Value& x, std::shared_ptr<const CustomOp> op) {
  return append(op::Custom{std::move(op)}, {x});
}
/// A function of one number on every element: y = function(x, "silu", [](double v) { return v / (1 + std::exp(-v)); }).
/// Among integers it is a table of 256 codes.
inline Value function(const Value& x, std::string name, std::function<double(double)> value,
                      std::function<double(double)> derivative = {}) {
  return custom(x, std::make_shared<FunctionOp>(std::move(name), std::move(value), std::move(derivative)));
}

}  // namespace stet::graph

namespace stet {
using graph::concat;  // concat({x, y}): a braced list has no namespace to look into
}  // namespace stet
