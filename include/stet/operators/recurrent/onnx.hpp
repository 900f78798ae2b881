#pragma once
// Recurrent layers in .onnx: written and read. Sequences are [steps,samples,features] there, whatever stands around them.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

// Where a gate of ONNX stands among ours.
inline constexpr std::array lstm_gates{0, 3, 1, 2};  // i, o, f, g of i, f, g, o
inline constexpr std::array gru_gates{1, 0, 2};      // z, r, n of r, z, n

inline void write_recurrent(FloatWriter& w, const char* op_type, std::span<const int> gates, std::int64_t units,
                            bool reverse, AttributeList attributes) {
  const Tensor<float>&weight = w.weights(), &bias = *w.tensor(graph::Role::bias);
  const std::int64_t width = weight.shape()[1], inputs = width - units, count = static_cast<std::int64_t>(gates.size());
  std::vector<float> of_input, of_state, biases, others(at(count * units), 0.0f);
  for (const int gate : gates) {
    for (std::int64_t u = 0; u < units; ++u) {
      const float* row = weight.data() + (gate * units + u) * width;
      of_input.insert(of_input.end(), row, row + inputs);
      of_state.insert(of_state.end(), row + inputs, row + width);
      biases.push_back(bias[gate * units + u]);
    }
  }
  if (count == 3) std::copy_n(bias.data() + 3 * units, units, others.end() - units);  // the state's part of a new value
  biases.insert(biases.end(), others.begin(), others.end());
  const std::string& name = w.name();
  Names in{w.add("Transpose", name + "_steps", {w.get(w.input(), Layout::last)}, {attribute("perm", Ints{1, 0, 2})}),
           w.constant(name + ".weight", {1, count * units, inputs}, of_input),
           w.constant(name + ".recurrent_weight", {1, count * units, units}, of_state),
           w.constant(name + ".bias", {1, 2 * count * units}, biases)};
  attributes.push_back(attribute("hidden_size", units));
  if (reverse) attributes.push_back(attribute("direction", "reverse"));
  const std::string all = w.add(op_type, name, std::move(in), name + "_states", std::move(attributes));
  const std::string one = w.add("Squeeze", name + "_one", {all, w.list(name + ".axes", Ints{1})});
  w.place_reals(w.add("Transpose", name + "_samples", {one}, name, {attribute("perm", Ints{1, 0, 2})}), Layout::last);
}

// One of several directions of a constant [directions,...].
inline std::vector<float> direction_of(const Constant& c, std::int64_t which, std::int64_t size) {
  return {c.reals.begin() + which * size, c.reals.begin() + (which + 1) * size};
}

inline void expect_default_functions(Importer& g, Attributes& a, std::size_t directions, const std::vector<std::string>& usual) {
  for (const AttributeInfo& of : g.node->attributes) {
    if (of.name != "activations") continue;
    bool same = of.texts.size() == usual.size() * directions;
    for (std::size_t i = 0; same && i < of.texts.size(); ++i) {
      same = std::equal(of.texts[i].begin(), of.texts[i].end(), usual[i % usual.size()].begin(), usual[i % usual.size()].end(),
                        [](char x, char y) { return (x | 32) == (y | 32); });
    }
    require(same, Errc::unsupported, "attribute activations: only the usual functions, sigmoid and tanh, are understood");
  }
  a.ignore("activations");
  a.ignore("activation_alpha");
  a.ignore("activation_beta");
  require(!a.has("clip"), Errc::unsupported, "attribute clip is not understood");
}

// Nothing but zeros, however many there are.
inline void expect_zeros(Importer& g, std::size_t input, const char* what) {
  if (!g.has_input(input)) return;
  require(g.is_constant(input), Errc::unsupported,
          "{} is computed or an input of the model; only sequences that begin with zeros are understood, for samples know nothing of each other",
          what);
  const Constant& c = g.reals(input, what);
  require(std::all_of(c.reals.begin(), c.reals.end(), [](float v) { return v == 0.0f; }), Errc::unsupported,
          "{} is not all zeros; only sequences that begin with zeros are understood", what);
}

inline void read_recurrent(Importer& g, Attributes& a, std::span<const int> gates) {
  const bool is_lstm = gates.size() == 4;
  const auto count = static_cast<std::int64_t>(gates.size());
  const std::string direction = a.text("direction", "forward");
  require(direction == "forward" || direction == "reverse" || direction == "bidirectional", Errc::unsupported,
          "attribute direction is {}", direction);
  const std::int64_t directions = direction == "bidirectional" ? 2 : 1, layout = a.integer("layout", 0);
  expect_default_functions(g, a, at(directions),
                           is_lstm ? std::vector<std::string>{"sigmoid", "tanh", "tanh"} : std::vector<std::string>{"sigmoid", "tanh"});
  if (is_lstm) {
    a.expect("input_forget", 0);
  } else {
    require(a.integer("linear_before_reset", 0) == 1, Errc::unsupported,
            "attribute linear_before_reset is 0: only the reset gate behind the product is understood, as PyTorch and Keras have it");
  }
  BatchView x = g.view();
  const std::vector<int> samples{BatchView::samples};
  require(x.dims.size() == 3 && x.dims[layout == 0 ? 1 : 0] == samples, Errc::unsupported,
          "wants {} with one sequence per sample", layout == 0 ? "[steps,samples,features]" : "[samples,steps,features]");
  const std::int64_t steps = x.size_of(layout == 0 ? 0 : 1), inputs = x.size_of(2);

  const Constant &w = g.reals(1, "weights"), &r = g.reals(2, "weights of the state");
  require(r.dims.size() == 3 && r.dims[0] == directions && r.dims[2] > 0 && r.dims[1] == count * r.dims[2], Errc::unsupported,
          "weights of the state are not [directions,{}*units,units]", count);
  const std::int64_t units = r.dims[2];
  require(w.dims == Ints({directions, count * units, inputs}), Errc::unsupported, "weights do not fit {} features and {} units", inputs, units);
  require(a.integer("hidden_size", units) == units, Errc::unsupported, "attribute hidden_size is not the {} units of the weights", units);
  std::vector<float> biases(at(directions * 2 * count * units), 0.0f);
  if (g.has_input(3)) biases = g.reals(3, "bias").reals;
  require(biases.size() == at(directions * 2 * count * units), Errc::unsupported, "bias has {} numbers", biases.size());
  if (g.has_input(4)) {
    const Ints& lengths = g.integers(4, "sequence_lens").integers;
    require(std::all_of(lengths.begin(), lengths.end(), [&](std::int64_t n) { return n == steps; }), Errc::unsupported,
            "sequence_lens: sequences of different lengths are not understood");
  }
  expect_zeros(g, 5, "initial_h");
  if (is_lstm) expect_zeros(g, 6, "initial_c");
  require(!g.has_input(7), Errc::unsupported, "peepholes are not understood");
  const std::vector<std::string>& out = g.node->outputs;
  require(out.size() < 3 || out[2].empty() || (g.readers(out[2]).empty() && !g.is_output(out[2])), Errc::unsupported,
          "the cells behind the last step are read; only states are understood");

  const int sequence = sample_of(g.arranger, x, {steps, inputs});
  std::vector<int> all, last;
  for (std::int64_t d = 0; d < directions; ++d) {
    const bool reverse = direction == "reverse" || d == 1;
    const int n = static_cast<int>(units);
    const int id = is_lstm ? g.add(graph::op::Lstm{n, reverse}, {sequence}) : g.add(graph::op::Gru{n, reverse}, {sequence});
    const std::vector<float> of_input = direction_of(w, d, count * units * inputs), of_state = direction_of(r, d, count * units * units),
                             bias = direction_of({.dims = {}, .real = true, .reals = biases}, d, 2 * count * units);
    std::vector<float> weight(at(count * units * (inputs + units))), sums(at(4 * units), 0.0f);
    for (std::int64_t k = 0; k < count; ++k) {
      for (std::int64_t u = 0; u < units; ++u) {
        const std::int64_t from = k * units + u, to = gates[at(k)] * units + u;
        std::copy_n(of_input.begin() + from * inputs, inputs, weight.begin() + to * (inputs + units));
        std::copy_n(of_state.begin() + from * units, units, weight.begin() + to * (inputs + units) + inputs);
        const bool apart = !is_lstm && k == 2;  // a new value adds the state's part behind its gate
        sums[at(to)] = bias[at(from)] + (apart ? 0.0f : bias[at(count * units + from)]);
        if (apart) sums[at(3 * units + u)] = bias[at(count * units + from)];
      }
    }
    const std::string which = directions > 1 ? formatted("[{}]", d) : std::string();
    g.assign(id, graph::Role::weight, std::move(weight), w.name + which);
    g.assign_made(id, graph::Role::bias, std::move(sums));
    all.push_back(id);
    last.push_back(steps == 1 ? id : g.add(graph::op::Slice{0, reverse ? 0 : steps - 1, reverse ? 1 : steps}, {id}));
  }
  // The elements of a sample: steps or none, directions, units; dimensions of one element have no factor.
  const auto give = [&](const std::string& output, const std::vector<int>& parts, bool with_steps, bool samples_first) {
    BatchView v{parts.size() == 1 ? parts[0] : g.add(graph::op::Concat{.axis = 1}, parts), {}, {}, g.samples()};
    const auto factor = [&](std::int64_t size) -> std::vector<int> {
      if (size == 1) return {};
      v.factors.push_back(size);
      return {static_cast<int>(v.factors.size()) - 1};
    };
    const std::vector<int> step = with_steps ? factor(steps) : std::vector<int>(), way = factor(directions), unit = factor(units);
    if (samples_first) v.dims.push_back(samples);
    if (with_steps) v.dims.push_back(step);
    v.dims.push_back(way);
    if (!samples_first) v.dims.push_back(samples);
    v.dims.push_back(unit);
    g.give_view(output, std::move(v));
  };
  if (!out.empty() && !out[0].empty()) give(out[0], all, true, layout != 0);
  if (out.size() > 1 && !out[1].empty()) give(out[1], last, false, layout != 0);
}

}  // namespace detail

inline void write(const graph::op::Lstm& o, FloatWriter& w) {
  detail::write_recurrent(w, "LSTM", detail::lstm_gates, o.units, o.reverse, {});
}
inline void write(const graph::op::Gru& o, FloatWriter& w) {
  detail::write_recurrent(w, "GRU", detail::gru_gates, o.units, o.reverse, {attribute("linear_before_reset", 1)});
}

inline constexpr OperatorReader recurrent_readers[] = {
    {"LSTM", [](Importer& g, Attributes& a) { detail::read_recurrent(g, a, detail::lstm_gates); }, true},
    {"GRU", [](Importer& g, Attributes& a) { detail::read_recurrent(g, a, detail::gru_gates); }, true},
};

}  // namespace stet::onnx
