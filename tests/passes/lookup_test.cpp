// Activations that run as tables: training, evaluation and the engine agree; fixed scales decide for their group.

#include <stet/engine/engine.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/ops/loss.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace lookup_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Graph network() {
  Graph g;
  auto x = g.input({7, 7, 3});
  x = hard_swish(batch_norm(conv2d(x, {.filters = 5, .kernel = 3}))).named("swish");
  x = leaky_relu(conv2d(x, {.filters = 6, .kernel = 3}), {.alpha = 0.1f}).named("leaky");
  const auto gate = sigmoid(conv2d(x, {.filters = 6})).named("gate");
  x = (x * gate).named("gated");
  x = concat({tanh(x).named("bent"), tanh(conv2d(x, {.filters = 2})).named("more")}).named("joined");
  g.output(linear(global_average_pool(x), {.units = 4}));
  return g;
}

std::map<std::string, std::vector<std::int8_t>> evaluated(const QatModel& qat, const Tensor<float>& x) {
  std::map<std::string, std::vector<std::int8_t>> all;
  (void)infer_codes(qat, x, [&](int node, const QTensor& q) {
    all[qat.node_name(node)] = {q.codes.span().begin(), q.codes.span().end()};
  });
  return all;
}

}  // namespace

TEST_CASE("tables train, evaluate and run with the same codes on every target", "[bits]") {
  for (const Target& target : targets::all) {
    INFO(target.name);
    Recipe recipe = recipes::int8();
    recipe.target = target;
    QatModel qat = prepare(Model(network(), Rng(4)), recipe);
    const Dataset data = random_dataset({7, 7, 3}, 40, 4, 5);
    calibrate(qat, data);
    CHECK(check(qat).ok());
    CHECK(qat.quantizer("gate").params() == QParams::per_tensor(1.0f / 256.0f, -128));
    CHECK(qat.quantizer("joined").params() == QParams::per_tensor(1.0f / 128.0f, 0));
    qat.start_quantizing();
    float first = 0, last = 0;
    for (int step = 0; step < 30; ++step) {
      for (auto& p : qat.model().parameters()) p.parameter.clear_gradient();
      if (step == 20) qat.freeze_batch_norm();
      Tape tape;
      const auto loss = softmax_cross_entropy(forward(tape, qat, data.batch(0, 40).x), data.batch(0, 40).labels);
      (step == 0 ? first : last) = loss.value()[0];
      tape.backward(loss);
      for (auto& p : qat.model().parameters()) {
        if (p.parameter.gradient.empty()) continue;
        const auto value = p.parameter.value.edit();
        for (std::size_t k = 0; k < value.size(); ++k) value[k] -= 0.1f * p.parameter.gradient.span()[k];
      }
    }
    CHECK(last < first);
    const Tensor<float> x = random_images({7, 7, 3}, 3, 9);
    const auto wanted = evaluated(qat, x);
    Engine engine(convert(qat));
    std::size_t compared = 0;
    (void)engine.run(x, [&](int v, std::span<const std::int8_t> q) {
      const std::string& name = engine.values()[static_cast<std::size_t>(v)].name;
      CHECK(std::ranges::equal(q, wanted.at(name)));
      ++compared;
    });
    CHECK(compared == wanted.size());
    qat.freeze_ranges();
    Tape tape;
    CHECK(same_bits(forward(tape, qat, x).value(), infer(qat, x)));
  }
}

TEST_CASE("fixed scales are refused where they contradict each other or the recipe") {
  const auto complaint = [](Graph g, const Recipe& recipe) -> std::string {
    try {
      (void)prepare(Model(std::move(g), Rng(1)), recipe);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  Graph both;
  auto x = both.input({3});
  both.output(concat({sigmoid(x), tanh(x)}));
  CHECK_THAT(complaint(std::move(both), recipes::int8()), ContainsSubstring("shares its scale with another function"));
  Recipe narrow = recipes::int8();
  narrow.activations = Int8Activation(5);
  const auto squashed = [] {
    Graph g;
    g.output(sigmoid(g.input({3})).named("squash"));
    return g;
  };
  CHECK_THAT(complaint(squashed(), narrow), ContainsSubstring("squash (sigmoid): activations of 5 bits"));
  narrow.overrides = {{.node = "squash", .activations = Int8Activation(8)}};
  CHECK(complaint(squashed(), narrow) == "");
  Graph joined;
  x = joined.input({3});
  joined.output(concat({sigmoid(x), linear(x, {.units = 2}).named("free")}));
  const CheckReport report = check(joined, recipes::int8());
  CHECK(report.ok());
  CHECK_THAT(report.str(), ContainsSubstring("it is cut to [0, 1)"));
  CHECK(report.count(Severity::warning) == 1);
}

}  // namespace lookup_test
