// LSTM and GRU: values, gradients, what .onnx says of them, and kept in float between codes.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/recurrent.hpp>
#include <stet/testing/gradient_check.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/onnx_source.hpp"
#include "io/temporary_directory.hpp"
#include "io/tflite_description.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace recurrent_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;

namespace {

double sigma(double v) { return 1.0 / (1.0 + std::exp(-v)); }

// One layer of one sample, written down from the formulas, gate by gate: row(g, u) is a row of weights [in+units] and its
// bias; for the new value of a GRU of the input, `state_bias(u)` is that of the state.
template <class Row, class Bias>
std::vector<double> by_hand(bool is_lstm, std::int64_t steps, std::int64_t in, std::int64_t units, bool reverse, const double* x,
                            Row&& row, Bias&& bias) {
  std::vector<double> y(static_cast<std::size_t>(steps * units)), h(static_cast<std::size_t>(units), 0.0), c = h;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t t = reverse ? steps - 1 - i : i;
    std::vector<double> next = h;
    const auto parts = [&](std::int64_t gate, std::int64_t u) {
      const double* w = row(gate * units + u);
      std::pair<double, double> sums{0.0, 0.0};
      for (std::int64_t k = 0; k < in; ++k) sums.first += w[k] * x[t * in + k];
      for (std::int64_t k = 0; k < units; ++k) sums.second += w[in + k] * h[static_cast<std::size_t>(k)];
      return sums;
    };
    for (std::int64_t u = 0; u < units; ++u) {
      const auto at = static_cast<std::size_t>(u);
      const auto sum = [&](std::int64_t gate) {
        const auto [a, b] = parts(gate, u);
        return a + b + bias(gate * units + u);
      };
      if (is_lstm) {
        c[at] = sigma(sum(1)) * c[at] + sigma(sum(0)) * std::tanh(sum(2));
        next[at] = sigma(sum(3)) * std::tanh(c[at]);
      } else {
        const auto [a, b] = parts(2, u);
        const double fresh = std::tanh(a + bias(2 * units + u) + sigma(sum(0)) * (b + bias(3 * units + u)));
        const double keep = sigma(sum(1));
        next[at] = (1 - keep) * fresh + keep * h[at];
      }
    }
    h = next;
    std::copy(h.begin(), h.end(), y.begin() + t * units);
  }
  return y;
}

constexpr std::int64_t steps = 5, features = 3;

Model network(bool is_lstm, bool reverse) {
  Graph g;
  const auto x = reshape(conv2d(g.input({1, steps, 2}), {.filters = features, .kernel = {1, 3}, .padding = Padding::same()}).named("conv"), {steps, features});
  const auto y = is_lstm ? graph::lstm(x, {.units = 4, .reverse = reverse}) : graph::gru(x, {.units = 4, .reverse = reverse});
  g.output(linear(flatten(y.named("memory")), {.units = 3}).named("head"));
  Model model(std::move(g), Rng(1));
  Rng rng(9);
  for (float& v : model.find_parameter("memory.bias")->value.edit()) v = static_cast<float>(rng.normal());
  return model;
}

}  // namespace

TEST_CASE("lstm and gru are their formulas", "[operators]") {
  for (const bool is_lstm : {true, false}) {
    for (const bool reverse : {false, true}) {
      for (const std::int64_t n : {1, 3}) {
        CAPTURE(is_lstm, reverse, n);
        const std::int64_t units = 4, gates = is_lstm ? 4 : 3;
        const Tensor<double> x = uniform({n, steps, features}, 1), w = uniform({gates * units, features + units}, 2), b = uniform({4 * units}, 3);
        const Tensor<double> y = is_lstm ? lstm_forward(x, w, b, reverse).y : gru_forward(x, w, b, reverse).y;
        for (std::int64_t s = 0; s < n; ++s) {
          const std::vector<double> wanted = by_hand(
              is_lstm, steps, features, units, reverse, x.data() + s * steps * features,
              [&](std::int64_t r) { return w.data() + r * (features + units); }, [&](std::int64_t r) { return b[r]; });
          for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(y[s * steps * units + static_cast<std::int64_t>(i)] == Approx(wanted[i]).epsilon(1e-13).margin(1e-13));
        }
      }
    }
  }
}

TEST_CASE("lstm and gru have the gradients of finite differences", "[operators]") {
  for (const bool reverse : {false, true}) {
    for (const auto& [n, t, in, units] : {std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>{2, 4, 3, 2}, {1, 1, 2, 3}, {3, 6, 1, 1}}) {
      CAPTURE(reverse, n, t, in, units);
      const auto lstm_report = testing::check_gradient([&](auto x, auto w, auto b) { return lstm(x, w, b, reverse); },
                                                       {uniform({n, t, in}, 1), uniform({4 * units, in + units}, 2), uniform({4 * units}, 3)});
      INFO(lstm_report.str());
      CHECK(lstm_report.ok());
      const auto gru_report = testing::check_gradient([&](auto x, auto w, auto b) { return gru(x, w, b, reverse); },
                                                      {uniform({n, t, in}, 1), uniform({3 * units, in + units}, 2), uniform({4 * units}, 3)});
      INFO(gru_report.str());
      CHECK(gru_report.ok());
    }
  }
}

TEST_CASE("lstm and gru refuse what does not fit", "[operators]") {
  Tape tape;
  const auto x = tape.variable(Tensor<float>({2, 5, 3})), w = tape.variable(Tensor<float>({16, 7})), b = tape.variable(Tensor<float>({16}));
  CHECK_THROWS_WITH(gru(x, w, b), ContainsSubstring("gru: weight must be [3*units,in+units], got [16,7]"));
  CHECK_THROWS_WITH(lstm(x, w, w), ContainsSubstring("lstm: bias must be [16]"));
  CHECK_THROWS_WITH(lstm(tape.variable(Tensor<float>({2, 3})), w, b), ContainsSubstring("lstm: input must be [N,steps,in]"));
  Graph g;
  CHECK_THROWS_WITH(graph::lstm(g.input({5}), {.units = 2}), ContainsSubstring("wants a sequence [steps,features], got [5]"));
  CHECK_THROWS_WITH(graph::gru(g.input({5, 2}), {}), ContainsSubstring("units must be positive, got 0"));
  CHECK_THROWS_WITH(prepare(network(true, false), recipes::int8()),
                    ContainsSubstring("memory (lstm): its steps have no form in integers") && ContainsSubstring("keep_float_unsupported"));
}

TEST_CASE("lstm and gru come back from .onnx", "[operators]") {
  const TemporaryDirectory dir;
  for (const bool is_lstm : {true, false}) {
    for (const bool reverse : {false, true}) {
      const Model model = network(is_lstm, reverse);
      const Tensor<float> x = random_images({1, steps, 2}, 3, 5);
      save_onnx(dir.path("m.onnx"), model);
      const Model loaded = load_onnx(dir.path("m.onnx"));
      CHECK(distance(infer(model, x), infer(loaded, x)) < 1e-5);
      CHECK(same_bits(loaded.parameter("memory.weight").value, model.parameter("memory.weight").value));
      CHECK(same_bits(loaded.parameter("memory.bias").value, model.parameter("memory.bias").value));
    }
  }
}

TEST_CASE("an LSTM or GRU of two directions is read as two layers, its last states as their last steps", "[operators]") {
  const std::int64_t units = 2, width = 3;
  for (const bool is_lstm : {true, false}) {
    const std::int64_t gates = is_lstm ? 4 : 3;
    const std::vector<int> ours = is_lstm ? std::vector<int>{0, 3, 1, 2} : std::vector<int>{1, 0, 2};  // of gates in ONNX's order
    for (const bool last : {false, true}) {
      CAPTURE(is_lstm, last);
      OnnxSource s({steps, width}, 5);
      Rng rng(4);
      const auto drawn = [&](const std::string& name, const Ints& dims, std::int64_t n) {
        Floats v(static_cast<std::size_t>(n));
        for (float& f : v) f = static_cast<float>(rng.uniform(-1, 1));
        s.constant<float>(name, dims, v);
        return v;
      };
      const Floats w = drawn("w", {2, gates * units, width}, 2 * gates * units * width), r = drawn("r", {2, gates * units, units}, 2 * gates * units * units),
                   b = drawn("b", {2, 2 * gates * units}, 4 * gates * units);
      // Zeros, as many as there are samples: a constant, or made of the shape, or one sample's repeated, as PyTorch's tracing writes it.
      std::string zeros = s.constant<float>("zeros", {2, 5, units}, Floats(static_cast<std::size_t>(10 * units), 0.0f));
      if (last) {
        const std::string n = s.node("Gather", {s.node("Shape", {"x"}), s.constant<std::int64_t>("at", {1}, {0})});
        const std::string shape = s.node("Concat", {s.constant<std::int64_t>("two", {1}, {2}), n, s.constant<std::int64_t>("units", {1}, {units})}, {attribute("axis", 0)});
        zeros = is_lstm ? s.node("ConstantOfShape", {shape}) : s.node("Expand", {s.constant<float>("one", {2, 1, units}, Floats(static_cast<std::size_t>(2 * units), 0.0f)), shape});
      }
      std::vector<onnx::AttributeInfo> attributes{attribute("direction", "bidirectional"), attribute("hidden_size", units)};
      if (!is_lstm) attributes.push_back(attribute("linear_before_reset", 1));
      const std::string front = s.node("Transpose", {"x"}, {attribute("perm", Ints{1, 0, 2})});
      std::string y = s.node(is_lstm ? "LSTM" : "GRU", {front, "w", "r", "b", "", zeros}, attributes);
      s.model.nodes.back().outputs = {y, "y_h"};
      if (last) {
        y = s.node("Transpose", {"y_h"}, {attribute("perm", Ints{1, 0, 2})});  // [5,2,units]
      } else {
        y = s.node("Transpose", {y}, {attribute("perm", Ints{2, 0, 1, 3})});  // [5,steps,2,units]
      }
      const Tensor<float> x = random_images({steps, width}, 2, 3), made = infer(s.load(y), x);
      REQUIRE(made.shape() == (last ? Shape{2, 2, units} : Shape{2, steps, 2, units}));
      for (std::int64_t n = 0; n < 2; ++n) {
        std::vector<double> in(x.data() + n * steps * width, x.data() + (n + 1) * steps * width);
        for (std::int64_t d = 0; d < 2; ++d) {
          std::vector<double> weight(static_cast<std::size_t>(gates * units * (width + units))), bias(static_cast<std::size_t>(4 * units), 0.0);
          for (std::int64_t g = 0; g < gates; ++g) {
            for (std::int64_t u = 0; u < units; ++u) {
              const std::int64_t from = d * gates * units + g * units + u, to = ours[static_cast<std::size_t>(g)] * units + u;
              for (std::int64_t k = 0; k < width; ++k) weight[static_cast<std::size_t>(to * (width + units) + k)] = static_cast<double>(w[static_cast<std::size_t>(from * width + k)]);
              for (std::int64_t k = 0; k < units; ++k) weight[static_cast<std::size_t>(to * (width + units) + width + k)] = static_cast<double>(r[static_cast<std::size_t>(from * units + k)]);
              const std::int64_t bx = d * 2 * gates * units + g * units + u;
              const auto of_x = static_cast<double>(b[static_cast<std::size_t>(bx)]), of_h = static_cast<double>(b[static_cast<std::size_t>(bx + gates * units)]);
              bias[static_cast<std::size_t>(to)] = g == 2 && !is_lstm ? of_x : of_x + of_h;
              if (g == 2 && !is_lstm) bias[static_cast<std::size_t>(3 * units + u)] = of_h;
            }
          }
          const std::vector<double> wanted = by_hand(
              is_lstm, steps, width, units, d == 1, in.data(), [&](std::int64_t row) { return weight.data() + row * (width + units); },
              [&](std::int64_t row) { return bias[static_cast<std::size_t>(row)]; });
          for (std::int64_t t = 0; t < (last ? 1 : steps); ++t) {
            for (std::int64_t u = 0; u < units; ++u) {
              const std::int64_t from = last ? (d == 0 ? steps - 1 : 0) : t;
              CHECK(made[((n * (last ? 1 : steps) + t) * 2 + d) * units + u] == Approx(wanted[static_cast<std::size_t>(from * units + u)]).margin(1e-6));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("what an LSTM or GRU of .onnx asks for beyond zeros and the usual functions is refused with the reason", "[operators]") {
  const auto refused = [](const std::string& type, std::vector<std::string> more, std::vector<onnx::AttributeInfo> attributes, bool reads_cells = false) {
    OnnxSource s({steps, 3}, 5);
    const std::int64_t gates = type == "LSTM" ? 4 : 3;
    s.ramp("w", {1, gates * 2, 3});
    s.ramp("r", {1, gates * 2, 2});
    s.ramp("ones", {1, 5, 2});
    const std::string front = s.node("Transpose", {"x"}, {attribute("perm", Ints{1, 0, 2})});
    std::vector<std::string> inputs{front, "w", "r"};
    inputs.insert(inputs.end(), more.begin(), more.end());
    attributes.push_back(attribute("hidden_size", 2));
    std::string y = s.node(type, inputs, attributes);
    s.model.nodes.back().outputs = {y, "", "cells"};
    y = s.node("Transpose", {reads_cells ? "cells" : y}, {attribute("perm", reads_cells ? Ints{1, 0, 2} : Ints{2, 0, 1, 3})});
    return s.refusal(y);
  };
  CHECK_THAT(refused("GRU", {}, {}), ContainsSubstring("linear_before_reset is 0"));
  CHECK_THAT(refused("LSTM", {"", "", "ones"}, {}), ContainsSubstring("initial_h is not all zeros"));
  CHECK_THAT(refused("LSTM", {"", "", "x"}, {}), ContainsSubstring("initial_h is computed or an input of the model"));
  CHECK_THAT(refused("LSTM", {}, {attribute("clip", 3.0f)}), ContainsSubstring("attribute clip"));
  CHECK_THAT(refused("LSTM", {}, {attribute("input_forget", 1)}), ContainsSubstring("input_forget is 1"));
  CHECK_THAT(refused("LSTM", {}, {attribute("direction", "sideways")}), ContainsSubstring("direction is sideways"));
  CHECK_THAT(refused("LSTM", {}, {}, true), ContainsSubstring("the cells behind the last step are read"));
  CHECK_THAT(refused("LSTM", {}, {attribute("layout", 1)}), ContainsSubstring("wants [samples,steps,features]"));
}

TEST_CASE("LiteRT's LSTM over a sequence is read, with zeros in place of the state that it keeps", "[operators]") {
  namespace tfl = tflite;
  const std::int64_t units = 2, in = 3;
  const Tensor<double> drawn = uniform({4 * units, in + units}, 2), biases = uniform({4 * units}, 3);
  const auto description = [&](const std::function<void(Description&, tfl::OperatorInfo&)>& change) {
    Description d;
    const auto x = d.real("x", {1, 5, 3}), y = d.real("y", {1, 5, 2});
    std::vector<std::int32_t> inputs{x};
    for (const bool state : {false, true}) {
      for (std::int64_t gate = 0; gate < 4; ++gate) {
        std::vector<float> w;
        for (std::int64_t u = 0; u < units; ++u) {
          for (std::int64_t k = 0; k < (state ? units : in); ++k) w.push_back(static_cast<float>(drawn[(gate * units + u) * (in + units) + (state ? in : 0) + k]));
        }
        inputs.push_back(d.floats((state ? "r" : "w") + std::to_string(gate), {2, state ? 2 : 3}, w));
      }
    }
    inputs.insert(inputs.end(), 3, -1);
    for (std::int64_t gate = 0; gate < 4; ++gate) {
      inputs.push_back(d.floats("b" + std::to_string(gate), {2}, {static_cast<float>(biases[gate * units]), static_cast<float>(biases[gate * units + 1])}));
    }
    inputs.insert(inputs.end(), 2, -1);
    for (const char* name : {"state", "cells"}) {
      inputs.push_back(d.real(name, {1, 2}));
      d.info.tensors.back().is_variable = true;
    }
    d.info.inputs = {x};
    d.info.outputs = {y};
    tfl::OperatorInfo& o = d.operation(tfl::Builtin::unidirectional_sequence_lstm, inputs, y,
                                       {.type = tfl::OptionsType::unidirectional_sequence_lstm, .fused_activation = tfl::FusedActivation::tanh});
    change(d, o);
    return d.info;
  };
  const Model m = tfl::import_model(description([](auto&, auto&) {}), "file");
  Graph g;
  g.output(graph::lstm(g.input({5, 3}), {.units = 2}));
  Model wanted(std::move(g), Rng(1));
  for (std::int64_t i = 0; i < drawn.size(); ++i) wanted.parameters()[0].parameter.value.edit()[static_cast<std::size_t>(i)] = static_cast<float>(drawn[i]);
  for (std::int64_t i = 0; i < biases.size(); ++i) wanted.parameters()[1].parameter.value.edit()[static_cast<std::size_t>(i)] = static_cast<float>(biases[i]);
  const Tensor<float> x = random_images({5, 3}, 3, 5);
  CHECK(same_bits(infer(m, x), infer(wanted, x)));

  const auto refused = [&](const std::function<void(Description&, tfl::OperatorInfo&)>& change) {
    try {
      (void)tfl::import_model(description(change), "file");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK_THAT(refused([](auto&, auto& o) { o.options.time_major = true; }), ContainsSubstring("time_major true (must be false)"));
  const CaughtWarnings caught;
  CHECK(refused([](auto&, auto& o) { o.options.cell_clip = 5.0f; }) == "accepted");  // 5 steps do not reach it
  CHECK(caught.all().empty());
  CHECK(refused([](auto&, auto& o) { o.options.cell_clip = 4.0f; }) == "accepted");
  REQUIRE(caught.all().size() == 1);
  CHECK_THAT(caught.all()[0], ContainsSubstring("cuts cells beyond 4, which 5 steps can reach; here they are not cut"));
  CHECK_THAT(refused([](auto&, auto& o) { o.inputs[9] = o.inputs[12]; }), ContainsSubstring("input 9 is there; peepholes"));
  CHECK_THAT(refused([](auto& d, auto& o) {
               const std::int32_t state = o.inputs[18], z = d.real("z", {1, 2});
               d.operation(tfl::Builtin::tanh, {state}, z);
               d.info.outputs = {z};
             }),
             ContainsSubstring("state: is a variable (is_variable), which keeps state"));
}

TEST_CASE("lstm and gru stay in float among integers, with the codes of the engine around them", "[operators]") {
  const CaughtWarnings caught;
  const Dataset data = random_dataset({1, steps, 2}, 48, 3, 1);
  for (const Target& target : targets::all) {
    for (const bool is_lstm : {true, false}) {
      CAPTURE(target.name, is_lstm);
      Recipe recipe = recipes::int8();
      recipe.target = target;
      recipe.keep_float_unsupported = true;
      QatModel qat = prepare(network(is_lstm, false), recipe);
      calibrate(qat, data);
      const Tensor<float> before = qat.model().parameter("memory.weight").value;
      (void)fit(qat, data, quiet_fit({.epochs = 2, .batch = 16}));
      CHECK_FALSE(same_bits(before, qat.model().parameter("memory.weight").value));
      const IntegerModel integers = convert(qat);
      check_deployed_codes(qat, integers, data.batch(0, 16).x);
      CHECK_FALSE(onnx_bytes(integers).empty());
      CHECK_FALSE(tflite_bytes(integers).empty());
    }
  }
}

}  // namespace recurrent_test
