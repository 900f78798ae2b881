#pragma once
// FloatImporter: a float32 description becomes a Model, operator by operator.

#include <stet/core/entry.hpp>
#include <stet/io/tflite/import_float_layers.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Makes a Model of a description whose values are float32. Use import_model.
class FloatImporter : FloatLayers {
 public:
  using FloatLayers::FloatLayers;

  Model run(const ImportOptions& options) {
    begin();
    for (const OperatorInfo& op : model_.operators) {
      const Site site(model_, op, known_, batch_);
      try {
        import(site);
      } catch (const Error& e) {
        if (graph_.budget_spent()) throw;
        const std::string text = e.what();
        problems_.add(e.code(), text.starts_with(site.where()) ? text : site.where() + ": " + text);
        graph_.stand_in(site);
      } catch (const Skipped&) {
      }
    }
    end();
    problems_.require_none(where_);
    try {
      return graph_.finished(options, where_);
    } catch (const Error& e) {
      const std::string text = e.what();
      throw Error(e.code(), text.starts_with(where_) ? text : where_ + ": " + text);
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
        require(info.type == TensorType::float32, Errc::unsupported, "input {} has type {}, must be float32{}",
                info.name, type_name(info.type),
                info.type == TensorType::int8 ? "; load_tflite_integer reads int8 models" : "");
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
      case Builtin::conv_2d:
        return convolution(s);
      case Builtin::depthwise_conv_2d:
        return depthwise(s);
      case Builtin::fully_connected:
        return fully_connected(s);
      case Builtin::batch_matmul:
        return batch_matmul(s);
      case Builtin::max_pool_2d:
        return max_pool(s);
      case Builtin::average_pool_2d:
        return average_pool(s);
      case Builtin::mean:
        return mean(s);
      case Builtin::sum:
        return unary(s, op::Sum{read_axes(s), s.options().keep_dims}, {}, 2);
      case Builtin::add:
      case Builtin::sub:
      case Builtin::mul:
        return elementwise(s);
      case Builtin::concatenation:
        return concatenation(s);
      case Builtin::pad:
        return pad(s);
      case Builtin::padv2:
        return pad_lowest(s);
      case Builtin::reshape:
      case Builtin::squeeze:
      case Builtin::expand_dims:
        return reshape(s);
      case Builtin::transpose:
        return unary(s, op::Transpose{read_transpose(s)}, {}, 2);
      case Builtin::softmax:
        expect_options(s, OptionsType::softmax);
        s.require(s.options().beta == 1.0f, Errc::unsupported, "beta is {}, must be 1", s.options().beta);
        return unary(s, op::Softmax{});
      case Builtin::log_softmax:
        return unary(s, op::LogSoftmax{});
      case Builtin::relu:
        return unary(s, op::Relu{});
      case Builtin::relu6:
        return unary(s, op::Relu6{});
      case Builtin::leaky_relu:
        return leaky_relu(s);
      case Builtin::logistic:
        return unary(s, op::Sigmoid{});
      case Builtin::tanh:
        return unary(s, op::Tanh{});
      case Builtin::hard_swish:
        return unary(s, op::HardSwish{});
      case Builtin::dequantize:
        return dequantize(s);
      case Builtin::quantize:
        s.fail(Errc::unsupported, "a float model has no codes; load_tflite_integer reads int8 models");
      default:
        break;
    }
    s.fail(Errc::unsupported, "this operator is not understood; docs/export.md lists those that are");
  }

  // Values are float32; operands that are constants are looked at where they are used.
  void require_type(const Site& s) const {
    if (s.info().code == Builtin::dequantize || s.info().code == Builtin::quantize) return;
    for (const std::int32_t t : s.info().outputs) {
      const TensorInfo& info = model_.tensors[static_cast<std::size_t>(t)];
      const bool shapes =
          s.info().code == Builtin::shape || s.info().code == Builtin::strided_slice || s.info().code == Builtin::pack;
      s.require(shapes || info.type == TensorType::float32, Errc::unsupported, "output has type {}, must be float32{}",
                type_name(info.type), info.type == TensorType::int8 ? "; load_tflite_integer reads int8 models" : "");
    }
  }

  void unary(const Site& s, graph::Operator op, integer::Activation activation = {}, std::size_t inputs = 1) {
    s.expect_inputs(inputs, inputs);
    graph_.finish(s, std::move(op), {graph_.value(s, 0)}, activation);
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
    expect_options(s, code == Builtin::add   ? OptionsType::add
                      : code == Builtin::sub ? OptionsType::sub
                                             : OptionsType::mul);
    const bool first = graph_.is_constant(s.index(0)), second = graph_.is_constant(s.index(1));
    if (shared_.count(s.index(0)) > 0) return graph_.take_over(s, s.index(0), s.activation());
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
    s.require(x.rank() >= 1 && (c.size() == 1 || (c.size() == x.back() && c.shape().back() == c.size())),
              Errc::unsupported,
              "the constant {} has shape {}; only one number, or one per channel ({}), is understood",
              s.input(constant).name, c.shape(), x.back());
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
    s.require(s.is_constant(0), Errc::unsupported,
              "reads codes of type {} that the model computes; load_tflite_integer reads int8 models",
              type_name(s.input(0).type));
    s.require(s.output().type == TensorType::float32 && s.output().shape == s.input(0).shape, Errc::format,
              "output has type {} and shape {}, must be float32 with the shape of the constant",
              type_name(s.output().type), shape_of(s.output()));
    graph_.set_constant(s.output_index(), s.index(0), dequantize_constant(s));
  }
};

/// Makes a Model of a description.
/// Errors:    as load_tflite; `where` begins the message
STET_ENTRY Model import_model(const ModelInfo& model, const std::string& where, const ImportOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Model import_model(const ModelInfo& model, const std::string& where, const ImportOptions& options) {
  return FloatImporter(model, where).run(options);
}
#endif

}  // namespace stet::tflite
