#pragma once
// IntegerImporter: an int8 description becomes an IntegerModel, operator by operator.

#include <stet/core/entry.hpp>
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
        return convolution(s, read_conv2d);
      case Builtin::depthwise_conv_2d:
        return convolution(s, read_depthwise);
      case Builtin::fully_connected:
        return fully_connected(s);
      case Builtin::max_pool_2d:
        return pool<op::MaxPool>(s);
      case Builtin::average_pool_2d:
        return pool<op::AveragePool>(s);
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
        return same(s, op::Relu{});
      case Builtin::relu6:
        return same(s, op::Relu6{});
      case Builtin::leaky_relu:
        expect_options(s, OptionsType::leaky_relu);
        s.require(std::isfinite(s.options().alpha), Errc::range, "alpha is {}", s.options().alpha);
        return function(s, op::LeakyRelu{s.options().alpha});
      case Builtin::logistic:
        return function(s, op::Sigmoid{});
      case Builtin::tanh:
        return function(s, op::Tanh{});
      case Builtin::hard_swish:
        return function(s, op::HardSwish{});
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
    if (!s.options().keep_dims) return graph_.finish(s, op::GlobalAveragePool{}, {from});
    const int flat = graph_.add_value(graph_.inner_name(s, "mean"), Shape{in[2]}, IntegerGraph::codes(s, s.output()));
    graph_.add_node(graph_.value(flat).name, op::GlobalAveragePool{}, {from}, flat);
    graph_.finish(s, op::Reshape{Shape{1, 1, in[2]}}, {flat});
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
    if (code == Builtin::mul) return computed(s, op::Mul{}, {a, b});
    if (code == Builtin::sub) return computed(s, op::Sub{}, {a, b});
    computed(s, op::Add{}, {a, b});
  }
  // An operator that the target must be able to run at the scales of the file.
  template <class Op>
  void computed(const Site& s, const Op& o, std::vector<int> inputs) {
    std::vector<Operand> in;
    for (const int v : inputs) in.push_back({graph_.value(v).shape, graph_.value(v).codes});
    const Operand out{s.output_sample(), IntegerGraph::codes(s, s.output())};
    const integer::Activation activation = graph::op::TableOp<Op> ? integer::Activation::none : s.activation();
    (void)resolve(o, {graph_.target(), in, out, activation});
    graph_.finish(s, o, std::move(inputs), activation);
  }

  void concatenation(const Site& s) {
    s.expect_inputs(1, 1u << 16);
    s.require(s.activation() == integer::Activation::none, Errc::unsupported,
              "an int8 concatenation has no activation");
    std::vector<int> in;
    for (std::size_t i = 0; i < s.info().inputs.size(); ++i) in.push_back(graph_.operand(s, i));
    graph_.finish_same(s, op::Concat{read_concat_axis(s)}, std::move(in));
  }

  void reshape(const Site& s) {
    s.expect_inputs(1, 2);
    const int from = graph_.operand(s, 0);
    graph_.finish_same(s, op::Reshape{read_new_shape(s)}, {from});
  }

  void transpose(const Site& s) {
    const op::Transpose t{read_transpose(s)};
    graph_.finish_same(s, t, {graph_.operand(s, 0)});
  }

  void same(const Site& s, const graph::Operator& o) {
    s.expect_inputs(1, 1);
    graph_.finish_same(s, o, {graph_.operand(s, 0)});
  }

  template <graph::op::TableOp Op>
  void function(const Site& s, const Op& o) {
    s.expect_inputs(1, 1);
    computed(s, o, {graph_.operand(s, 0)});
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
    const Affine p = IntegerGraph::codes(s, s.input(1));
    s.require(end.size() == 1 && p.scale == graph_.value(from).codes.scale &&
                  p.zero_point == graph_.value(from).codes.zero_point,
              Errc::unsupported, "only one code under the scale of the value is understood as a bound");
    const graph::Operator* maker = graph_.maker(from);
    if (maker == nullptr) return graph_.set_value(s.output_index(), from);
    Grid grid = graph_.value(from).codes.grid;
    (s.info().code == Builtin::minimum ? grid.hi : grid.lo) = end[0];
    s.require(
        grid.lo < grid.hi && grid.contains(p.zero_point) && graph_.read_once(s.index(0)) && !graph::moves_codes(*maker),
        Errc::unsupported,
        "bounds the codes of {} by {}; understood behind an operator that makes new codes and has no other reader",
        graph_.value(from).name, static_cast<int>(end[0]));
    graph_.limit(s, s.index(0), grid);
  }
};

/// Makes an IntegerModel of a description.
/// Errors:    as load_tflite_integer; `where` begins the message
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where);
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerModel import_integer_model(const ModelInfo& model, const Target& target, const std::string& where) {
  return IntegerImporter(model, target, where).run();
}
#endif

}  // namespace stet::tflite
