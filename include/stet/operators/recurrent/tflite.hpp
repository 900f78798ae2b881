#pragma once
// Recurrent layers in .tflite files: step by step. LiteRT's own sequence operator keeps its state from one run to the next,
// which no other operator of a network does, and there is none for a GRU.

#include <stet/core/warning.hpp>
#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

namespace detail {

// The steps of one layer as operators on values [1,..] of one step.
class Steps {
 public:
  Steps(FloatWriter& w, std::int64_t units, std::int64_t gates)
      : w_(w), units_(units), weight_(w.model().parameter(w.node().name + ".weight").value),
        bias_(w.model().parameter(w.node().name + ".bias").value), inputs_(weight_.shape()[1] - units) {
    all_ = product(w.input(), w.node().in.with(1, gates * units), ":gates", weights(":weight", 0, gates * units, 0, inputs_),
                   biases(":bias", 0, gates * units));
  }

  // Rows of the weights, and columns: those of the input come first.
  std::int32_t weights(const char* suffix, std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
    Tensor<float> part(Shape{rows, columns});
    auto to = part.edit();
    for (std::int64_t i = 0; i < part.size(); ++i) {
      to[static_cast<std::size_t>(i)] = weight_[(row + i / columns) * weight_.shape()[1] + column + i % columns];
    }
    return w_.real(w_.node().name + suffix, part);
  }
  std::int32_t state_weights(const char* suffix, std::int64_t row, std::int64_t rows) { return weights(suffix, row, rows, inputs_, units_); }
  std::int32_t biases(const char* suffix, std::int64_t first, std::int64_t count) {
    Tensor<float> part(Shape{count});
    for (std::int64_t i = 0; i < count; ++i) part.edit()[static_cast<std::size_t>(i)] = bias_[first + i];
    return w_.real(w_.node().name + suffix, part);
  }
  std::int32_t no_bias(std::int64_t count) { return w_.real(w_.node().name + ":zeros", Tensor<float>::zeros(Shape{count})); }

  void begin(std::int64_t step) {
    step_ = step;
    made_ = 0;
  }
  std::int32_t product(std::int32_t x, const Shape& shape, const std::string& suffix, std::int32_t weight, std::int32_t bias) {
    return operation(Builtin::fully_connected, {x, weight, bias}, shape, suffix, {.type = OptionsType::fully_connected, .keep_num_dims = true});
  }
  std::int32_t product(std::int32_t x, std::int64_t units, std::int32_t weight, std::int32_t bias) {
    return product(x, Shape{1, units}, next(), weight, bias);
  }
  // What the input adds to `count` gates from the first on.
  std::int32_t of_input(std::int64_t first, std::int64_t count) { return part(part(all_, 1, step_, 1, weight_.shape()[0]), 2, first, count, count); }
  std::int32_t gate(std::int32_t x, std::int64_t which) { return part(x, 2, which * units_, units_, units_); }
  std::int32_t function(Builtin code, std::int32_t x) { return operation(code, {x}, one(), next(), {}); }
  std::int32_t add(std::int32_t a, std::int32_t b, std::int64_t units) {
    return operation(Builtin::add, {a, b}, Shape{1, units}, next(), {.type = OptionsType::add});
  }
  std::int32_t add(std::int32_t a, std::int32_t b) { return add(a, b, units_); }
  std::int32_t sub(std::int32_t a, std::int32_t b) { return operation(Builtin::sub, {a, b}, one(), next(), {.type = OptionsType::sub}); }
  std::int32_t mul(std::int32_t a, std::int32_t b) { return operation(Builtin::mul, {a, b}, one(), next(), {.type = OptionsType::mul}); }

 private:
  [[nodiscard]] Shape one() const { return Shape{1, units_}; }
  std::string next() { return formatted(":{}.{}", step_, made_++); }
  std::int32_t operation(Builtin code, std::vector<std::int32_t> inputs, const Shape& shape, const std::string& suffix, const Options& options) {
    const std::int32_t y = w_.value(w_.node().name + suffix, shape, TensorType::float32);
    w_.operation(code, std::move(inputs), y, options);
    return y;
  }
  // `count` elements from the first on of dimension `axis`, the batch counted, of a value with `units` of them in the end.
  std::int32_t part(std::int32_t x, int axis, std::int64_t first, std::int64_t count, std::int64_t units) {
    std::vector<std::int32_t> from(3, 0), to(3, 0);
    from[static_cast<std::size_t>(axis)] = Writer::dimensions({first})[0];
    to[static_cast<std::size_t>(axis)] = Writer::dimensions({first + count})[0];
    const std::int32_t mask = 7 & ~(1 << axis);
    const std::string name = next();
    return operation(Builtin::strided_slice,
                     {x, w_.indices(w_.node().name + name + ":begin", from), w_.indices(w_.node().name + name + ":end", to),
                      w_.indices(w_.node().name + name + ":strides", {1, 1, 1})},
                     Shape{1, units}, name, {.type = OptionsType::strided_slice, .begin_mask = mask, .end_mask = mask});
  }

  FloatWriter& w_;
  std::int64_t units_;
  Tensor<float> weight_, bias_;
  std::int64_t inputs_;
  std::int32_t all_ = -1;
  std::int64_t step_ = 0;
  int made_ = 0;
};

// Calls next(state) for each step, in the layer's order, and puts the states side by side in the input's. `state` is -1 at first.
template <class F>
void write_steps(FloatWriter& w, Steps& s, bool reverse, F&& next) {
  const std::int64_t steps = w.node().in[0];
  std::vector<std::int32_t> states(static_cast<std::size_t>(steps), -1);
  std::int32_t state = -1;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t step = reverse ? steps - 1 - i : i;
    s.begin(step);
    states[static_cast<std::size_t>(step)] = state = next(state);
  }
  w.emit(Builtin::concatenation, std::move(states), {.type = OptionsType::concatenation, .axis = 1});
}

}  // namespace detail

inline void write(const op::Lstm& o, FloatWriter& w) {
  const std::int64_t units = o.units;
  detail::Steps s(w, units, 4);
  const std::int32_t weight = s.state_weights(":state_weight", 0, 4 * units), zeros = s.no_bias(4 * units);
  std::int32_t cell = -1;
  detail::write_steps(w, s, o.reverse, [&](std::int32_t state) {
    std::int32_t gates = s.of_input(0, 4 * units);
    if (state >= 0) gates = s.add(gates, s.product(state, 4 * units, weight, zeros), 4 * units);
    const std::int32_t in = s.function(Builtin::logistic, s.gate(gates, 0));
    const std::int32_t fresh = s.mul(in, s.function(Builtin::tanh, s.gate(gates, 2)));
    cell = cell < 0 ? fresh : s.add(s.mul(s.function(Builtin::logistic, s.gate(gates, 1)), cell), fresh);
    return s.mul(s.function(Builtin::logistic, s.gate(gates, 3)), s.function(Builtin::tanh, cell));
  });
}
inline void write(const op::Gru& o, FloatWriter& w) {
  const std::int64_t units = o.units;
  detail::Steps s(w, units, 3);
  const std::int32_t gate_weight = s.state_weights(":gate_weight", 0, 2 * units), zeros = s.no_bias(2 * units),
                     weight = s.state_weights(":state_weight", 2 * units, units), bias = s.biases(":state_bias", 3 * units, units);
  detail::write_steps(w, s, o.reverse, [&](std::int32_t state) {
    std::int32_t gates = s.of_input(0, 2 * units);
    if (state >= 0) gates = s.add(gates, s.product(state, 2 * units, gate_weight, zeros), 2 * units);
    const std::int32_t reset = s.function(Builtin::logistic, s.gate(gates, 0)), keep = s.function(Builtin::logistic, s.gate(gates, 1));
    const std::int32_t before = state < 0 ? bias : s.product(state, units, weight, bias);
    const std::int32_t fresh = s.function(Builtin::tanh, s.add(s.of_input(2 * units, units), s.mul(reset, before)));
    // (1 - keep) fresh + keep state
    return state < 0 ? s.sub(fresh, s.mul(keep, fresh)) : s.add(fresh, s.mul(keep, s.sub(state, fresh)));
  });
}
inline FloatTraits traits_of(const op::Lstm&, const Shape&) {
  return {.fault_at_16_bits = "its steps have no scales of 16 bits"};
}
inline FloatTraits traits_of(const op::Gru&, const Shape&) {
  return {.fault_at_16_bits = "its steps have no scales of 16 bits"};
}

namespace detail {

// LiteRT's LSTM over a sequence, with all its gates and none of its additions. Its state begins with zeros for each sample here.
inline void read_sequence_lstm(const Site& s, FloatImporter& in) {
  s.expect_inputs(9, 24);
  s.expect_options(OptionsType::unidirectional_sequence_lstm);
  const Options& o = s.options();
  s.require(o.fused_activation == FusedActivation::tanh && o.proj_clip == 0.0f && !o.time_major, Errc::unsupported,
            "fused_activation_function is {} (must be tanh, 4), proj_clip {} (must be 0), time_major {} (must be false)",
            static_cast<int>(o.fused_activation), o.proj_clip, o.time_major);
  for (const std::size_t i : {9u, 10u, 11u, 16u, 17u, 20u, 21u, 22u, 23u}) {
    s.require(!s.has(i), Errc::unsupported, "input {} is there; peepholes, projections and layer norms are not understood", i);
  }
  const int x = in.value(s, 0);
  const Shape sequence = in.shape(x);
  s.require(sequence.rank() == 2, Errc::unsupported, "reads {} (without the batch), must be [steps,features]", sequence);
  // A cell grows by less than 1 in a step.
  if (o.cell_clip > 0.0f && static_cast<float>(sequence[0]) > o.cell_clip) {
    warn("{}: the file cuts cells beyond {}, which {} steps can reach; here they are not cut", s.where(), o.cell_clip, sequence[0]);
  }
  const std::int64_t units = s.output_sample().back(), inputs = sequence[1], width = inputs + units;
  Tensor<float> weights(Shape{4 * units, width}), bias(Shape{4 * units});
  for (std::size_t gate = 0; gate < 4; ++gate) {  // input, forget, cell, output, in both
    const Tensor<float> w = in.constant(s, 1 + gate), r = in.constant(s, 5 + gate), b = in.constant(s, 12 + gate);
    s.require(w.shape() == Shape{units, inputs} && r.shape() == Shape{units, units} && b.shape() == Shape{units}, Errc::shape,
              "weights {}, {} and bias {} of gate {} do not fit {} features and {} units", w.shape(), r.shape(), b.shape(), gate, inputs, units);
    const auto first = static_cast<std::int64_t>(gate) * units;
    for (std::int64_t u = 0; u < units; ++u) {
      std::copy_n(w.data() + u * inputs, inputs, weights.edit().data() + (first + u) * width);
      std::copy_n(r.data() + u * units, units, weights.edit().data() + (first + u) * width + inputs);
    }
    std::copy_n(b.data(), units, bias.edit().data() + first);
  }
  in.finish_made(s, op::Lstm{static_cast<int>(units)}, x, std::move(weights), std::move(bias));
}

}  // namespace detail

inline constexpr Row recurrent_rows[] = {{Builtin::unidirectional_sequence_lstm, {detail::read_sequence_lstm, nullptr}}};

}  // namespace stet::tflite
