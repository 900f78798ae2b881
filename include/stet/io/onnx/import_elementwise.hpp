#pragma once
// Functions of one or two values, element by element: from ONNX to stet.

#include <stet/io/onnx/importer.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

// An operator that keeps the shape and does not care about the order of elements.
inline void add_unary(Importer& g, graph::Operator op) {
  Arrangement y = g.value(0);
  y.node = g.add(std::move(op), {y.node});
  y.name.clear();
  g.give(std::move(y));
}

// A value with dimensions of size 1 in front until it has this many.
inline Arrangement widened(Arrangement a, std::size_t rank, Importer& g) {
  if (a.dims.size() == rank) return a;
  a = g.arranger().ordered(a);
  a.dims.insert(a.dims.begin(), rank - a.dims.size(), 1);
  a.axis.insert(a.axis.begin(), rank - a.axis.size(), -1);
  return a;
}

inline void add_binary(Importer& g, graph::Operator op) {
  require(!g.is_constant(0) && !g.is_constant(1), Errc::unsupported,
          "one input is a constant; only a bias directly behind Conv, Gemm or MatMul is understood");
  const std::size_t rank = std::max(g.value(0).dims.size(), g.value(1).dims.size());
  const Arrangement x = g.value(0), y = g.value(1);
  const bool alike = x.reordered() && y.reordered() && x.flat_dims == y.flat_dims && x.flat_axis == y.flat_axis &&
                     x.flat_shape == y.flat_shape;
  if (alike) {
    Arrangement z = x;
    z.node = g.add(std::move(op), {x.node, y.node});
    g.give(std::move(z));
    return;
  }
  require(x.dims.size() == y.dims.size(), Errc::unsupported,
          "inputs have {} and {} dimensions; values are repeated only over dimensions of size 1", x.dims.size() + 1,
          y.dims.size() + 1);
  const std::vector<int> order = usual_order(rank);
  const int left = g.arranger().arrange(widened(x, rank, g), order);
  const int right = g.arranger().arrange(widened(y, rank, g), order);
  const int id = g.add(std::move(op), {left, right});
  std::vector<std::int64_t> dims(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    dims[static_cast<std::size_t>(order[i])] = g.graph.node(id).shape[static_cast<int>(i)];
  }
  g.give(Arranger::make(id, dims, order));
}

}  // namespace detail

inline void import_relu(Importer& g, Attributes&) { detail::add_unary(g, graph::op::Relu{}); }
inline void import_sigmoid(Importer& g, Attributes&) { detail::add_unary(g, graph::op::Sigmoid{}); }
inline void import_tanh(Importer& g, Attributes&) { detail::add_unary(g, graph::op::Tanh{}); }
inline void import_hard_swish(Importer& g, Attributes&) { detail::add_unary(g, graph::op::HardSwish{}); }
inline void import_leaky_relu(Importer& g, Attributes& a) {
  detail::add_unary(g, graph::op::LeakyRelu{a.real("alpha", 0.01f)});
}
inline void import_dropout(Importer& g, Attributes& a) {
  a.ignore("seed");
  bool trains = g.opset() > 0 && g.opset() < 7 && a.integer("is_test", 0) == 0;
  float rate = a.real("ratio", 0.5f);
  if (g.has_input(1)) {
    const Constant& c = g.reals(1, "ratio");
    require(c.size() == 1, Errc::unsupported, "ratio must be one number");
    rate = c.reals[0];
  }
  if (g.has_input(2)) {
    const Constant& c = g.integers(2, "training_mode");
    require(c.size() == 1, Errc::unsupported, "training_mode must be one value");
    trains = trains || c.integers[0] != 0;
  }
  if (trains) g.training.push_back(g.node->name.empty() ? g.node->outputs[0] : g.node->name);
  detail::add_unary(g, graph::op::Dropout{rate});
}

/// Clip between constants: 0 and 6, or 0 and nothing.
inline void import_clip(Importer& g, Attributes& a) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto bound = [&](std::size_t i, const char* name, float otherwise) {
    if (!g.has_input(i)) return a.real(name, otherwise);
    const Constant& c = g.reals(i, name);
    require(c.size() == 1, Errc::unsupported, "{} must be one number", name);
    return c.reals[0];
  };
  const float lo = bound(1, "min", -infinity), hi = bound(2, "max", infinity);
  require(lo == 0.0f && (hi == 6.0f || hi >= std::numeric_limits<float>::max()), Errc::unsupported,
          "clips to {}..{}; only 0..6 (relu6) and 0.. (relu) are understood", lo, hi);
  if (hi == 6.0f) {
    detail::add_unary(g, graph::op::Relu6{});
  } else {
    detail::add_unary(g, graph::op::Relu{});
  }
}

/// HardSigmoid is understood where it is a part of HardSwish: x * HardSigmoid(x), slope 1/6.
inline void import_hard_sigmoid(Importer& g, Attributes& a) {
  Arrangement y = g.value(0);
  const float alpha = a.real("alpha", 0.2f), beta = a.real("beta", 0.5f);
  bool part = std::abs(alpha - 1.0f / 6.0f) < 1e-6f && beta == 0.5f && !g.is_output(g.node->outputs[0]);
  for (const NodeInfo* reader : g.readers(g.node->outputs[0])) {
    part = part && reader->op_type == "Mul" && reader->inputs.size() == 2 &&
           (reader->inputs[0] == g.node->inputs[0] || reader->inputs[1] == g.node->inputs[0]);
  }
  require(part, Errc::unsupported, "only x * HardSigmoid(x) with alpha 1/6 and beta 0.5, a hard swish, is understood");
  y.name = "hard_sigmoid of " + g.node->inputs[0];
  y.node = -1;  // read by the Mul behind it and nobody else
  g.give(std::move(y));
}
inline void import_mul(Importer& g, Attributes&) {
  for (std::size_t i = 0; i < 2 && !g.is_constant(0) && !g.is_constant(1); ++i) {
    if (g.value(i).node >= 0) continue;
    Arrangement y = g.value(1 - i);
    y.node = g.add(graph::op::HardSwish{}, {y.node});
    g.give(std::move(y));
    return;
  }
  detail::add_binary(g, graph::op::Mul{});
}
inline void import_add(Importer& g, Attributes&) { detail::add_binary(g, graph::op::Add{}); }
inline void import_sub(Importer& g, Attributes&) { detail::add_binary(g, graph::op::Sub{}); }

namespace detail {
template <class Op>
void add_softmax(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  const std::size_t rank = x.dims.size();
  const int axis = sample_axis(a.integer("axis", g.opset() < 13 ? 1 : -1), rank);
  require(g.opset() >= 13 || axis == static_cast<int>(rank) - 1, Errc::unsupported,
          "attribute axis: before opset 13 only the last dimension is understood");
  if (x.reordered()) return add_unary(g, Op{});  // flat: over all elements, in whatever order
  std::vector<int> order;
  for (const int d : usual_order(rank)) {
    if (d != axis) order.push_back(d);
  }
  order.push_back(axis);
  const int id = g.add(Op{}, {g.arranger().arrange(x, order)});
  g.give(Arranger::make(id, x.dims, order));
}
}  // namespace detail
inline void import_softmax(Importer& g, Attributes& a) { detail::add_softmax<graph::op::Softmax>(g, a); }
inline void import_log_softmax(Importer& g, Attributes& a) { detail::add_softmax<graph::op::LogSoftmax>(g, a); }

}  // namespace stet::onnx
