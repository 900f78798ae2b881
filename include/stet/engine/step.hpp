#pragma once
// Steps: the operators of an IntegerModel, checked, packed and resolved once.

#include <stet/core/entry.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/integer/requantize.hpp>
#include <stet/integer/shape.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace stet {

/// One operator, ready to run on the tensors of all values.
struct EngineStep {
  using Values = std::vector<Tensor<std::int8_t>>;
  int output = -1;
  std::function<void(Values&)> run;
};

/// Resolves one node of a model in whose structure check_structure finds no fault.
/// Errors:    Errc::shape or Errc::range naming the node
STET_ENTRY EngineStep make_step(const IntegerModel& model, const IntegerNode& node);

#if STET_DEFINE_ENTRIES

namespace detail {

// The shapes of a node are those that its operator infers: check_structure has seen to that.
class StepMaker {
 public:
  using Run = std::function<void(EngineStep::Values&)>;

  StepMaker(const IntegerModel& model, const IntegerNode& node) : node_(node), site_(model, node) {}

  Run make();

 private:
  static Tensor<std::int8_t>& at(EngineStep::Values& v, int i) { return v[static_cast<std::size_t>(i)]; }
  int in(std::size_t i = 0) const { return node_.inputs[i]; }
  const Shape& image() const { return site_.in().shape; }

  // A layer: packed weights, their product on codes, and the requantization of its sums.
  template <class Op, class Weights, class Multiply>
  Run layer(const Op& o, std::shared_ptr<const Weights> weights, Multiply multiply) const {
    auto r = std::make_shared<const integer::Requantizer>(site_.resolve(o));
    const Affine& x = site_.in().codes;
    integer::check_accumulators(node_.name.c_str(), weights->magnitudes(), x.zero_point, {x.grid.lo, x.grid.hi}, *r);
    return [weights, r, multiply, z = x.zero_point, from = in(), to = node_.output](auto& v) {
      std::int8_t* y = at(v, to).edit().data();
      const std::int64_t c = r->channels;
      multiply(at(v, from), z, *weights, [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
        integer::requantize_rows(acc, stride, rows, c, *r, y + first * c);
      });
    };
  }
  Run step(const graph::op::Conv2D& o) const {
    return layer(o, std::make_shared<const integer::ConvolutionWeights>(node_.constants.weights, o.groups),
                 [w = window(o, image())](const auto& x, std::int32_t z, const auto& weights, integer::AccumulatorSink sink) {
                   integer::convolve(x, z, weights, w, sink);
                 });
  }
  Run step(const graph::op::DepthwiseConv2D& o) const {
    return layer(o, std::make_shared<const integer::DepthwiseWeights>(node_.constants.weights, image()[2]),
                 [w = window(o, image())](const auto& x, std::int32_t z, const auto& weights, integer::AccumulatorSink sink) {
                   integer::depthwise(x, z, weights, w, sink);
                 });
  }
  Run step(const graph::op::Linear& o) const {
    return layer(o, std::make_shared<const integer::ConvolutionWeights>(node_.constants.weights),
                 [](const auto& x, std::int32_t z, const auto& weights, integer::AccumulatorSink sink) {
                   integer::linear(x, z, weights, sink);
                 });
  }

  // An operator of one input whose function takes codes, parameters and memory for the result.
  template <class Parameters, class F>
  Run unary(Parameters p, F f) const {
    return [p = std::move(p), f, x = in(), y = node_.output](auto& v) { f(at(v, x), p, at(v, y).edit()); };
  }
  template <class Parameters, class F>
  Run binary(Parameters p, F f) const {
    return [p, f, a = in(0), b = in(1), y = node_.output](auto& v) { f(at(v, a), at(v, b), p, at(v, y).edit()); };
  }
  Run sum(const integer::AddParameters& p) const {
    return binary(p, [](const auto& a, const auto& b, const auto& q, auto y) { integer::add(a, b, q, y); });
  }
  Run step(const graph::op::Add& o) const { return sum(site_.resolve(o)); }
  Run step(const graph::op::Sub& o) const { return sum(site_.resolve(o)); }
  Run step(const graph::op::Mul& o) const {
    return binary(site_.resolve(o), [](const auto& a, const auto& b, const auto& q, auto y) { integer::multiply(a, b, q, y); });
  }
  Run step(const graph::op::MaxPool& o) const {
    return unary(site_.resolve(o), [w = window(o, image())](const auto& x, const auto& q, auto y) { integer::max_pool(x, w, q, y); });
  }
  Run step(const graph::op::AveragePool& o) const {
    return unary(site_.resolve(o),
                 [w = window(o, image())](const auto& x, const auto& q, auto y) { integer::average_pool(x, w, q, y); });
  }
  Run step(const graph::op::GlobalAveragePool& o) const {
    return unary(site_.resolve(o), [](const auto& x, const auto& q, auto y) { integer::mean(x, q, y); });
  }
  Run clamp(const integer::ClampParameters& p) const {
    return unary(p, [](const auto& x, const auto& q, auto y) { integer::clamp(x, q, y); });
  }
  Run step(const graph::op::Relu& o) const { return clamp(site_.resolve(o)); }
  Run step(const graph::op::Relu6& o) const { return clamp(site_.resolve(o)); }
  template <graph::op::TableOp Op>
  Run step(const Op& o) const {
    return unary(site_.resolve(o), [](const auto& x, const integer::Table& t, auto y) { integer::lookup(x, t, y); });
  }

  Run step(const graph::op::Concat& o) const {
    return [inputs = node_.inputs, axis = o.axis + 1, to = node_.output](auto& v) {
      std::vector<integer::Codes> parts;
      for (const int i : inputs) parts.emplace_back(at(v, i));
      integer::concat(parts, axis, at(v, to).edit());
    };
  }
  Run step(const graph::op::Pad& o) const {
    const auto zero = static_cast<std::int8_t>(site_.in().codes.zero_point);
    return unary(o, [zero](const auto& x, const graph::op::Pad& p, auto y) {
      const std::int64_t before[] = {0, p.top, p.left, 0};
      const std::int64_t after[] = {0, p.bottom, p.right, 0};
      integer::pad(x, before, after, zero, y);
    });
  }
  Run step(const graph::op::Reshape&) const {
    return [x = in(), y = node_.output](auto& v) {
      const auto from = at(v, x).span();
      std::copy(from.begin(), from.end(), at(v, y).edit().begin());
    };
  }
  Run step(const graph::op::Transpose& o) const {
    std::vector<int> order{0};
    for (const int axis : o.axes) order.push_back(axis + 1);
    return unary(std::move(order), [](const auto& x, const auto& axes, auto y) { integer::transpose(x, axes, y); });
  }
  // The engine makes the codes of the input by itself.
  Run step(const graph::op::Input&) const { return {}; }

  const IntegerNode& node_;
  NodeSite site_;
};

// Behind the class: clang 16 loses member templates that a generic lambda instantiates before their bodies are parsed.
inline StepMaker::Run StepMaker::make() {
  return graph::match_integer(node_.op, [this](const auto& o) -> Run { return step(o); });
}

}  // namespace detail

STET_ENTRY EngineStep make_step(const IntegerModel& model, const IntegerNode& node) {
  try {
    return {node.output, detail::StepMaker(model, node).make()};
  } catch (const Error& e) {
    const std::string text = e.what();
    if (text.find(node.name) != std::string::npos) throw;
    throw Error(e.code(), "engine: " + node.name + ": " + text);
  }
}

#endif

}  // namespace stet
