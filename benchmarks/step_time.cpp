// Training step of the example's networks: FP32 against QAT with live and with frozen batch norm, batch 128. The three
// take turns, so that noise of the machine hits all of them; medians of wall-clock time and of processor time (all threads
// together), which other programs on the machine disturb less.
//   bench_step_time [steps] [threads ...]

#include "examples/fashion_mnist/networks.hpp"

#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
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

  std::vector<double> wall, cpu;  // milliseconds

  void step(const Batch& batch) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    {
      Tape tape;
      clear_gradients(parameters);
      const auto logits = forward(tape, model, batch.x, Mode::training, {});
      tape.backward(softmax_cross_entropy(logits, batch.labels));
      optimizer.step(parameters);
    }
    wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    cpu.push_back(1e3 * static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
  }
};

void print_times(const char* name, const char* clock, double fp32, double live, double frozen) {
  fmt::print("{:<11}{} threads  {:<5} fp32 {:7.2f} ms   qat {:7.2f} ms ({:.2f})   qat frozen {:7.2f} ms ({:.2f})\n", name,
             threads(), clock, fp32, live, live / fp32, frozen, frozen / fp32);
}

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
  for (int i = 0; i < steps + 3; ++i) {
    if (i == 3) {  // warm
      for (auto* times : {&fp32.wall, &fp32.cpu, &live.wall, &live.cpu, &frozen.wall, &frozen.cpu}) times->clear();
    }
    fp32.step(batch);
    live.step(batch);
    frozen.step(batch);
  }
  print_times(name, "wall", median(fp32.wall), median(live.wall), median(frozen.wall));
  print_times(name, "cpu", median(fp32.cpu), median(live.cpu), median(frozen.cpu));
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
