// One competitor of benchmarks/compare.py: it makes one network ready for one kind of work and then does as many steps of
// it as each line of its input says, so that competitors can take turns while they stay warm.
//   bench_worker NETWORK MODE [--batch N] [--threads N] [--save PREFIX]
// MODE: fp32, live, frozen (a training step with Adam), infer (the float network), engine (the integers).
// benchmarks/serve.hpp says what it answers. With --save, PREFIX.tflite, PREFIX.onnx and PREFIX.float.tflite are written for other runtimes.

#include "benchmarks/networks.hpp"
#include "benchmarks/serve.hpp"

#include <stet/data/dataset.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/stet.hpp>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace {

using namespace stet;

// Random images with random labels: what is timed does not depend on them.
Dataset noise(const Shape& image, std::int64_t count) {
  Rng rng(1);
  Tensor<float> x(image.batched(count));
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  Tensor<std::int32_t> labels(Shape{count});
  for (std::int32_t& label : labels.edit()) label = static_cast<std::int32_t>(rng.below(10));
  return {std::move(x), std::move(labels), 10, "random"};
}

// A model with its optimizer; step() is what fit does for one batch.
template <class M>
class Trainer {
 public:
  explicit Trainer(M model) : model_(std::move(model)), parameters_(parameter_refs(model_)), optimizer_(Adam{.lr = 1e-4}, parameters_) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  void step(const Batch& batch) {
    Tape tape;
    clear_gradients(parameters_);
    tape.backward(softmax_cross_entropy(forward(tape, model_, batch.x, Mode::training, {}), batch.labels));
    optimizer_.step(parameters_);
  }

 private:
  M model_;
  std::vector<ParameterRef> parameters_;
  OptimizerState optimizer_;
};

QatModel quantizing(const Model& fp32, const Dataset& data) {
  QatModel qat = prepare(fp32, recipes::int8());
  calibrate(qat, data.slice(0, 8));  // few, so that calibration does not set the peak of memory
  qat.start_quantizing();
  return qat;
}

template <class M>
std::function<void()> training(M model, Batch batch) {
  auto trainer = std::make_shared<Trainer<M>>(std::move(model));
  return [trainer, batch = std::move(batch)] { trainer->step(batch); };
}

std::function<void()> work(const std::string& mode, const Model& fp32, const Dataset& data, const Batch& batch) {
  if (mode == "fp32") return training(fp32, batch);
  if (mode == "infer") {
    return [plan = std::make_shared<InferencePlan>(fp32), batch] { return void(infer(*plan, batch.x)); };
  }
  QatModel qat = quantizing(fp32, data);
  if (mode == "live") return training(std::move(qat), batch);
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  if (mode == "frozen") return training(std::move(qat), batch);
  if (mode == "engine") {
    return [engine = std::make_shared<Engine>(convert(qat)), batch] { return void(engine->run(batch.x)); };
  }
  fail(Errc::range, "bench_worker: mode {} is none of fp32, live, frozen, infer, engine", mode);
}

void save_files(const std::string& prefix, const Model& fp32, const Dataset& data) {
  QatModel qat = quantizing(fp32, data);
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  const IntegerModel integers = convert(qat);
  save_tflite(prefix + ".tflite", integers);
  save_onnx(prefix + ".onnx", integers);
  save_tflite(prefix + ".float.tflite", fp32);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "bench_worker NETWORK MODE [--batch N] [--threads N] [--save PREFIX]\n");
    return 2;
  }
  const std::int64_t before = bench::peak_memory();
  std::int64_t batch_size = 128;
  std::string save;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--batch") batch_size = std::atoll(argv[i + 1]);
    if (option == "--threads") set_threads(std::atoi(argv[i + 1]));
    if (option == "--save") save = argv[i + 1];
  }
  try {
    const Model fp32(bench::make_network(argv[1]), Rng(1));
    const Dataset data = noise(fp32.graph().node(fp32.graph().inputs().front()).shape, std::max<std::int64_t>(batch_size, 64));
    if (!save.empty()) save_files(save, fp32, data);
    const std::function<void()> step = work(argv[2], fp32, data, data.batch(0, batch_size));
    bench::serve(step, before);
    return 0;
  } catch (const Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
