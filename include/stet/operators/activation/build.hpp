#pragma once
// Activations, softmax and dropout, added to a graph.

#include <stet/graph/graph.hpp>
#include <stet/operators/elementwise/build.hpp>

namespace stet::graph {

inline Value relu(const Value& x) { return append(op::Relu{}, {x}); }
inline Value relu6(const Value& x) { return append(op::Relu6{}, {x}); }
inline Value leaky_relu(const Value& x, const op::LeakyRelu& options = {}) { return append(options, {x}); }
inline Value sigmoid(const Value& x) { return append(op::Sigmoid{}, {x}); }
inline Value tanh(const Value& x) { return append(op::Tanh{}, {x}); }
/// x*sigmoid(x), as two operators: every runtime has both among integers.
inline Value silu(const Value& x) { return mul(x, sigmoid(x)); }
inline Value hard_swish(const Value& x) { return append(op::HardSwish{}, {x}); }
/// Over the last dimension.
inline Value softmax(const Value& x) { return append(op::Softmax{}, {x}); }
inline Value log_softmax(const Value& x) { return append(op::LogSoftmax{}, {x}); }
inline Value dropout(const Value& x, const op::Dropout& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
