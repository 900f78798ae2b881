// What you train is what you ship: evaluation, the frozen training forward and the engine agree on every code.

#include <stet/core/parallel.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/unit_runner.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace bit_exact_test {

using namespace stet;
using namespace stet_test;

namespace {

using Inputs = std::vector<Tensor<float>>;
using Codes = std::map<std::string, std::vector<std::int8_t>>;

std::vector<std::int8_t> bytes(std::span<const std::int8_t> codes) { return {codes.begin(), codes.end()}; }

// Codes of every value in evaluation, by node; dropout has no value of its own on the target.
Codes evaluated(const QatModel& qat, const Inputs& x) {
  Codes all;
  (void)infer_codes(qat, x, [&](int node, const QTensor& q) {
    if (!graph::is<graph::op::Dropout>(qat.graph().node(node).op)) all[qat.node_name(node)] = bytes(q.codes.span());
  });
  return all;
}

// The same in the training forward, which records gradients and may move ranges behind it.
Codes trained(QatModel& qat, const Inputs& x) {
  Codes all;
  Tape tape;
  Rng rng(1);
  const auto see = [&](int node, const QTensor& q) {
    if (!graph::is<graph::op::Dropout>(qat.graph().node(node).op)) all[qat.node_name(node)] = bytes(q.codes.span());
  };
  const detail::UnitRunner::Observe observe = see;
  (void)detail::UnitRunner(tape, qat, &qat, &rng).run(x, &observe);
  return all;
}

Codes executed(Engine& engine, const Inputs& x) {
  Codes all;
  (void)engine.run(x, [&](int v, std::span<const std::int8_t> q) {
    all[engine.values()[static_cast<std::size_t>(v)].name] = bytes(q);
  });
  return all;
}

Var<Tensor<float>> loss_of(const std::vector<Var<Tensor<float>>>& outputs, const Batch& batch) {
  if (!batch.labels.empty()) return softmax_cross_entropy(outputs[0], batch.labels);
  Var<Tensor<float>> sum = MseLoss{}(outputs[0], batch.for_output(0));
  for (std::size_t k = 1; k < outputs.size(); ++k) sum = sum + MseLoss{}(outputs[k], batch.for_output(k));
  return sum;
}

void train_steps(QatModel& qat, const Dataset& data, int steps) {
  for (int i = 0; i < steps; ++i) {
    const Batch batch = data.batch(5 * i, 5 * i + 5);
    clear_gradients(parameter_refs(qat));
    {
      Tape tape;
      Rng rng(static_cast<std::uint64_t>(i));
      tape.backward(loss_of(forward(tape, qat, batch.inputs(), Mode::training, {.rng = &rng}), batch));
    }
    for (const ParameterRef& p : parameter_refs(qat)) {
      if (p.parameter->gradient.empty()) continue;
      const auto value = p.parameter->value.edit();
      for (std::size_t k = 0; k < value.size(); ++k) value[k] -= 0.01f * static_cast<float>(p.lr_factor) * p.parameter->gradient.span()[k];
    }
  }
}

// First value that differs; empty if none does.
std::string difference(const Codes& a, const Codes& b) {
  if (a.size() != b.size()) return "number of values";
  for (const auto& [name, codes] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second != codes) return name;
  }
  return "";
}

bool equal_constants(const IntegerModel& a, const IntegerModel& b) {
  if (a.nodes.size() != b.nodes.size() || a.values.size() != b.values.size() || a.outputs != b.outputs) return false;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (a.values[i].codes != b.values[i].codes) return false;
  }
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const LayerConstants &p = a.nodes[i].constants, &q = b.nodes[i].constants;
    if (a.nodes[i].op.index() != b.nodes[i].op.index()) return false;
    if (!same_bits(p.weights, q.weights) || !same_bits(p.bias, q.bias) || p.weight_scale != q.weight_scale) return false;
  }
  return true;
}

Recipe recipe_for(std::uint64_t seed) {
  Recipe r = seed / targets::all.size() % 2 == 0 ? recipes::int8() : recipes::int8_per_tensor();
  r.target = targets::all[seed % targets::all.size()];
  if (seed % 5 == 0) r.weights = symmetric(4, r.weights.per_channel());
  if (seed % 7 == 0) r.activations = Int8Activation(5);
  if (seed % 3 != 0) return r;
  constexpr std::array low{recipes::w4a4_lsq, recipes::w3a3_lsq, recipes::w2a2_lsq, recipes::binary};
  const Target target = r.target;
  r = low[seed / 3 % low.size()]();
  r.target = target;
  if (seed % 2 == 0) r.end_bits.reset();
  r.scale_lr_factor = 0.1;  // plain descent from random weights must not run scales into the ground
  return r;
}

void check_deployed(const QatModel& qat, const Inputs& x) {
  const Codes wanted = evaluated(qat, x);
  const IntegerModel model = convert(qat);
  CHECK(equal_constants(model, convert(qat)));
  Engine engine(model);
  CHECK(difference(wanted, executed(engine, x)) == "");
  const std::vector<Tensor<float>> trained = infer(qat, x), deployed = infer(engine, x);
  REQUIRE(trained.size() == deployed.size());
  for (std::size_t k = 0; k < trained.size(); ++k) CHECK(same_bits(trained[k], deployed[k]));
  // Any batch size, and back: the first sample alone.
  Inputs one;
  for (const Tensor<float>& all : x) {
    one.emplace_back(all.shape().with(0, 1), all.span().first(static_cast<std::size_t>(all.size() / all.shape()[0])));
  }
  for (const auto& [name, codes] : executed(engine, one)) {
    const auto& all = wanted.at(name);
    CHECK(std::equal(codes.begin(), codes.end(), all.begin()));
  }
  CHECK(difference(wanted, executed(engine, x)) == "");
}

}  // namespace

TEST_CASE("evaluation, frozen training and the engine agree on every code of random networks", "[bits]") {
  int refused = 0;
  constexpr std::uint64_t networks = 210, of_one = 150;  // those behind mostly have several inputs and outputs
  for (std::uint64_t seed = 1; seed <= networks; ++seed) {
    INFO("seed " << seed);
    const bool several = seed > of_one;
    const Model model = random_model(seed, {.several = several});
    const Dataset data = several ? random_samples(model, 20, seed) : random_dataset(input_shape(model), 20, classes_of(model), seed);
    const Inputs x = random_inputs(model, 3, seed + 1000);
    Recipe recipe = recipe_for(seed);
    for (const graph::Node& node : model.graph().nodes()) {  // its output has 8 bits in every runtime
      if (graph::is<graph::op::Sigmoid>(node.op)) recipe.overrides.push_back({.node = node.name, .activations = Int8Activation(8)});
    }
    QatModel qat = prepare(model, recipe);
    calibrate(qat, data, {.batch = 7});
    try {
      check_deployed(qat, x);
      qat.start_quantizing();
      train_steps(qat, data, 3);
      check_deployed(qat, x);
      qat.freeze_batch_norm();
      train_steps(qat, data, 1);
      const Codes wanted = evaluated(qat, x);
      CHECK(difference(wanted, trained(qat, x)) == "");
      qat.freeze_ranges();
      CHECK(difference(evaluated(qat, x), trained(qat, x)) == "");
      check_deployed(qat, x);
    } catch (const Error& e) {
      // The one thing that a drawn network may do wrong: layers so nearly dead that no target can bridge the scales.
      INFO(e.what());
      const std::string text = e.what();
      CHECK((text.find("256") != std::string::npos || text.find("2^20") != std::string::npos));
      ++refused;
    }
  }
  // Five in a hundred of the 8-bit networks; the coarse scales of two-bit inputs reach the limit of 256 more often.
  CHECK(refused <= static_cast<int>(networks) / 10);
}

TEST_CASE("no code depends on the number of threads", "[bits]") {
  for (const std::uint64_t seed : {3u, 8u, 21u, 34u}) {
    INFO("seed " << seed);
    Model model(
        [] {
          Graph g;
          auto x = g.input({24, 24, 5});
          x = relu(batch_norm(conv2d(x, {.filters = 17, .kernel = 3})));
          x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .multiplier = 2})));
          x = max_pool(x) + average_pool(x);
          g.output(linear(global_average_pool(x), {.units = 10}));
          return g;
        }(),
        Rng(seed));
    const Dataset data = random_dataset({24, 24, 5}, 20, 10, seed);
    const Inputs x{random_images({24, 24, 5}, 9, seed)};
    std::vector<State> states;
    std::vector<Codes> codes;
    for (const int count : {1, 2, 3}) {
      set_threads(count);
      QatModel qat = prepare(model, recipe_for(seed));
      calibrate(qat, data);
      qat.start_quantizing();
      train_steps(qat, data, 2);
      qat.freeze_batch_norm();
      train_steps(qat, data, 2);
      states.push_back(state_of(qat));
      Engine engine(convert(qat));
      codes.push_back(executed(engine, x));
      CHECK(difference(codes.back(), evaluated(qat, x)) == "");
    }
    set_threads(0);
    CHECK(states[0] == states[1]);
    CHECK(states[0] == states[2]);
    CHECK(codes[0] == codes[1]);
    CHECK(codes[0] == codes[2]);
  }
}

}  // namespace bit_exact_test
