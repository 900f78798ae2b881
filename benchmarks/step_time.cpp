// Training step of the example's networks: FP32 against QAT with live and with frozen batch norm, batch 128. The three
// take turns, so that noise of the machine hits all of them; medians.
//   bench_step_time [steps] [threads ...]

#include "examples/fashion_mnist/networks.hpp"

#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

namespace {

using namespace stet;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// A model with its optimizer; step() is what fit does for one batch.
template <class M>
struct Trainer {
  M model;
  std::vector<ParameterRef> parameters;
  OptimizerState optimizer;

  explicit Trainer(M m) : model(std::move(m)), parameters(parameter_refs(model)), optimizer(Adam{.lr = 1e-4}, parameters) {}

  double step(const Batch& batch) {
    const auto start = std::chrono::steady_clock::now();
    {
      Tape tape;
      clear_gradients(parameters);
      const auto logits = forward(tape, model, batch.x, Mode::training, {});
      tape.backward(softmax_cross_entropy(logits, batch.labels));
      optimizer.step(parameters);
    }
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
};

void measure(const char* name, const DatasetSplit& data, int steps) {
  const Batch batch = data.train.batch(0, 128);
  Trainer<Model> fp32(Model(example::make_network(name), Rng(1)));
  for (int i = 0; i < 5; ++i) fp32.step(batch);
  QatModel prepared = prepare(fp32.model, recipes::int8());
  calibrate(prepared, data.train);
  prepared.start_quantizing();
  Trainer<QatModel> live(prepared);
  Trainer<QatModel> frozen(prepared);
  frozen.model.freeze_ranges();
  frozen.model.freeze_batch_norm();
  std::vector<double> a, b, c;
  for (int i = 0; i < steps + 3; ++i) {
    const double x = fp32.step(batch), y = live.step(batch), z = frozen.step(batch);
    if (i < 3) continue;
    a.push_back(x);
    b.push_back(y);
    c.push_back(z);
  }
  fmt::print("{:<12}{:>3} threads   fp32 {:7.2f} ms   qat {:7.2f} ms ({:.2f})   qat frozen {:7.2f} ms ({:.2f})\n", name,
             threads(), median(a), median(b), median(b) / median(a), median(c), median(c) / median(a));
}

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 20;
  const DatasetSplit data = make_shapes(1, 256, 10);
  std::vector<int> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::atoi(argv[i]));
  if (counts.empty()) counts = {1, 2};
  for (const int count : counts) {
    set_threads(count);
    for (const char* name : {"plain", "separable", "residual"}) measure(name, data, steps);
  }
}
