#pragma once
// Layers and windows of an integer model from a file: convolutions, products with matrices, pools, paddings.

#include <stet/integer/pooling.hpp>
#include <stet/io/tflite/import_integer_ends.hpp>
#include <stet/io/tflite/import_margins.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace stet::tflite {

/// The part of IntegerImporter that reads layers with constants, pools and paddings.
class IntegerLayers : protected IntegerEnds {
 public:
  using IntegerEnds::IntegerEnds;

 protected:
  WindowSource source(const Site& s) const {
    const stet::Padding padding = read_padding(s);
    if (const WindowSource* margin = margins_.find(s.index(0))) return *margin;
    return {graph_.operand(s, 0), padding};
  }

  template <class Op>
  void convolution(const Site& s, Op (*read)(const Site&, const Shape&)) {
    s.expect_inputs(2, 3);
    const WindowSource from = source(s);
    Op conv = read(s, graph_.value(from.from).shape);
    conv.padding = from.padding;
    graph_.finish_layer(s, conv, from.from);
  }
  void fully_connected(const Site& s) {
    s.expect_inputs(2, 3);
    expect_options(s, OptionsType::fully_connected);
    s.require(s.options().weights_format == 0, Errc::unsupported, "weights_format is {}, must be DEFAULT (0)",
              static_cast<int>(s.options().weights_format));
    int from = graph_.operand(s, 0);
    const Shape w = detail::read_filter(s, 2);
    const Shape in = graph_.value(from).shape;
    s.require(in.elements() == w[1], Errc::unsupported,
              "reads {} (without the batch) in rows of {}; one sample must be one row", in, w[1]);
    s.require(!s.options().keep_num_dims || in.rank() == 1, Errc::unsupported,
              "keep_num_dims with an input {} (without the batch); write a Reshape before it", in);
    if (in.rank() != 1) {
      const int flat = graph_.add_value(graph_.inner_name(s, "flatten"), Shape{w[1]}, graph_.value(from).codes);
      graph_.add_node(graph_.value(flat).name, op::Reshape{Shape{w[1]}}, {from}, flat);
      from = flat;
    }
    graph_.finish_layer(s, op::Linear{.units = static_cast<int>(w[0])}, from);
  }

  template <class Pool>
  void pool(const Site& s) {
    s.expect_inputs(1, 1);
    Pool p = read_pool<Pool>(s);
    const WindowSource source = this->source(s);
    const int from = source.from;
    p.padding = source.padding;
    const integer::Activation activation = s.activation();
    if (activation == integer::Activation::none) return graph_.finish_same(s, p, {from});
    graph_.require_same_params(s, from);
    require_clamp_behind(s, p, from, activation);
    const int pooled = graph_.add_value(graph_.inner_name(s, "pool"), graph_.infer(p, from), graph_.value(from).codes);
    graph_.add_node(graph_.value(pooled).name, p, {from}, pooled);
    graph_.finish_same(s, clamp_operator(activation), {pooled});
  }
  static graph::Operator clamp_operator(integer::Activation activation) {
    if (activation == integer::Activation::relu6) return op::Relu6{};
    return op::Relu{};
  }
  // A fused activation becomes an operator of its own, if that has the same bounds on the target.
  template <class Pool>
  void require_clamp_behind(const Site& s, const Pool& p, int from, integer::Activation activation) const {
    const Operand x{graph_.value(from).shape, graph_.value(from).codes};
    const Surroundings around{graph_.target(), {&x, 1}, x, activation};
    integer::Bounds fused;
    if constexpr (std::is_same_v<Pool, op::MaxPool>) {
      fused = resolve(p, around);
    } else {
      fused = resolve(p, around).bounds;
    }
    const integer::Bounds own = integer::make_clamp(graph_.target(), x.codes, activation).bounds;
    s.require(fused == own, Errc::unsupported,
              "fused activation clamps to {}..{}, an operator of its own to {}..{} on {}; its scale {} lies on a tie",
              fused.lo, fused.hi, own.lo, own.hi, graph_.target().name, x.codes.scale);
  }

  // As in float models: a PAD that only one unpadded convolution reads becomes that convolution's padding.
  void pad(const Site& s) {
    const op::Pad p = read_pad(s);
    const int from = graph_.operand(s, 0);
    graph_.require_same_params(s, from);
    const Shape shape = graph_.infer(p, from);
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    if (is_unpadded_convolution(reader, out)) {
      s.require_output(shape);
      return margins_.put(out, from, p);
    }
    graph_.finish_same(s, p, {from});
  }

  // A PADV2 with codes that win no maximum, which one unpadded MAX_POOL_2D reads, is that pool's padding.
  void pad_lowest(const Site& s) {
    const op::Pad p = read_pad(s);
    const int from = graph_.operand(s, 0);
    graph_.require_same_params(s, from);
    const Tensor<std::int8_t> lowest = read_constant<std::int8_t>(s, s.input(2), TensorType::int8);
    const Shape shape = graph_.infer(p, from);
    s.require_output(shape);
    const std::int32_t out = s.output_index();
    const OperatorInfo* reader = graph_.read_once(out) ? graph_.reader(out) : nullptr;
    s.require(lowest.size() == 1 && lowest[0] <= graph_.value(from).codes.grid.lo &&
                  is_unpadded_pool(reader, Builtin::max_pool_2d),
              Errc::unsupported, "only the lowest code, before an unpadded MAX_POOL_2D, is understood as padding");
    margins_.put(out, from, p);
  }

  Margins margins_{};
};

}  // namespace stet::tflite
