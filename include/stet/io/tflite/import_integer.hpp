#pragma once
// IntegerImporter: an int8 description becomes an IntegerModel, operator by operator.

#include <stet/core/entry.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/io/tflite/import_integer_layers.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Makes an IntegerModel of a description whose values are int8. Use import_integer_model.
class IntegerImporter : IntegerLayers {
 public:
  using IntegerLayers::IntegerLayers;

  IntegerModel run() {
    add_input();
    for (const OperatorInfo& op : model_.operators) {
      const Site site(model_, op, known_, batch_);
      try {
        import(site);
      } catch (const Error& e) {
        if (graph_.budget_spent()) throw;
        const std::string text = e.what();
        problems_.add(e.code(), text.starts_with(site.where()) ? text : site.where() + ": " + text);
        stand_in(site);
      } catch (const Skipped&) {
      }
    }
    end();
    problems_.require_none(where_);
    IntegerModel made = graph_.finished(problems_);
    problems_.require_none(where_);
    return made;
  }

 private:
  void end() {
    if (!problems_.none()) return;
    std::vector<int> outputs;
    for (const std::int32_t t : model_.outputs) {
      try {
        require(graph_.has_value(t), Errc::unsupported, "output {} is no value of the model", tensor_name(model_, t));
        outputs.push_back(graph_.value_of(t));
      } catch (const Error& e) {
        problems_.add(e.code(), e.what());
      }
    }
    for (const int v : outputs) graph_.output(v);
  }

  // A value of the file's shape, so that what is behind a problem is looked at too.
  void stand_in(const Site& s) {
    for (const std::int32_t t : s.info().outputs) {
      try {
        (void)graph_.add_value(s, t, "stand_in");
      } catch (const Error&) {
      }
    }
  }

  void import(const Site& s) {
    s.require(s.info().custom_code.empty(), Errc::unsupported, "custom operators are not understood");
    if (follow_shape_operator(s, known_)) return;
    switch (s.info().code) {
      case Builtin::quantize:
        return quantize(s);
      case Builtin::dequantize:
        return dequantize(s);
      case Builtin::conv_2d:
        return convolution(s);
      case Builtin::depthwise_conv_2d:
        return depthwise(s);
      case Builtin::fully_connected:
        return fully_connected(s);
      case Builtin::max_pool_2d:
        return pool<op::MaxPool, integer_op::MaxPool>(s);
      case Builtin::average_pool_2d:
        return pool<op::AveragePool, integer_op::AveragePool>(s);
      case Builtin::mean:
        return mean(s);
      case Builtin::add:
      case Builtin::sub:
      case Builtin::mul:
        return elementwise(s);
      case Builtin::concatenation:
        return concatenation(s);
      case Builtin::pad:
        return pad(s);
      case Builtin::reshape:
      case Builtin::squeeze:
      case Builtin::expand_dims:
        return reshape(s);
      case Builtin::transpose:
        return transpose(s);
      case Builtin::relu:
        return clamp(s, integer::Activation::relu);
      case Builtin::relu6:
        return clamp(s, integer::Activation::relu6);
      case Builtin::leaky_relu:
        expect_options(s, OptionsType::leaky_relu);
        s.require(std::isfinite(s.options().alpha), Errc::range, "alpha is {}", s.options().alpha);
        return lookup(s, integer::Function::leaky_relu, s.options().alpha);
      case Builtin::logistic:
        return lookup(s, integer::Function::sigmoid, 0.0f);
      case Builtin::tanh:
        return lookup(s, integer::Function::tanh, 0.0f);
      case Builtin::hard_swish:
        return lookup(s, integer::Function::hard_swish, 0.0f);
      case Builtin::minimum:
      case Builtin::maximum:
        return limit(s);
      case Builtin::padv2:
        return pad_lowest(s);
      case Builtin::softmax:
      case Builtin::log_softmax:
        s.fail(Errc::unsupported,
               "softmax stays outside of integer models; convert the network without it, ending in logits");
      default:
        break;
    }
    s.fail(Errc::unsupported, "has no integer operator in stet; docs/export.md lists those that have");
  }

  void mean(const Site& s) {
    const std::vector<int> axes = read_axes(s);
    const int from = graph_.operand(s, 0);
    const Shape in = graph_.value(from).shape;
    s.require(axes == std::vector<int>{0, 1} && in.rank() == 3, Errc::unsupported,
              "only a mean over height and width of an image has an integer operator");
    if (!s.options().keep_dims) {
      graph_.finish(s, integer_op::Mean{}, {from}, Shape{in[2]}, "mean");
      return;
    }
    const int flat = graph_.add_value(graph_.inner_name(s, "mean"), Shape{in[2]}, IntegerGraph::params(s, s.output()));
    graph_.add_node(graph_.value(flat).name, integer_op::Mean{}, {from}, flat);
    graph_.finish(s, integer_op::Reshape{}, {flat}, Shape{1, 1, in[2]}, "reshape");
  }

  void elementwise(const Site& s) {
    s.expect_inputs(2, 2);
    const Builtin code = s.info().code;
    expect_options(s, code == Builtin::add   ? OptionsType::add
                      : code == Builtin::sub ? OptionsType::sub
                                             : OptionsType::mul);
    const int a = graph_.operand(s, 0), b = graph_.operand(s, 1);
    s.require(graph_.value(a).shape == graph_.value(b).shape, Errc::unsupported,
              "operands have shapes {} and {}; integer models do not repeat values", graph_.value(a).shape,
              graph_.value(b).shape);
    const QParams out = IntegerGraph::params(s, s.output());
    const auto in = [this](int v) {
      return integer::Quantized{graph_.value(v).params.scale[0], graph_.value(v).params.zero_point[0]};
    };
    const integer::QuantizedOutput y{out.scale[0], out.zero_point[0], s.activation(), out.grid};
    IntegerOperator made;
    if (code == Builtin::mul) {
      (void)integer::make_multiply(graph_.target(), in(a), in(b), y);
      made = integer_op::Mul{y.activation};
    } else {
      (void)integer::make_add(graph_.target(), in(a), in(b), y, code == Builtin::sub);
      made = code == Builtin::sub ? IntegerOperator(integer_op::Sub{y.activation})
                                  : IntegerOperator(integer_op::Add{y.activation});
    }
    graph_.finish(s, std::move(made), {a, b}, graph_.value(a).shape, operator_name(s.info()));
  }

  void concatenation(const Site& s) {
    s.expect_inputs(1, 1u << 16);
    s.require(s.activation() == integer::Activation::none, Errc::unsupported,
              "an int8 concatenation has no activation");
    std::vector<int> in;
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < s.info().inputs.size(); ++i) {
      in.push_back(graph_.operand(s, i));
      shapes.push_back(graph_.value(in.back()).shape);
    }
    const op::Concat concat{read_concat_axis(s)};
    const Shape shape = graph::infer(concat, shapes);
    graph_.finish_same(s, integer_op::Concat{concat.axis}, std::move(in), shape, "concat");
  }

  void reshape(const Site& s) {
    s.expect_inputs(1, 2);
    const int from = graph_.operand(s, 0);
    graph_.finish_same(s, integer_op::Reshape{}, {from}, read_new_shape(s), "reshape");
  }

  void transpose(const Site& s) {
    const op::Transpose t{read_transpose(s)};
    const int from = graph_.operand(s, 0);
    graph_.finish_same(s, integer_op::Transpose{t.axes}, {from}, graph_.infer(t, from), "transpose");
  }

  void clamp(const Site& s, integer::Activation activation) {
    s.expect_inputs(1, 1);
    const int from = graph_.operand(s, 0);
    graph_.finish_same(s, integer_op::Clamp{activation}, {from}, graph_.value(from).shape, "clamp");
  }

  void lookup(const Site& s, integer::Function function, float alpha) {
    s.expect_inputs(1, 1);
    const int from = graph_.operand(s, 0);
    const QParams &in = graph_.value(from).params, out = IntegerGraph::params(s, s.output());
    (void)integer::make_table(
        graph_.target(), {function, alpha, in.scale[0], in.zero_point[0], out.scale[0], out.zero_point[0], out.grid});
    graph_.finish(s, integer_op::Lookup{function, alpha}, {from}, graph_.value(from).shape, integer::name(function));
  }

  // A MINIMUM or MAXIMUM of a value with one code is how an activation of fewer than 8 bits is written: the grid of the
  // value before it.
  void limit(const Site& s) {
    s.expect_inputs(2, 2);
    expect_options(s, OptionsType::maximum_minimum);
    const int from = graph_.operand(s, 0);
    graph_.require_same_params(s, from);
    s.require_output(graph_.value(from).shape);
    const Tensor<std::int8_t> end = read_constant<std::int8_t>(s, s.input(1), TensorType::int8);
    const QParams p = IntegerGraph::params(s, s.input(1));
    s.require(end.size() == 1 && p.scale == graph_.value(from).params.scale &&
                  p.zero_point == graph_.value(from).params.zero_point,
              Errc::unsupported, "only one code under the scale of the value is understood as a bound");
    const IntegerOperator* maker = graph_.maker(from);
    if (maker == nullptr) return graph_.set_value(s.output_index(), from);
    Grid grid = graph_.value(from).params.grid;
    (s.info().code == Builtin::minimum ? grid.hi : grid.lo) = end[0];
    s.require(
        grid.lo < grid.hi && grid.contains(p.zero_point[0]) && graph_.read_once(s.index(0)) && makes_codes(*maker),
        Errc::unsupported,
        "bounds the codes of {} by {}; understood behind an operator that makes new codes and has no other reader",
        graph_.value(from).name, static_cast<int>(end[0]));
    graph_.limit(s, s.index(0), grid);
  }
};

/// Makes an IntegerModel of a description.
/// Errors:    as load_tflite_integer; `where` begins the message
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where);
#if STET_DEFINE_DEPLOYMENT
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where) {
  return IntegerImporter(model, target, where).run();
}
#endif

}  // namespace stet::tflite
