// A new scheme, observer and estimator (custom_scheme.hpp): checked by the laws, then a perceptron is trained with them
// on the tape.

#include "../integrate/images.hpp"
#include "custom_scheme.hpp"

#include <stet/data/batches.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/testing/laws.hpp>
#include <stet/train/adam.hpp>

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

}  // namespace

int main() {
  using namespace stet::testing;
  example::Checks check("custom_scheme");
  const auto laws = [&](const char* name, const LawReport& report) {
    example::say("{}: {}", name, report.str());
    check(report.ok(), std::string(name) + " obeys its laws");
  };
  laws("Log4", check_scheme_laws(Log4{}));
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

  check(after > 75, "4-bit logarithmic weights reach 75 %");
  check(after > fp32 - 3, "training brings them to within 3 points of float");
  return check.outcome(fmt::format("accuracy float {:.2f} %, quantized {:.2f} % without and {:.2f} % with training", fp32,
                                   before, after));
}
