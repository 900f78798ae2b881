// Training step of the example's networks: FP32 against QAT with live and with frozen batch norm, batch 128, with 8 bits
// and with 4 bits and learned scales. All take turns, so that noise of the machine hits all of them; medians of wall-clock
// time and of processor time (all threads together), which other programs on the machine disturb less.
//   bench_step_time [steps] [threads ...]

#include "examples/fashion_mnist/networks.hpp"

#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <list>
#include <string>
#include <utility>
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
  void forget_times() {
    wall.clear();
    cpu.clear();
  }

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

void print_times(const char* network, const std::string& recipe, const char* clock, double fp32, double live,
                 double frozen) {
  fmt::print("{:<10} {:<9} {} threads  {:<5} fp32 {:7.2f} ms   qat {:7.2f} ms ({:.2f})   qat frozen {:7.2f} ms ({:.2f})\n",
             network, recipe, threads(), clock, fp32, live, live / fp32, frozen, frozen / fp32);
}

QatModel quantizing(const Model& fp32, const Recipe& recipe, const Dataset& calibration) {
  QatModel qat = prepare(fp32, recipe);
  calibrate(qat, calibration);
  qat.start_quantizing();
  return qat;
}

// The two stages of QAT with one recipe.
struct Quantized {
  Trainer<QatModel> live, frozen;

  explicit Quantized(const QatModel& qat) : live(qat), frozen(qat) {
    frozen.model.freeze_ranges();
    frozen.model.freeze_batch_norm();
  }
};

void measure(const char* name, const DatasetSplit& data, int steps) {
  const Batch batch = data.train.batch(0, 128);
  Trainer<Model> fp32(Model(example::make_network(name), Rng(1)));
  for (int i = 0; i < 5; ++i) fp32.step(batch);
  std::list<Quantized> quantized;  // trainers hold references into their models, so they stay in place
  for (const Recipe& recipe : {recipes::int8(), recipes::w4a4_lsq()}) {
    quantized.emplace_back(quantizing(fp32.model, recipe, data.train));
  }
  for (int i = 0; i < steps + 3; ++i) {
    if (i == 3) {  // warm
      fp32.forget_times();
      for (Quantized& q : quantized) {
        q.live.forget_times();
        q.frozen.forget_times();
      }
    }
    fp32.step(batch);
    for (Quantized& q : quantized) {
      q.live.step(batch);
      q.frozen.step(batch);
    }
  }
  for (const Quantized& q : quantized) {
    const std::string& recipe = q.live.model.recipe().name;
    print_times(name, recipe, "wall", median(fp32.wall), median(q.live.wall), median(q.frozen.wall));
    print_times(name, recipe, "cpu", median(fp32.cpu), median(q.live.cpu), median(q.frozen.cpu));
  }
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
