// Operators that are kept in float between codes: planned, trained, evaluated and run in the engine with the same codes.

#include <stet/engine/engine.hpp>
#include <stet/graph/print_integer.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/node_function.hpp>
#include <stet/model/prepare.hpp>
#include <stet/operators/custom/float.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/arithmetic.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/shape.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#include <stet/qat/real.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <thread>

namespace keep_float_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// A gate with a parameter, which integers do not know: tanh(factor*x)*x.
class Gate final : public graph::CustomOp, public TapeOp {
 public:
  std::string_view kind() const override { return "gate"; }
  Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
  std::vector<graph::ParameterSpec> parameters(std::span<const Shape>) const override {
    return {{"factor", {1}, graph::Role::gamma}};
  }
  Var<Tensor<float>> forward(NodeContext& c) const override {
    const Shape& s = c.input().shape();
    const Var<Tensor<float>> rows = reshape(c.input(), Shape{s.elements() / s.back(), s.back()});
    return reshape(mul(stet::tanh(mul(rows, c.parameter("factor"))), rows), s);
  }
};

// Divides by zero.
class Broken final : public graph::CustomOp, public TapeOp {
 public:
  std::string_view kind() const override { return "broken"; }
  Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
  Var<Tensor<float>> forward(NodeContext& c) const override {
    const bool breaks = c.input().value()[0] > 0.5f;
    return breaks ? mul(c.input(), c.tape().constant(Tensor<float>::filled(c.input().shape(), std::numeric_limits<float>::infinity())))
                  : c.input();
  }
};

// Integers around a gate, a convolution with batch norm, and a chain of two that stays real in between.
Graph network() {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("first")).named("first_norm")).named("first_out");
  x = custom(x, std::make_shared<Gate>()).named("gate");
  const auto y = max_pool(x).named("pool");
  auto z = batch_norm(conv2d(y, {.filters = 6, .kernel = 3, .bias = false}).named("kept")).named("kept_norm");
  z = relu(z).named("kept_out");
  z = custom(softmax(z).named("soft"), std::make_shared<Gate>()).named("second_gate");
  g.output(linear(flatten(z + y), {.units = 4}).named("head"));
  return g;
}
Recipe recipe_of(std::initializer_list<const char*> kept, Recipe recipe = recipes::int8()) {
  for (const char* name : kept) recipe.overrides.push_back({.node = name, .keep_float = true});
  return recipe;
}
Recipe recipe() { return recipe_of({"gate", "kept", "soft", "second_gate"}); }

Model model() { return Model(network(), Rng(3)); }
Dataset images() { return random_dataset({8, 8, 2}, 64, 4, 5); }
FitOptions options(int epochs) { return quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}}); }

// Codes of every value that has some, in evaluation and in the engine.
void compare(const QatModel& qat) {
  const Tensor<float> x = images().batch(0, 9).x;
  using Codes = std::map<std::string, std::vector<std::int8_t>>;
  Codes forward, executed;
  (void)infer_codes(qat, x, [&](int node, const QTensor& q) {
    forward[qat.node_name(node)] = {q.codes.span().begin(), q.codes.span().end()};
  });
  const Engine engine(convert(qat));
  (void)engine.run(x, [&](int v, std::span<const std::int8_t> q) {
    executed[engine.values()[static_cast<std::size_t>(v)].name] = {q.begin(), q.end()};
  });
  CHECK(forward == executed);
  CHECK(forward.count("soft") == 0);
  CHECK(forward.count("second_gate") == 1);
}

std::string text_of(const CheckReport& report) { return report.str(); }

}  // namespace

TEST_CASE("a network with nodes in float trains, and the engine has its codes at every stage") {
  const CaughtWarnings caught;
  QatModel qat = prepare(model(), recipe());
  calibrate(qat, images());
  compare(qat);
  const auto state = [&](const char* name) { return qat.model().parameter(name).value; };
  const Tensor<float> factor = state("gate.factor"), weight = state("kept.weight"), gamma = state("kept_norm.gamma");
  const FitReport report = fit(qat, images(), options(8));
  CHECK(report.epochs.back().loss < 0.9 * report.epochs.front().loss);
  CHECK_FALSE(same_bits(factor, state("gate.factor")));
  CHECK_FALSE(same_bits(weight, state("kept.weight")));
  CHECK_FALSE(same_bits(gamma, state("kept_norm.gamma")));
  compare(qat);
  const Evaluation trained = evaluate(qat, images()), deployed = evaluate(Engine(convert(qat)), images());
  CHECK(trained.correct == deployed.correct);
  // Frozen training is the deployed function too.
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  const Tensor<float> x = images().batch(0, 7).x;
  Tape tape;
  CHECK(same_bits(infer(qat, x), forward(tape, qat, x).value()));
  // gamma and beta of a kept batch norm train on when its statistics have stopped.
  tape.backward(forward(tape, qat, x), Tensor<float>::filled({7, 4}, 1.0f));
  CHECK(qat.model().parameter("kept_norm.gamma").gradient.size() == 6);
  CHECK(qat.model().parameter("kept_norm.beta").gradient[0] != 0.0f);
  const Tensor<float> mean = qat.model().buffer("kept_norm.mean");
  reestimate_batch_norm(qat, images(), {.batch = 16});
  CHECK_FALSE(same_bits(mean, qat.model().buffer("kept_norm.mean")));
  compare(qat);
}

TEST_CASE("values between nodes in float are real; all others have codes") {
  QatModel qat = prepare(model(), recipe());
  calibrate(qat, images());
  const IntegerModel integers = convert(qat);
  std::map<std::string, bool> real;
  for (const IntegerValue& v : integers.values) real[v.name] = v.real;
  CHECK(real.at("soft"));
  CHECK(real.at("kept"));  // its batch norm is kept with it
  for (const char* name : {"gate", "kept_norm", "kept_out", "pool", "second_gate", "head"}) CHECK_FALSE(real.at(name));
  CHECK(Engine(integers).bytes_per_sample() > 0);
  CHECK_THAT(dot(integers), ContainsSubstring("real"));
  // The real value is rounded nowhere: with soft on codes of its own the result is another.
  Recipe apart = recipe();
  apart.overrides.erase(apart.overrides.begin() + 2);
  CHECK_THROWS_WITH(prepare(model(), apart), ContainsSubstring("soft (softmax): softmax stays outside of an integer model") &&
                                                 ContainsSubstring("RecipeOverride{.node = \"soft\", .keep_float = true}"));
}

TEST_CASE("threads may share an engine with nodes in float") {
  QatModel qat = prepare(model(), recipe());
  calibrate(qat, images());
  const Engine engine(convert(qat));
  const Tensor<float> x = images().batch(0, 5).x, y = infer(engine, x);
  std::vector<char> same(4, 0);
  std::vector<std::thread> threads;
  for (char& s : same) {
    threads.emplace_back([&] {
      s = 1;
      for (int i = 0; i < 5; ++i) s = s && same_bits(infer(engine, x), y);
    });
  }
  for (std::thread& t : threads) t.join();
  for (const char s : same) CHECK(s == 1);
}

TEST_CASE("check says what is kept in float, and which files cannot hold it, before training") {
  const std::string text = text_of(check(model(), recipe()));
  CHECK_THAT(text, ContainsSubstring("kept in float: what it reads is dequantized, what it makes is quantized"));
  CHECK_THAT(text, ContainsSubstring("kept in float, and so is what reads it"));
  CHECK_THAT(text, ContainsSubstring("cannot be written as .tflite: gate is kept in float: an operator of your own has no TFLite operator"));
  CHECK_THAT(text, ContainsSubstring("cannot be written as .onnx: gate is kept in float: an operator of your own, which ONNX does not know"));
  CHECK_THAT(text, ContainsSubstring("cannot be written as C: gate is kept in float, which tables of C do not hold"));
  CHECK_THAT(text, !ContainsSubstring("cannot be written as .tflite: softmax"));
  QatModel qat = prepare(model(), recipe());
  calibrate(qat, images());
  CHECK(check(qat).ok());
  const IntegerModel integers = convert(qat);
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(save_tflite(dir.path("a.tflite"), integers), ContainsSubstring("kept in float"));
  CHECK_THROWS_WITH(save_onnx(dir.path("a.onnx"), integers), ContainsSubstring("kept in float"));
  CHECK_THROWS_WITH(save_c_weights(dir.path("a.c"), integers), ContainsSubstring("kept in float"));
  CHECK_THROWS_WITH(save_integers(dir.path("a.safetensors"), integers), ContainsSubstring("kept in float"));
  CHECK(dir.files() == 0);
}

// Everything but an own operator: a layer with batch norm, an activation, and a softmax behind a function, real in between.
IntegerModel for_files() {
  Graph g;
  auto x = relu(conv2d(g.input({8, 8, 2}), {.filters = 6, .kernel = 3}).named("first")).named("first_out");
  x = batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("kept")).named("kept_norm");
  x = max_pool(softmax(gelu(x).named("gelu")).named("soft"), {.size = 2}).named("pool");
  g.output(linear(flatten(x).named("flat"), {.units = 4}).named("head"));
  QatModel qat = prepare(Model(std::move(g), Rng(2)), recipe_of({"kept", "gelu", "soft"}));
  calibrate(qat, images());
  return convert(qat);
}

TEST_CASE("files hold float operators between dequantized and quantized values; what only they read stays real") {
  const IntegerModel integers = for_files();
  const auto count = [](const auto& list, auto test) { return std::count_if(list.begin(), list.end(), test); };
  for (const std::int64_t batch : {1, 3}) {
    const tflite::ModelInfo t = tflite::describe(integers, {.batch = batch});
    const auto of = [&](tflite::Builtin code) { return count(t.operators, [&](const auto& o) { return o.code == code; }); };
    CHECK(of(tflite::Builtin::dequantize) == 1);
    CHECK(of(tflite::Builtin::quantize) == 1);
    CHECK(of(tflite::Builtin::conv_2d) == 2);
    for (const tflite::OperatorInfo& o : t.operators) {
      const bool real = o.code == tflite::Builtin::gelu || o.code == tflite::Builtin::softmax || o.code == tflite::Builtin::mul;
      if (real) CHECK(t.output(o).type == tflite::TensorType::float32);
      if (o.code == tflite::Builtin::max_pool_2d) CHECK(t.output(o).type == tflite::TensorType::int8);
      CHECK(t.output(o).shape[0] == batch);
    }
  }
  for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
    const onnx::ModelInfo o = onnx::describe(integers, {.layout = layout});
    const auto of = [&](const char* type) { return count(o.nodes, [&](const auto& n) { return n.op_type == type; }); };
    CHECK(of("Gelu") == 1);
    CHECK(of("Softmax") == 1);
    CHECK(of("BatchNormalization") == 1);
    CHECK(of("Sum") == 1);  // without it ONNX Runtime would quantize the weights of kept
    CHECK(of("QuantizeLinear") == 4);  // the input, first, soft, head
    CHECK(o.opsets[0].version == 21);  // that of Gelu
  }
  // Without parameters there is nothing to write yet.
  IntegerModel planned = integers;
  for (IntegerNode& n : planned.nodes) {
    if (n.name != "soft") continue;
    n.op = graph::op::Real{std::make_shared<const detail::PlannedFunction>(graph::as<graph::op::Real>(n.op)->function->graph(), 1)};
  }
  CHECK_THROWS_WITH(tflite_bytes(planned), ContainsSubstring("soft: softmax is kept in float, but has no parameters yet"));
  CHECK_THROWS_WITH(onnx_bytes(planned), ContainsSubstring("soft: softmax is kept in float, but has no parameters yet"));
}

TEST_CASE("what cannot be kept in float, or not alone, is said") {
  CHECK_THROWS_WITH(prepare(model(), recipe_of({"gate", "kept", "soft", "second_gate", "input_1"})),
                    ContainsSubstring("input_1 (input): the recipe keeps it in float, but the input of integers is codes"));
  CHECK_THROWS_WITH(prepare(model(), recipe_of({"gate", "kept", "soft", "second_gate", "nobody"})),
                    ContainsSubstring("nobody: the recipe overrides a node of this name, but the graph has none"));
  Graph dropped;
  dropped.output(linear(dropout(dropped.input({4})).named("dropped"), {.units = 2}));
  CHECK_THROWS_WITH(prepare(Model(std::move(dropped), Rng(1)), recipe_of({"dropped"})),
                    ContainsSubstring("dropped (dropout): the recipe keeps it in float, but it acts in training only"));
  Recipe both = recipe();
  both.overrides[1].weights = symmetric(4);
  CHECK_THROWS_WITH(prepare(model(), both), ContainsSubstring("kept (conv2d): the recipe overrides its weights, but it has none"));
  both = recipe();
  both.overrides[2].activations = Int8Activation(4);
  CHECK_THROWS_WITH(prepare(model(), both), ContainsSubstring("soft (softmax): the recipe overrides its activations, but it is kept in float"));
  // A batch norm or ReLU that is kept is not fused into the layer before it.
  QatModel qat = prepare(model(), recipe_of({"gate", "kept", "soft", "second_gate", "first_norm"}));
  calibrate(qat, images());
  compare(qat);
  qat = prepare(model(), recipe_of({"gate", "kept", "soft", "second_gate", "first_out"}));
  calibrate(qat, images());
  compare(qat);
  CHECK(recipe().describe() != recipes::int8().describe());
  CHECK_THAT(recipe().describe(), ContainsSubstring("override of gate: weights as the others, activations as the others, kept in float"));
}

TEST_CASE("only batch norms see a new estimate of statistics; what cannot run in float is refused before calibration") {
  // Draws random numbers in training, which a new estimate has none of.
  class Noise final : public graph::CustomOp, public TapeOp {
   public:
    std::string_view kind() const override { return "noise"; }
    Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
    Var<Tensor<float>> forward(NodeContext& c) const override {
      if (c.mode() == Mode::training) (void)c.rng().uniform();
      return c.input();
    }
  };
  class NoTape final : public graph::CustomOp {
   public:
    std::string_view kind() const override { return "no_tape"; }
    Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
  };
  const auto with = [](std::shared_ptr<const graph::CustomOp> op) {
    Graph g;
    const auto x = relu(batch_norm(conv2d(g.input({8, 8, 2}), {.filters = 3, .kernel = 3})));
    g.output(linear(flatten(custom(x, std::move(op)).named("own")), {.units = 4}));
    return Model(std::move(g), Rng(1));
  };
  const CaughtWarnings caught;
  QatModel qat = prepare(with(std::make_shared<Noise>()), recipe_of({"own"}));
  calibrate(qat, images());
  fit(qat, images(), options(1));
  reestimate_batch_norm(qat, images(), {.batch = 16});
  CHECK_THROWS_WITH(prepare(with(std::make_shared<NoTape>()), recipe_of({"own"})),
                    ContainsSubstring("own (no_tape): the recipe keeps it in float, but it does not say what it computes; derive it from stet::TapeOp"));
}

TEST_CASE("low bits and other targets with nodes in float keep the codes of the engine") {
  const CaughtWarnings caught;
  for (const Target& target : {targets::tflite_reference, targets::onnxruntime, targets::tflite_micro}) {
    Recipe r = recipe();
    r.target = target;
    QatModel qat = prepare(model(), r);
    calibrate(qat, images());
    fit(qat, images(), options(1));
    compare(qat);
  }
  QatModel qat = prepare(model(), recipe_of({"gate", "kept", "soft", "second_gate"}, recipes::w4a4_lsq()));
  calibrate(qat, images());
  fit(qat, images(), options(2));
  compare(qat);
}

TEST_CASE("a value in float that is not finite is an error that names the node") {
  Graph g;
  g.output(linear(flatten(custom(g.input({2, 2, 1}), std::make_shared<Broken>()).named("broken")), {.units = 2}));
  QatModel qat = prepare(Model(std::move(g), Rng(1)), recipe_of({"broken"}));
  qat.quantizer("input_1").fix({0.0f, 1.0f});
  qat.quantizer("broken").fix({0.0f, 1.0f});
  qat.quantizer("linear_1").fix({-1.0f, 1.0f});
  const Tensor<float> fine({1, 2, 2, 1}, {0.1f, 0.9f, 0.9f, 0.9f}), bad({1, 2, 2, 1}, {0.9f, 0.1f, 0.1f, 0.1f});
  const Engine engine(convert(qat));
  CHECK(same_bits(infer(engine, fine), infer(qat, fine)));
  CHECK_THROWS_WITH(infer(engine, bad), ContainsSubstring("engine: the value of broken"));
  CHECK_THROWS_WITH(infer(qat, bad), ContainsSubstring("forward: the value of broken"));
}

TEST_CASE("integers that read reals, and reals as output, are faults of the structure") {
  QatModel qat = prepare(model(), recipe());
  calibrate(qat, images());
  const IntegerModel whole = convert(qat);
  const auto faults = [&](const char* name) {
    IntegerModel broken = whole;
    for (IntegerValue& v : broken.values) v.real = v.real || v.name == name;
    return check_structure(broken).text();
  };
  CHECK_THAT(faults("gate"), ContainsSubstring("pool: reads gate, which is real"));
  CHECK_THAT(faults("pool"), ContainsSubstring("pool: makes codes, its value is real"));
  CHECK_THAT(faults("head"), ContainsSubstring("the model: has head as output, which is real"));
  IntegerModel empty = whole;
  for (IntegerNode& n : empty.nodes) {
    if (n.name == "gate") n.op = graph::op::Real{};
  }
  CHECK_THAT(check_structure(empty).text(), ContainsSubstring("gate: real: the function is a null pointer"));
  CHECK_THROWS_AS(Engine([&] {
                    IntegerModel broken = whole;
                    for (IntegerValue& v : broken.values) v.real = true;
                    return broken;
                  }()),
                  Error);
}

TEST_CASE("gradients pass from codes to reals inside the range only") {
  const QParams p = QParams::per_tensor(0.1f, 0, Grid::int8());
  Tape tape;
  const auto x = tape.variable(Tensor<float>({4}, {0.04f, 12.74f, 12.8f, -13.0f}));
  const auto y = quantize_real(x, targets::litert_default.input, p);
  tape.backward(dequantize(y), Tensor<float>({4}, {1, 2, 3, 4}));
  const Tensor<float> d = tape.gradient(x);
  CHECK(std::vector<float>(d.span().begin(), d.span().end()) == std::vector<float>{1, 2, 0, 0});
}

}  // namespace keep_float_test
