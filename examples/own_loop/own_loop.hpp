#pragma once
// A training loop of one's own, with a regression loss, for a float model and for a quantized one.

#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace own_loop {

using namespace stet;

/// Images of one bright spot each, and where it is: x and y from -1 to 1.
struct Spots {
  Tensor<float> images;   // [N, 12, 12, 1]
  Tensor<float> targets;  // [N, 2]
  [[nodiscard]] std::int64_t size() const { return images.shape()[0]; }
};

inline Spots draw_spots(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  Spots spots{Tensor<float>(Shape{count, 12, 12, 1}), Tensor<float>(Shape{count, 2})};
  const auto pixels = spots.images.edit(), targets = spots.targets.edit();
  for (std::size_t n = 0; n < static_cast<std::size_t>(count); ++n) {
    const double x = rng.uniform(-1.0, 1.0), y = rng.uniform(-1.0, 1.0), height = rng.uniform(0.5, 1.0);
    targets[2 * n] = static_cast<float>(x);
    targets[2 * n + 1] = static_cast<float>(y);
    for (int i = 0; i < 144; ++i) {
      const double dx = i % 12 - 5.5 - 4 * x, dy = i / 12 - 5.5 - 4 * y;
      const double spot = height / (1 + 0.25 * (dx * dx + dy * dy) * (dx * dx + dy * dy));
      pixels[144 * n + static_cast<std::size_t>(i)] = static_cast<float>(spot + 0.05 * rng.normal());
    }
  }
  return spots;
}

/// What calibrate takes is a Dataset. Nobody reads its labels.
inline Dataset unlabelled(const Spots& spots) {
  return {spots.images, Tensor<std::int32_t>::zeros({spots.size()}), 1, "spots"};
}

inline Spots batch_of(const Spots& spots, std::span<const std::int64_t> indices) {
  const auto count = static_cast<std::int64_t>(indices.size());
  Spots batch{Tensor<float>(Shape{count, 12, 12, 1}), Tensor<float>(Shape{count, 2})};
  float* image = batch.images.edit().data();
  float* target = batch.targets.edit().data();
  for (const std::int64_t i : indices) {
    image = std::copy_n(spots.images.data() + 144 * i, 144, image);
    target = std::copy_n(spots.targets.data() + 2 * i, 2, target);
  }
  return batch;
}

inline Model network(std::uint64_t seed) {
  Graph g;
  auto x = g.input({12, 12, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false})));
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .stride = 2, .bias = false})));
  g.output(linear(flatten(x), {.units = 2}).named("position"));
  return Model(std::move(g), Rng(seed));
}

/// One step: the same for a Model and for a QatModel, and all that a loop needs of either.
template <class M>
double train_step(M& model, const Spots& batch, OptimizerState& optimizer, std::span<const ParameterRef> parameters,
                  double lr_scale) {
  clear_gradients(parameters);
  double value = 0;
  {
    Tape tape;
    const auto loss = mse(forward(tape, model, batch.images), tape.constant(batch.targets));
    tape.backward(loss);
    value = static_cast<double>(loss.value()[0]);
  }  // what the tape holds is free again: the optimizer writes in place
  optimizer.step(parameters, lr_scale);
  return value;
}

inline BatchOptions batches() { return {.size = 32, .drop_last = true}; }

/// Trains in float.
inline void train(Model& model, const Spots& data, int epochs, double lr) {
  const std::vector<ParameterRef> parameters = parameter_refs(model);
  OptimizerState optimizer(Adam{.lr = lr}, parameters);
  const std::int64_t per_epoch = steps_per_epoch(data.size(), batches()), total = per_epoch * epochs;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const Batches order(data.size(), batches(), static_cast<std::uint64_t>(epoch));
    for (std::int64_t i = 0; i < per_epoch; ++i) {
      train_step(model, batch_of(data, order[i]), optimizer, parameters, Cosine{}.at(epoch * per_epoch + i, total));
    }
  }
}

/// Trains quantized: the same loop, which tells the model by QatSteps how far it is.
inline void train(QatModel& qat, const Spots& data, int epochs, double lr) {
  const std::vector<ParameterRef> parameters = parameter_refs(qat);
  OptimizerState optimizer(Adam{.lr = lr}, parameters);
  const std::int64_t per_epoch = steps_per_epoch(data.size(), batches());
  Batches order(data.size(), batches(), 0);
  QatSteps steps(qat, epochs * per_epoch);
  while (steps.next()) {
    const std::int64_t i = steps.step() % per_epoch;
    if (i == 0) order = Batches(data.size(), batches(), static_cast<std::uint64_t>(steps.step() / per_epoch));
    train_step(qat, batch_of(data, order[i]), optimizer, parameters, Cosine{}.at(steps.step(), steps.total()));
  }
}

/// Mean distance between predicted and true position. M is a Model, a QatModel or an Engine.
template <class M>
double mean_distance(const M& model, const Spots& test) {
  const Tensor<float> y = infer(model, test.images);
  double sum = 0;
  for (std::int64_t n = 0; n < test.size(); ++n) {
    const auto of = [&](std::int64_t i) { return static_cast<double>(y[i] - test.targets[i]); };
    sum += std::hypot(of(2 * n), of(2 * n + 1));
  }
  return sum / static_cast<double>(test.size());
}

/// Codes of all values of all images, training's forward in evaluation against the engine's.
struct CodeComparison {
  std::int64_t compared = 0, different = 0;
};

inline CodeComparison compare_codes(const QatModel& qat, const IntegerModel& model, const Spots& test) {
  std::vector<Tensor<std::int8_t>> trained(model.values.size());
  (void)infer_codes(qat, test.images, [&](int node, const QTensor& codes) {
    for (std::size_t v = 0; v < model.values.size(); ++v) {
      if (model.values[v].name == qat.node_name(node)) trained[v] = codes.codes;
    }
  });
  CodeComparison result;
  (void)Engine(model).run(test.images, [&](int value, std::span<const std::int8_t> codes) {
    const auto other = trained[static_cast<std::size_t>(value)].span();
    result.compared += static_cast<std::int64_t>(codes.size());
    for (std::size_t i = 0; i < codes.size(); ++i) result.different += i < other.size() && codes[i] == other[i] ? 0 : 1;
  });
  return result;
}

}  // namespace own_loop
