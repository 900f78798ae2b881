// A new scheme, observer and estimator (custom_scheme.hpp): checked by the laws, then a perceptron is trained with them
// on the tape. And a new affine scheme (affine_scheme.hpp), with which a recipe trains a network and deploys it.

#include "../integrate/images.hpp"
#include "affine_scheme.hpp"
#include "custom_scheme.hpp"

#include <stet/data/batches.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/testing/laws.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include <cmath>
#include <vector>

namespace {

using namespace stet;

struct Net {
  Parameter w1, b1, w2, b2;
  PeakObserver range;  // of the hidden layer
  bool quantized = false;

  explicit Net(Rng rng) {
    const auto weights = [&](std::int64_t outputs, std::int64_t inputs) {
      Tensor<float> w(Shape{outputs, inputs});
      const double bound = std::sqrt(6.0 / static_cast<double>(inputs));
      for (float& v : w.edit()) v = static_cast<float>(rng.uniform(-bound, bound));
      return Parameter{w};
    };
    w1 = weights(64, 784);
    w2 = weights(10, 64);
    b1 = Parameter{Tensor<float>::zeros({64})};
    b2 = Parameter{Tensor<float>::zeros({10})};
  }
  std::vector<ParameterRef> parameters() { return {{&w1, "w1"}, {&b1, "b1"}, {&w2, "w2"}, {&b2, "b2"}}; }

  Var<Tensor<float>> forward(Tape& tape, const Tensor<float>& x, bool training) {
    const auto weight = [&](Parameter& w) {
      const Var<Tensor<float>> v = tape.parameter(w);
      return quantized ? fake_quantize(v, Log4{}, LeakySte{}) : v;
    };
    Var<Tensor<float>> h = relu(linear(tape.constant(x), weight(w1), tape.parameter(b1)));
    if (training) range.observe(h.value());
    if (quantized) h = fake_quantize(h, choose_qparams(range.ranges(), Grid::int8()), LeakySte{});
    return linear(h, weight(w2), tape.parameter(b2));
  }
};

void train(Net& net, const Dataset& data, int epochs, double rate) {
  auto parameters = net.parameters();
  OptimizerState optimizer(Adam{.lr = rate}, parameters);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const Batches batches(data.size(), {.size = 64, .drop_last = true}, static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < batches.size(); ++i) {
      const Batch batch = data.batch(batches[i]);
      Tape tape;
      clear_gradients(parameters);
      const auto logits = net.forward(tape, batch.x.reshaped({batch.size(), 784}), true);
      tape.backward(softmax_cross_entropy(logits, batch.labels));
      optimizer.step(parameters);
    }
  }
}

double accuracy(Net& net, const Dataset& data) {
  const Batch batch = data.batch(0, data.size());
  Tape tape;
  const Tensor<float> logits = net.forward(tape, batch.x.reshaped({batch.size(), 784}), false).value();
  double right = 0;
  for (std::int64_t n = 0; n < batch.size(); ++n) {
    const auto row = logits.span().subspan(static_cast<std::size_t>(n) * 10, 10);
    right += std::max_element(row.begin(), row.end()) - row.begin() == batch.labels[n];
  }
  return 100.0 * right / static_cast<double>(batch.size());
}

// A network whose weights have the new scheme: trained, and executed as integers.
struct Deployed {
  double fp32, trained, engine;
  bool same;
};
Deployed deploy(const DatasetSplit& data) {
  Graph g;
  auto x = g.input(data.train.shape());
  for (const int filters : {8, 16}) x = relu(batch_norm(conv2d(x, {.filters = filters, .kernel = 3, .stride = 2})));
  g.output(linear(global_average_pool(x), {.units = data.train.classes()}));
  Model model(std::move(g), Rng(1));
  FitOptions options{.epochs = 4, .batch = 64, .optimizer = Adam{.lr = 2e-3}};
  fit(model, data.train, options);

  Recipe recipe = recipes::int8();
  recipe.weights = recipe.linear_weights = ThreeSigma{};
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data.train);
  options.epochs = 2;
  options.optimizer = Adam{.lr = 5e-4};
  fit(qat, data.train, options);
  Engine engine(convert(qat));
  const Tensor<float> images = data.test.batch(0, 64).x;
  const Tensor<float> a = infer(qat, images), b = infer(engine, images);
  return {100 * evaluate(model, data.test).accuracy, 100 * evaluate(qat, data.test).accuracy,
          100 * evaluate(engine, data.test).accuracy, std::equal(a.data(), a.data() + a.size(), b.data())};
}

}  // namespace

int main() {
  using namespace stet::testing;
  example::Checks check("custom_scheme");
  const auto laws = [&](const char* name, const LawReport& report) {
    example::say("{}: {}", name, report.str());
    check(report.ok(), std::string(name) + " obeys its laws");
  };
  laws("Log4", check_scheme_laws(Log4{}));
  laws("ThreeSigma", check_scheme_laws(ThreeSigma{}));
  laws("PeakObserver", for_all_observers([](const Granularity& g) { return PeakObserver(g); }, {}, granularities()));
  laws("LeakySte", check_estimator_laws(LeakySte{}));

  const DatasetSplit data = example::load_images(12000, 4000);
  Net net{Rng(1)};
  train(net, data.train, 4, 1e-3);
  Net control = net;  // as many steps in float
  train(control, data.train, 3, 5e-4);
  const double fp32 = accuracy(control, data.test);
  net.quantized = true;
  const double before = accuracy(net, data.test);
  train(net, data.train, 3, 5e-4);
  const double after = accuracy(net, data.test);

  const Deployed deployed = deploy(data);
  check(deployed.same && deployed.engine == deployed.trained, "what was trained is what the engine computes");
  check(deployed.engine > deployed.fp32 - 3, "6-bit weights of an own scheme stay within 3 points of float");

  check(after > 75, "4-bit logarithmic weights reach 75 %");
  check(after > fp32 - 3, "training brings them to within 3 points of float");
  return check.outcome(fmt::format(
      "accuracy float {:.2f} %, quantized {:.2f} % without and {:.2f} % with training; deployed: float {:.2f} %, integers {:.2f} %",
      fp32, before, after, deployed.fp32, deployed.engine));
}
