#pragma once
// FloatImporter: a float32 description becomes a Model, operator by operator.

#include <stet/io/tflite/import_float_graph.hpp>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Makes a Model of a description whose values are float32. Use import_model.
class FloatImporter {
 public:
  FloatImporter(const ModelInfo& model, const std::string& where)
      : model_(model), where_(where), graph_(model, check_structure(model, where)) {}

  Model run() {
    begin();
    for (const OperatorInfo& op : model_.operators) {
      const Site site(model_, op, known_, batch_);
      try {
        import(site);
      } catch (const Error& e) {
        const std::string text = e.what();
        problems_.add(e.code(), text.starts_with(site.where()) ? text : site.where() + ": " + text);
        graph_.stand_in(site);
      } catch (const Skipped&) {
      }
    }
    end();
    problems_.require_none(where_);
    try {
      return graph_.finished();
    } catch (const Error& e) {
      throw Error(e.code(), where_ + ": " + e.what());
    }
  }

 private:
  void begin() {
    for (const std::int32_t t : model_.inputs) {
      const TensorInfo& info = model_.tensors[static_cast<std::size_t>(t)];
      try {
        const Shape shape = shape_of(info);
        if (batch_ < 0) batch_ = shape.rank() > 0 ? shape[0] : 0;
        require(batch_ > 0 && shape.rank() > 0 && shape[0] == batch_, Errc::shape,
                "input {} has shape {}; all inputs must have the same batch in front", info.name, shape);
        require(info.type == TensorType::float32, Errc::unsupported, "input {} has type {}, must be float32{}", info.name,
                type_name(info.type), info.type == TensorType::int8 ? "; load_tflite_integer reads int8 models" : "");
        graph_.input(t, shape.unbatched());
      } catch (const Error& e) {
        problems_.add(e.code(), e.what());
      }
    }
  }

  void end() {
    if (!problems_.none()) return;
    for (const std::int32_t t : model_.outputs) {
      try {
        require(graph_.has_node(t), Errc::unsupported, "output {} is no value of the model", tensor_name(model_, t));
        graph_.output(graph_.node_of(t));
      } catch (const Error& e) {
        problems_.add(e.code(), e.what());
      }
    }
  }

  void import(const Site& s) {
    require_type(s);
    s.require(s.info().custom_code.empty(), Errc::unsupported, "custom operators are not understood");
    if (follow_shape_operator(s, known_)) return;
    switch (s.info().code) {
      case Builtin::conv_2d: return convolution(s);
      case Builtin::depthwise_conv_2d: return depthwise(s);
      case Builtin::fully_connected: return fully_connected(s);
      case Builtin::batch_matmul: return batch_matmul(s);
      case Builtin::max_pool_2d: return max_pool(s);
      case Builtin::average_pool_2d: return unary(s, read_pool<op::AveragePool>(s), s.activation());
      case Builtin::mean: return mean(s);
      case Builtin::sum: return unary(s, op::Sum{read_axes(s), s.options().keep_dims}, {}, 2);
      case Builtin::add:
      case Builtin::sub:
      case Builtin::mul: return elementwise(s);
      case Builtin::concatenation: return concatenation(s);
      case Builtin::pad: return pad(s);
      case Builtin::padv2: return pad_lowest(s);
      case Builtin::reshape:
      case Builtin::squeeze:
      case Builtin::expand_dims: return reshape(s);
      case Builtin::transpose: return unary(s, op::Transpose{read_transpose(s)}, {}, 2);
      case Builtin::softmax:
        expect_options(s, OptionsType::softmax);
        s.require(s.options().beta == 1.0f, Errc::unsupported, "beta is {}, must be 1", s.options().beta);
        return unary(s, op::Softmax{});
      case Builtin::log_softmax: return unary(s, op::LogSoftmax{});
      case Builtin::relu: return unary(s, op::Relu{});
      case Builtin::relu6: return unary(s, op::Relu6{});
      case Builtin::leaky_relu: return leaky_relu(s);
      case Builtin::logistic: return unary(s, op::Sigmoid{});
      case Builtin::tanh: return unary(s, op::Tanh{});
      case Builtin::hard_swish: return unary(s, op::HardSwish{});
      case Builtin::dequantize: return dequantize(s);
      case Builtin::quantize:
        s.fail(Errc::unsupported, "a float model has no codes; load_tflite_integer reads int8 models");
      default: break;
    }
    s.fail(Errc::unsupported, "this operator is not understood; docs/export.md lists those that are");
  }

  // Values are float32; operands that are constants are looked at where they are used.
  void require_type(const Site& s) const {
    if (s.info().code == Builtin::dequantize || s.info().code == Builtin::quantize) return;
    for (const std::int32_t t : s.info().outputs) {
      const TensorInfo& info = model_.tensors[static_cast<std::size_t>(t)];
      const bool shapes = s.info().code == Builtin::shape || s.info().code == Builtin::strided_slice ||
                          s.info().code == Builtin::pack;
      s.require(shapes || info.type == TensorType::float32, Errc::unsupported, "output has type {}, must be float32{}",
                type_name(info.type), info.type == TensorType::int8 ? "; load_tflite_integer reads int8 models" : "");
    }
  }

  void unary(const Site& s, graph::Operator op, integer::Activation activation = {}, std::size_t inputs = 1) {
    s.expect_inputs(inputs, inputs);
    graph_.finish(s, std::move(op), {graph_.value(s, 0)}, activation);
  }

  // Where a layer with a window reads: behind a PAD of its own, the value before it, with the margins as its padding.
  struct Source {
    int node;
    stet::Padding padding;
  };
  Source source(const Site& s) const {
    const stet::Padding padding = read_padding(s);
    if (const auto found = pads_.find(s.index(0)); found != pads_.end()) {
      const op::Pad& p = found->second.margins;
      return {found->second.node, stet::Padding::of(p.top, p.bottom, p.left, p.right)};
    }
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
    const Source from = source(s);
    op::Conv2D conv = read_conv2d(s, graph_.shape(from.node));
    conv.padding = from.padding;
    Tensor<float> b = bias(s, conv.filters);
    conv.bias = !b.empty();
    graph_.finish_layer(s, conv, from.node, graph_.constant(s, 1), std::move(b), 0, s.activation());
  }

  void depthwise(const Site& s) {
    s.expect_inputs(2, 3);
    const Source from = source(s);
    op::DepthwiseConv2D conv = read_depthwise(s, graph_.shape(from.node));
    conv.padding = from.padding;
    Tensor<float> b = bias(s, shape_of(s.input(1))[3]);
    conv.bias = !b.empty();
    graph_.finish_layer(s, conv, from.node, graph_.constant(s, 1), std::move(b), 3, s.activation());
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
      s.require(in.elements() == w[1], Errc::unsupported,
                "reads {} (without the batch) in rows of {}, so that one sample gives several; write a Reshape before it, "
                "or keep_num_dims",
                in, w[1]);
      from = graph_.add(op::Flatten{}, {from}, graph_.inner_name(s, "flatten"));
    }
    s.require(graph_.shape(from).back() == w[1], Errc::shape, "weights {} do not fit the input {} (without the batch)", w,
              graph_.shape(from));
    const op::Linear linear{.units = static_cast<int>(w[0]), .bias = !b.empty()};
    graph_.finish_layer(s, linear, from, graph_.constant(s, 1), std::move(b), 0, s.activation());
  }

  // The product of two values, or, if the second operand is a constant, a linear layer.
  void batch_matmul(const Site& s) {
    s.expect_inputs(2, 2);
    expect_options(s, OptionsType::batch_matmul);
    int a = graph_.value(s, 0);
    s.require(graph_.shape(a).rank() == 2, Errc::unsupported, "multiplies {} (without the batch); only matrices are understood",
              graph_.shape(a));
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
      s.require(graph_.shape(a).back() == w.shape()[1], Errc::shape, "the constant {} does not fit {} (without the batch)",
                shape, graph_.shape(a));
      return graph_.finish_layer(s, linear, a, w, {}, 0, integer::Activation::none);
    }
    int b = graph_.value(s, 1);
    s.require(graph_.shape(b).rank() == 2, Errc::unsupported, "multiplies with {} (without the batch); only matrices are understood",
              graph_.shape(b));
    if (s.options().adj_y) b = graph_.add(op::Transpose{{1, 0}}, {b}, graph_.inner_name(s, "right"));
    graph_.finish(s, op::Matmul{}, {a, b}, integer::Activation::none);
  }

  // A mean over the image is a GlobalAveragePool, which quantized training knows; kept dimensions are a Reshape.
  void mean(const Site& s) {
    const std::vector<int> axes = read_axes(s);
    const int from = graph_.value(s, 0);
    if (axes != std::vector<int>{0, 1} || graph_.shape(from).rank() != 3) {
      return graph_.finish(s, op::Mean{axes, s.options().keep_dims}, {from}, integer::Activation::none);
    }
    if (!s.options().keep_dims) return graph_.finish(s, op::GlobalAveragePool{}, {from}, integer::Activation::none);
    const std::int64_t channels = graph_.shape(from)[2];
    const int pooled = graph_.add(op::GlobalAveragePool{}, {from}, graph_.inner_name(s, "mean"));
    graph_.finish(s, op::Reshape{Shape{1, 1, channels}}, {pooled}, integer::Activation::none);
  }

  void elementwise(const Site& s) {
    s.expect_inputs(2, 2);
    const Builtin code = s.info().code;
    expect_options(s, code == Builtin::add ? OptionsType::add : code == Builtin::sub ? OptionsType::sub : OptionsType::mul);
    const bool first = graph_.is_constant(s.index(0)), second = graph_.is_constant(s.index(1));
    if (first || second) return with_constant(s, first ? 0 : 1);
    const std::vector<int> in{graph_.value(s, 0), graph_.value(s, 1)};
    if (code == Builtin::add) return graph_.finish(s, op::Add{}, in, s.activation());
    if (code == Builtin::sub) return graph_.finish(s, op::Sub{}, in, s.activation());
    graph_.finish(s, op::Mul{}, in, s.activation());
  }

  void with_constant(const Site& s, std::size_t constant) {
    const std::size_t other = 1 - constant;
    const int from = graph_.value(s, other);
    const Tensor<float> c = graph_.constant(s, constant);
    const Shape x = graph_.shape(from);
    s.require(x.rank() >= 1 && (c.size() == 1 || (c.size() == x.back() && c.shape().back() == c.size())), Errc::unsupported,
              "the constant {} has shape {}; only one number, or one per channel ({}), is understood", s.input(constant).name,
              c.shape(), x.back());
    const std::vector<float> values(c.span().begin(), c.span().end());
    std::vector<float> factor{1.0f}, summand{0.0f};
    if (s.info().code == Builtin::mul) {
      factor = values;
    } else {
      summand = values;
      if (s.info().code == Builtin::sub) {
        if (constant == 0) factor = {-1.0f};
        if (constant == 1) {
          for (float& v : summand) v = -v;
        }
      }
    }
    graph_.affine(s, s.index(other), factor, summand, s.activation());
  }

  void concatenation(const Site& s) {
    s.expect_inputs(1, 1u << 16);
    std::vector<int> in;
    for (std::size_t i = 0; i < s.info().inputs.size(); ++i) in.push_back(graph_.value(s, i));
    graph_.finish(s, op::Concat{read_concat_axis(s)}, std::move(in), s.activation());
  }

  // A PAD that only one unpadded convolution reads becomes that convolution's padding.
  void pad(const Site& s) {
    const op::Pad margins = read_pad(s);
    const int from = graph_.value(s, 0);
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    if (reader != nullptr && (reader->code == Builtin::conv_2d || reader->code == Builtin::depthwise_conv_2d) &&
        reader->inputs[0] == out && reader->options.padding == Padding::valid) {
      s.require_output(graph::infer(margins, std::vector<Shape>{graph_.shape(from)}));
      pads_[out] = {from, margins};
      return;
    }
    graph_.finish(s, margins, {from}, integer::Activation::none);
  }

  // A PADV2 with minus infinity, which one unpadded MAX_POOL_2D reads, is that pool's padding.
  void pad_lowest(const Site& s) {
    const op::Pad margins = read_pad(s);
    const int from = graph_.value(s, 0);
    const Tensor<float> lowest = read_constant<float>(s, s.input(2), TensorType::float32);
    s.require_output(graph::infer(margins, std::vector<Shape>{graph_.shape(from)}));
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    s.require(lowest.size() == 1 && lowest[0] <= std::numeric_limits<float>::lowest() && reader != nullptr &&
                  reader->code == Builtin::max_pool_2d && reader->options.padding == Padding::valid,
              Errc::unsupported, "only the lowest number, before an unpadded MAX_POOL_2D, is understood as padding");
    pads_[out] = {from, margins};
  }
  void max_pool(const Site& s) {
    s.expect_inputs(1, 1);
    op::MaxPool pool = read_pool<op::MaxPool>(s);
    const Source from = source(s);
    pool.padding = from.padding;
    graph_.finish(s, pool, {from.node}, s.activation());
  }

  void reshape(const Site& s) {
    s.expect_inputs(1, 2);
    const int from = graph_.value(s, 0);
    const Shape out = read_new_shape(s);
    if (out.rank() == 1) return graph_.finish(s, op::Flatten{}, {from}, integer::Activation::none);
    graph_.finish(s, op::Reshape{out}, {from}, integer::Activation::none);
  }

  void leaky_relu(const Site& s) {
    expect_options(s, OptionsType::leaky_relu);
    s.require(std::isfinite(s.options().alpha), Errc::range, "alpha is {}", s.options().alpha);
    unary(s, op::LeakyRelu{s.options().alpha});
  }

  void dequantize(const Site& s) {
    s.expect_inputs(1, 1);
    s.require(s.is_constant(0), Errc::unsupported, "reads codes of type {} that the model computes; load_tflite_integer reads int8 models",
              type_name(s.input(0).type));
    s.require(s.output().type == TensorType::float32 && s.output().shape == s.input(0).shape, Errc::format,
              "output has type {} and shape {}, must be float32 with the shape of the constant", type_name(s.output().type),
              shape_of(s.output()));
    graph_.set_constant(s.output_index(), dequantize_constant(s));
  }

  struct Margins {
    int node;
    op::Pad margins;
  };

  const ModelInfo& model_;
  std::string where_;
  FloatGraph graph_;
  KnownIntegers known_;
  Problems problems_;
  std::int64_t batch_ = -1;
  std::map<std::int32_t, Margins> pads_;  // by the tensor that the PAD makes
};

/// Makes a Model of a description.
/// Errors:    as load_tflite; `where` begins the message
inline Model import_model(const ModelInfo& model, const std::string& where) { return FloatImporter(model, where).run(); }

}  // namespace stet::tflite
