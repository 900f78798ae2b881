#pragma once
// Layers and windows of a float model from a file: convolutions, products with matrices, pools, paddings.

#include <stet/io/tflite/import_float_graph.hpp>
#include <stet/io/tflite/import_margins.hpp>

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// The part of FloatImporter that reads layers with constants, pools and paddings.
class FloatLayers {
 public:
  FloatLayers(const ModelInfo& model, const std::string& where)
      : model_(model), where_(where), graph_(model, check_structure(model, where), where) {}

 protected:
  WindowSource source(const Site& s) const {
    const stet::Padding padding = read_padding(s);
    if (const WindowSource* margin = margins_.find(s.index(0))) return *margin;
    return {graph_.value(s, 0), padding};
  }

  Tensor<float> bias(const Site& s, std::int64_t channels) const {
    if (!s.has(2)) return {};
    Tensor<float> b = graph_.constant(s, 2);
    s.require(b.size() == channels && b.shape().rank() == 1, Errc::shape, "bias {} has shape {}, must be [{}]",
              s.input(2).name, b.shape(), channels);
    return b;
  }

  void convolution(const Site& s) {
    s.expect_inputs(2, 3);
    const WindowSource from = source(s);
    op::Conv2D conv = read_conv2d(s, graph_.shape(from.from));
    conv.padding = from.padding;
    Tensor<float> b = bias(s, conv.filters);
    conv.bias = !b.empty();
    graph_.finish_layer(s, conv, from.from, graph_.constant(s, 1), std::move(b), 0, s.activation());
  }

  void depthwise(const Site& s) {
    s.expect_inputs(2, 3);
    const WindowSource from = source(s);
    op::DepthwiseConv2D conv = read_depthwise(s, graph_.shape(from.from));
    conv.padding = from.padding;
    Tensor<float> b = bias(s, shape_of(s.input(1))[3]);
    conv.bias = !b.empty();
    graph_.finish_layer(s, conv, from.from, graph_.constant(s, 1), std::move(b), 3, s.activation());
  }

  void fully_connected(const Site& s) {
    s.expect_inputs(2, 3);
    expect_options(s, OptionsType::fully_connected);
    s.require(s.options().weights_format == 0, Errc::unsupported, "weights_format is {}, must be DEFAULT (0)",
              static_cast<int>(s.options().weights_format));
    int from = graph_.value(s, 0);
    const Shape w = detail::read_filter(s, 2);
    Tensor<float> b = bias(s, w[0]);
    const Shape in = graph_.shape(from);
    if (!s.options().keep_num_dims && in.rank() != 1) {
      s.require(
          in.elements() == w[1], Errc::unsupported,
          "reads {} (without the batch) in rows of {}, so that one sample gives several; write a Reshape before it, "
          "or keep_num_dims",
          in, w[1]);
      from = graph_.add(op::Flatten{}, {from}, graph_.inner_name(s, "flatten"));
    }
    s.require(graph_.shape(from).back() == w[1], Errc::shape, "weights {} do not fit the input {} (without the batch)",
              w, graph_.shape(from));
    const op::Linear linear{.units = static_cast<int>(w[0]), .bias = !b.empty()};
    graph_.finish_layer(s, linear, from, graph_.constant(s, 1), std::move(b), 0, s.activation());
  }

  // The product of two values, or, if the second operand is a constant, a linear layer.
  void batch_matmul(const Site& s) {
    s.expect_inputs(2, 2);
    expect_options(s, OptionsType::batch_matmul);
    int a = graph_.value(s, 0);
    s.require(graph_.shape(a).rank() == 2, Errc::unsupported,
              "multiplies {} (without the batch); only matrices are understood", graph_.shape(a));
    if (s.options().adj_x) a = graph_.add(op::Transpose{{1, 0}}, {a}, graph_.inner_name(s, "left"));
    if (graph_.is_constant(s.index(1))) {
      Tensor<float> w = graph_.constant(s, 1);
      const Shape shape = w.shape();
      s.require(shape.rank() >= 2 && shape.elements() == shape.product(shape.rank() - 2, shape.rank()) &&
                    shape.elements() > 0,
                Errc::unsupported, "the constant {} has shape {}, must be one matrix", s.input(1).name, shape);
      const std::int64_t rows = shape[shape.rank() - 2], columns = shape.back();
      if (s.options().adj_y) {
        w = w.reshaped({rows, columns});
      } else {
        Tensor<float> turned(Shape{columns, rows});
        const auto to = turned.edit();
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t c = 0; c < columns; ++c) to[static_cast<std::size_t>(c * rows + r)] = w[r * columns + c];
        }
        w = turned;
      }
      const op::Linear linear{.units = static_cast<int>(w.shape()[0]), .bias = false};
      s.require(graph_.shape(a).back() == w.shape()[1], Errc::shape,
                "the constant {} does not fit {} (without the batch)", shape, graph_.shape(a));
      return graph_.finish_layer(s, linear, a, w, {}, 0, integer::Activation::none);
    }
    int b = graph_.value(s, 1);
    s.require(graph_.shape(b).rank() == 2, Errc::unsupported,
              "multiplies with {} (without the batch); only matrices are understood", graph_.shape(b));
    if (s.options().adj_y) b = graph_.add(op::Transpose{{1, 0}}, {b}, graph_.inner_name(s, "right"));
    graph_.finish(s, op::Matmul{}, {a, b}, integer::Activation::none);
  }

  // A PAD that only one unpadded convolution reads becomes that convolution's padding.
  void pad(const Site& s) {
    const op::Pad margins = read_pad(s);
    const int from = graph_.value(s, 0);
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    if (!is_unpadded_convolution(reader, out) && !share_behind(reader, from, margins)) {
      return graph_.finish(s, margins, {from}, integer::Activation::none);
    }
    s.require_output(graph::infer(margins, std::vector<Shape>{graph_.shape(from)}));
    margins_.put(out, from, margins);
  }
  // A PADV2 with minus infinity, which one unpadded MAX_POOL_2D reads, is that pool's padding.
  void pad_lowest(const Site& s) {
    const op::Pad margins = read_pad(s);
    const int from = graph_.value(s, 0);
    const Tensor<float> lowest = read_constant<float>(s, s.input(2), TensorType::float32);
    s.require_output(graph::infer(margins, std::vector<Shape>{graph_.shape(from)}));
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    s.require(lowest.size() == 1 && lowest[0] <= std::numeric_limits<float>::lowest() &&
                  is_unpadded_pool(reader, Builtin::max_pool_2d),
              Errc::unsupported, "only the lowest number, before an unpadded MAX_POOL_2D, is understood as padding");
    margins_.put(out, from, margins);
  }

  // Whether an average pool behind a PAD is put right by a MUL behind it, so that the padding does not count.
  bool share_behind(const OperatorInfo* pool, int from, const op::Pad& p) const {
    if (!is_unpadded_pool(pool, Builtin::average_pool_2d) || pool->outputs.size() != 1) return false;
    const OperatorInfo* mul = graph_.read_once(pool->outputs[0]) ? graph_.reader(pool->outputs[0]) : nullptr;
    if (mul == nullptr || mul->code != Builtin::mul || mul->inputs.size() != 2 || mul->inputs[0] != pool->outputs[0] ||
        !graph_.is_constant(mul->inputs[1])) {
      return false;
    }
    const Shape x = graph_.shape(from);
    const Options& o = pool->options;
    if (x.rank() != 3 || o.fused_activation != FusedActivation::none) return false;
    const Window w = make_window("pool", x[0], x[1], {o.filter_height, o.filter_width}, {o.stride_h, o.stride_w}, 1,
                                 stet::Padding::of(p.top, p.bottom, p.left, p.right));
    return is_share(graph_.constant(Site(model_, *mul, known_, batch_), 1), w);
  }
  void average_pool(const Site& s) {
    s.expect_inputs(1, 1);
    op::AveragePool pool = read_pool<op::AveragePool>(s);
    const WindowSource from = source(s);
    pool.padding = from.padding;
    if (margins_.find(s.index(0)) != nullptr) shared_.insert(s.output_index());
    graph_.finish(s, pool, {from.from}, s.activation());
  }
  void max_pool(const Site& s) {
    s.expect_inputs(1, 1);
    op::MaxPool pool = read_pool<op::MaxPool>(s);
    const WindowSource from = source(s);
    pool.padding = from.padding;
    graph_.finish(s, pool, {from.from}, s.activation());
  }

  const ModelInfo& model_;
  std::string where_;
  FloatGraph graph_;
  KnownIntegers known_{};
  Problems problems_{};
  std::int64_t batch_ = -1;
  Margins margins_{};
  std::set<std::int32_t> shared_{};  // means over the image alone, whose correction by a MUL is done
};

}  // namespace stet::tflite
