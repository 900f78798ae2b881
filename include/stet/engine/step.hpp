#pragma once
// Steps: the operators of an IntegerModel, checked, packed and resolved once.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>
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

#if STET_DEFINE_DEPLOYMENT

namespace detail {

class StepMaker {
 public:
  StepMaker(const IntegerModel& model, const IntegerNode& node) : model_(model), node_(node) {}

  EngineStep make() {
    namespace op = integer_op;
    using Run = std::function<void(EngineStep::Values&)>;
    Run run;
    if (const auto* conv = std::get_if<op::Conv2D>(&node_.op)) {
      run = convolution(*conv);
    } else if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node_.op)) {
      run = depthwise_convolution(*depthwise);
    } else if (const auto* linear = std::get_if<op::Linear>(&node_.op)) {
      run = linear_layer(*linear);
    } else if (const auto* add = std::get_if<op::Add>(&node_.op)) {
      run = binary(integer::make_add(model_.target, quantized(0), quantized(1), output(add->activation)));
    } else if (const auto* sub = std::get_if<op::Sub>(&node_.op)) {
      run = binary(integer::make_add(model_.target, quantized(0), quantized(1), output(sub->activation), true));
    } else if (const auto* mul = std::get_if<op::Mul>(&node_.op)) {
      run = binary(integer::make_multiply(model_.target, quantized(0), quantized(1), output(mul->activation)));
    } else if (const auto* max = std::get_if<op::MaxPool>(&node_.op)) {
      const Window w = pool_window(max->size, max->stride, max->padding);
      const integer::QuantizedOutput y = output(Activation::none);
      const integer::Bounds b = integer::max_pool_bounds(model_.target, Activation::none, y.scale, y.zero_point, w, y.grid);
      run = [w, b, x = in(0), y = node_.output](auto& v) { integer::max_pool(at(v, x), w, b, at(v, y).edit()); };
    } else if (const auto* average = std::get_if<op::AveragePool>(&node_.op)) {
      const Window w = pool_window(average->size, average->stride, average->padding);
      const integer::QuantizedOutput y = output(Activation::none);
      const auto p = integer::make_average_pool(model_.target, Activation::none, y.scale, y.zero_point, y.grid);
      run = [w, p, x = in(0), y = node_.output](auto& v) { integer::average_pool(at(v, x), w, p, at(v, y).edit()); };
    } else if (std::holds_alternative<op::Mean>(node_.op)) {
      run = mean();
    } else if (const auto* concat = std::get_if<op::Concat>(&node_.op)) {
      run = concatenation(concat->axis + 1);
    } else if (const auto* pad = std::get_if<op::Pad>(&node_.op)) {
      require_pad(*pad);
      run = [p = *pad, zero = static_cast<std::int8_t>(value(0).params.zero_point[0]), x = in(0), y = node_.output](auto& v) {
        const std::int64_t before[] = {0, p.top, p.left, 0};
        const std::int64_t after[] = {0, p.bottom, p.right, 0};
        integer::pad(at(v, x), before, after, zero, at(v, y).edit());
      };
    } else if (std::holds_alternative<op::Reshape>(node_.op)) {
      require(value(0).shape.elements() == result().shape.elements(), Errc::shape, "engine: {}: {} cannot become {}", node_.name,
              value(0).shape, result().shape);
      run = [x = in(0), y = node_.output](auto& v) {
        const auto from = at(v, x).span();
        std::copy(from.begin(), from.end(), at(v, y).edit().begin());
      };
    } else if (const auto* transpose = std::get_if<op::Transpose>(&node_.op)) {
      require_transpose(transpose->axes);
      std::vector<int> order{0};
      for (const int axis : transpose->axes) order.push_back(axis + 1);
      run = [order, x = in(0), y = node_.output](auto& v) { integer::transpose(at(v, x), order, at(v, y).edit()); };
    } else if (const auto* clamp = std::get_if<op::Clamp>(&node_.op)) {
      require_shape(value(0).shape);
      run = [p = integer::make_clamp(model_.target, output(clamp->activation)), x = in(0), y = node_.output](auto& v) {
        integer::clamp(at(v, x), p, at(v, y).edit());
      };
    } else if (const auto* table = std::get_if<op::Lookup>(&node_.op)) {
      require_shape(value(0).shape);
      const integer::Quantized from = quantized(0);
      const integer::QuantizedOutput to = output(Activation::none);
      run = [t = integer::make_table(model_.target, {table->function, table->alpha, from.scale, from.zero_point, to.scale,
                                                     to.zero_point, to.grid}),
             x = in(0), y = node_.output](auto& v) { integer::lookup(at(v, x), t, at(v, y).edit()); };
    } else {
      fail(Errc::unsupported, "engine: {} has an operator that cannot stand here", node_.name);
    }
    return {node_.output, std::move(run)};
  }

 private:
  static Tensor<std::int8_t>& at(EngineStep::Values& v, int i) { return v[static_cast<std::size_t>(i)]; }

  int in(std::size_t i) const { return node_.inputs[i]; }
  const IntegerValue& value(std::size_t i) const { return model_.values[static_cast<std::size_t>(in(i))]; }
  const IntegerValue& result() const { return model_.values[static_cast<std::size_t>(node_.output)]; }
  integer::Quantized quantized(std::size_t i) const {
    return {value(i).params.scale[0], value(i).params.zero_point[0]};
  }
  integer::QuantizedOutput output(Activation activation) const {
    const QParams& p = result().params;
    return {p.scale[0], p.zero_point[0], activation, p.grid};
  }
  void require_shape(const Shape& made) const {
    require(made == result().shape, Errc::shape, "engine: {} makes {}, its value {} has shape {}", node_.name, made,
            result().name, result().shape);
  }
  const Shape& image() const {
    require(value(0).shape.rank() == 3, Errc::shape, "engine: {} reads {} of shape {}, needs [H,W,C]", node_.name,
            value(0).name, value(0).shape);
    return value(0).shape;
  }
  Window pool_window(Pair size, Pair stride, const Padding& padding) const {
    const Shape& x = image();
    require(padding.kind != Padding::Kind::explicit_ ||
                (padding.top < size.height && padding.bottom < size.height && padding.left < size.width &&
                 padding.right < size.width),
            Errc::shape, "engine: {} pads by as much as its window", node_.name);
    const Window w = make_window(node_.name.c_str(), x[0], x[1], size, stride, 1, padding);
    require_shape({w.h.out, w.w.out, x[2]});
    return w;
  }

  template <class Op>
  integer::Requantizer requantizer(const Op& o, integer::LayerKind kind) const {
    return integer::layer_requantizer(model_.target, kind, value(0).params, o.weight_scale, o.bias.span(), result().params,
                                      o.activation);
  }
  integer::Bounds input_bounds() const {
    const Grid& g = value(0).params.grid;
    return {g.lo, g.hi};
  }

  std::function<void(EngineStep::Values&)> convolution(const integer_op::Conv2D& o) const {
    auto weights = std::make_shared<const integer::ConvolutionWeights>(o.weights, o.groups);
    const Shape& x = image();
    require(o.weights.shape().rank() == 4 && weights->inputs() == x[2], Errc::shape,
            "engine: {} has weights {} in {} groups for an input of shape {}", node_.name, o.weights.shape(), o.groups, x);
    const Window w = make_window(node_.name.c_str(), x[0], x[1],
                                 Pair(static_cast<int>(weights->kernel_height()), static_cast<int>(weights->kernel_width())),
                                 o.stride, o.dilation, o.padding);
    require_shape({w.h.out, w.w.out, weights->outputs()});
    auto r = std::make_shared<const integer::Requantizer>(requantizer(o, integer::LayerKind::convolution));
    const std::int32_t z = value(0).params.zero_point[0];
    integer::check_accumulators(node_.name.c_str(), weights->magnitudes(), z, input_bounds(), *r);
    return [weights, r, w, z, from = in(0), to = node_.output](auto& v) {
      std::int8_t* y = at(v, to).edit().data();
      const std::int64_t c = r->channels;
      integer::convolve(at(v, from), z, *weights, w,
                        [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
                          integer::requantize_rows(acc, stride, rows, c, *r, y + first * c);
                        });
    };
  }

  std::function<void(EngineStep::Values&)> depthwise_convolution(const integer_op::DepthwiseConv2D& o) const {
    const Shape& x = image();
    auto weights = std::make_shared<const integer::DepthwiseWeights>(o.weights, x[2]);
    require(o.weights.shape()[3] == x[2] * o.multiplier, Errc::shape,
            "engine: {} has weights {} and multiplier {} for an input of shape {}", node_.name, o.weights.shape(),
            o.multiplier, x);
    const Window w = make_window(node_.name.c_str(), x[0], x[1],
                                 Pair(static_cast<int>(o.weights.shape()[1]), static_cast<int>(o.weights.shape()[2])),
                                 o.stride, o.dilation, o.padding);
    require_shape({w.h.out, w.w.out, o.weights.shape()[3]});
    auto r = std::make_shared<const integer::Requantizer>(requantizer(o, integer::LayerKind::depthwise));
    const std::int32_t z = value(0).params.zero_point[0];
    integer::check_accumulators(node_.name.c_str(), weights->magnitudes(), z, input_bounds(), *r);
    return [weights, r, w, z, from = in(0), to = node_.output](auto& v) {
      std::int8_t* y = at(v, to).edit().data();
      const std::int64_t c = r->channels;
      integer::depthwise(at(v, from), z, *weights, w,
                         [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
                           integer::requantize_rows(acc, stride, rows, c, *r, y + first * c);
                         });
    };
  }

  std::function<void(EngineStep::Values&)> linear_layer(const integer_op::Linear& o) const {
    auto weights = std::make_shared<const integer::ConvolutionWeights>(o.weights);
    require(value(0).shape.rank() == 1 && o.weights.shape().rank() == 2 && value(0).shape[0] == o.weights.shape()[1],
            Errc::shape, "engine: {} has weights {} for an input of shape {}", node_.name, o.weights.shape(), value(0).shape);
    require_shape({weights->outputs()});
    auto r = std::make_shared<const integer::Requantizer>(requantizer(o, integer::LayerKind::linear));
    const std::int32_t z = value(0).params.zero_point[0];
    integer::check_accumulators(node_.name.c_str(), weights->magnitudes(), z, input_bounds(), *r);
    return [weights, r, z, from = in(0), to = node_.output](auto& v) {
      std::int8_t* y = at(v, to).edit().data();
      const std::int64_t c = r->channels;
      integer::linear(at(v, from), z, *weights,
                      [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
                        integer::requantize_rows(acc, stride, rows, c, *r, y + first * c);
                      });
    };
  }

  std::function<void(EngineStep::Values&)> binary(const integer::AddParameters& p) const {
    require_equal_shapes();
    return [p, a = in(0), b = in(1), to = node_.output](auto& v) { integer::add(at(v, a), at(v, b), p, at(v, to).edit()); };
  }
  std::function<void(EngineStep::Values&)> binary(const integer::MultiplyParameters& p) const {
    require_equal_shapes();
    return [p, a = in(0), b = in(1), to = node_.output](auto& v) {
      integer::multiply(at(v, a), at(v, b), p, at(v, to).edit());
    };
  }
  void require_pad(const integer_op::Pad& p) const {
    const Shape& x = image();
    require(p.top >= 0 && p.bottom >= 0 && p.left >= 0 && p.right >= 0, Errc::range,
            "engine: {} pads by {},{},{},{}, which must not be negative", node_.name, p.top, p.bottom, p.left, p.right);
    require_shape({x[0] + p.top + p.bottom, x[1] + p.left + p.right, x[2]});
  }
  void require_transpose(const std::vector<int>& axes) const {
    const Shape& x = value(0).shape;
    Shape made = x;
    unsigned seen = 0;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const bool fits = axes.size() == static_cast<std::size_t>(x.rank()) && axes[i] >= 0 && axes[i] < x.rank() &&
                        (seen >> axes[i] & 1u) == 0;
      require(fits, Errc::shape, "engine: {} must name each dimension of {} once", node_.name, x);
      seen |= 1u << axes[i];
      made = made.with(static_cast<int>(i), x[axes[i]]);
    }
    require(seen + 1 == 1u << x.rank(), Errc::shape, "engine: {} must name each dimension of {} once", node_.name, x);
    require_shape(made);
  }
  void require_equal_shapes() const {
    require(value(0).shape == value(1).shape, Errc::shape, "engine: {} reads shapes {} and {}, which must be equal",
            node_.name, value(0).shape, value(1).shape);
    require_shape(value(0).shape);
  }

  std::function<void(EngineStep::Values&)> mean() const {
    const Shape& x = image();
    require_shape({x[2]});
    const integer::QuantizedOutput y = output(Activation::none);
    const integer::Quantized q = quantized(0);
    return [p = integer::make_mean(model_.target, q.scale, q.zero_point, y.scale, y.zero_point, x[0] * x[1], y.grid),
            from = in(0), to = node_.output](auto& v) { integer::mean(at(v, from), p, at(v, to).edit()); };
  }

  std::function<void(EngineStep::Values&)> concatenation(int axis) const {
    const Shape& first = value(0).shape;
    const int own = axis - 1;  // without the batch
    require(own >= 0 && own < first.rank(), Errc::shape, "engine: {} joins along axis {} of {}", node_.name, own, first);
    std::int64_t joint = 0;
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      const Shape& part = value(i).shape;
      require(part.rank() == first.rank() && part.with(own, 0) == first.with(own, 0), Errc::shape,
              "engine: {} joins {} and {}, which differ outside of axis {}", node_.name, first, part, own);
      joint += part[own];
    }
    require_shape(first.with(own, joint));
    return [inputs = node_.inputs, axis, to = node_.output](auto& v) {
      std::vector<integer::Codes> parts;
      for (const int i : inputs) parts.emplace_back(at(v, i));
      integer::concat(parts, axis, at(v, to).edit());
    };
  }

  const IntegerModel& model_;
  const IntegerNode& node_;
};

}  // namespace detail

STET_ENTRY EngineStep make_step(const IntegerModel& model, const IntegerNode& node) {
  try {
    return detail::StepMaker(model, node).make();
  } catch (const Error& e) {
    const std::string text = e.what();
    if (text.find(node.name) != std::string::npos) throw;
    throw Error(e.code(), "engine: " + node.name + ": " + text);
  }
}

#endif

}  // namespace stet
