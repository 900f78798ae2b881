// One engine shared by threads, for the thread sanitizer: a program of its own, without OpenMP (whose runtime the sanitizer
// cannot see into) and without training code. Compiled and run by threads.sh.

#include <stet/core/random.hpp>
#include <stet/engine/engine.hpp>

#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using namespace stet;

constexpr int channels = 8, classes = 5, side = 6;

template <class T>
Tensor<T> random_codes(const Shape& shape, Rng& rng) {
  Tensor<T> codes(shape);
  for (T& c : codes.edit()) c = static_cast<T>(static_cast<int>(rng.below(200)) - 100);
  return codes;
}

// Convolution, sum, pooling, sigmoid, mean and classes: values that reuse each other's memory.
IntegerModel small_model() {
  Rng rng(7);
  const auto params = [](float scale, std::int32_t zero) { return Affine{scale, zero}; };
  IntegerModel m;
  m.target = targets::tflite_reference;
  m.values = {{"image", {side, side, 3}, params(0.02f, 3)},
              {"first", {side, side, channels}, params(0.05f, -10)},
              {"second", {side, side, channels}, params(0.04f, 5)},
              {"sum", {side, side, channels}, params(0.06f, -3)},
              {"pool", {side / 2, side / 2, channels}, params(0.06f, -3)},
              {"sigmoid", {side / 2, side / 2, channels}, params(1.0f / 256.0f, -128)},
              {"mean", {channels}, params(1.0f / 256.0f, -128)},
              {"classes", {classes}, params(0.1f, 0)}};
  namespace op = graph::op;
  const auto constants = [&](const Shape& weights, float scale) {
    return LayerConstants{random_codes<std::int8_t>(weights, rng), {scale}, random_codes<std::int32_t>({weights[0]}, rng)};
  };
  const op::Conv2D convolution{.filters = channels, .kernel = 3};
  m.nodes = {{"image", op::Input{{side, side, 3}}, {}, 0},
             {"first", convolution, {0}, 1, Activation::none, constants({channels, 3, 3, 3}, 0.01f)},
             {"second", convolution, {1}, 2, Activation::none, constants({channels, 3, 3, channels}, 0.01f)},
             {"sum", op::Add{}, {1, 2}, 3},
             {"pool", op::MaxPool{}, {3}, 4},
             {"sigmoid", op::Sigmoid{}, {4}, 5},
             {"mean", op::GlobalAveragePool{}, {5}, 6},
             {"classes", op::Linear{.units = classes}, {6}, 7, Activation::none, constants({classes, channels}, 0.02f)}};
  m.outputs = {7};
  return m;
}

Tensor<float> images(int count, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<float> x(Shape{count, side, side, 3});
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  return x;
}

}  // namespace

int main() {
  const Engine engine(small_model());
  constexpr int threads = 4, runs = 200;
  std::vector<Tensor<float>> inputs;
  std::vector<QTensor> wanted;
  for (int t = 0; t < threads; ++t) {
    inputs.push_back(images(1 + t % 3, static_cast<std::uint64_t>(t)));  // batches of different sizes
    wanted.push_back(engine.run(inputs.back()));
  }
  std::vector<int> wrong(threads, 0);
  std::vector<std::thread> callers;
  for (int t = 0; t < threads; ++t) {
    callers.emplace_back([&, i = static_cast<std::size_t>(t)] {
      for (int r = 0; r < runs; ++r) {
        const QTensor codes = engine.run(inputs[i]);
        if (std::memcmp(codes.codes.data(), wanted[i].codes.data(), wanted[i].codes.span().size()) != 0) ++wrong[i];
      }
    });
  }
  int all = 0;
  for (int t = 0; t < threads; ++t) {
    callers[static_cast<std::size_t>(t)].join();
    all += wrong[static_cast<std::size_t>(t)];
  }
  std::printf("%d of %d runs with wrong codes\n", all, threads * runs);
  return all == 0 ? 0 : 1;
}
