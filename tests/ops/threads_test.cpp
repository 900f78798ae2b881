// Results are equal bit for bit with one, two and three threads, and nothing is computed that nobody wants.
#include <stet/ops/activation.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

#include <cstring>

namespace threads_test {

using namespace stet;
using stet_test::uniform;

namespace {

// A network with every operator whose work is cut into chunks; returns the loss and all gradients.
std::vector<Tensor<float>> train_once() {
  Tape tape;
  const auto x = tape.variable(uniform<float>({9, 28, 27, 3}, 1));
  const auto w1 = tape.variable(uniform<float>({16, 3, 3, 3}, 2));
  const auto w2 = tape.variable(uniform<float>({1, 3, 3, 32}, 3));
  const auto w3 = tape.variable(uniform<float>({24, 3, 3, 32}, 4, -0.1, 0.1));
  const auto w4 = tape.variable(uniform<float>({10, 24 * 4 * 4}, 5, -0.1, 0.1));
  const auto b4 = tape.variable(uniform<float>({10}, 6));
  const auto gamma = tape.variable(uniform<float>({16}, 7, 0.5, 1.5));
  const auto beta = tape.variable(uniform<float>({16}, 8));
  Tensor<float> mean = Tensor<float>::zeros({16}), variance = Tensor<float>::filled({16}, 1);
  auto h = batch_norm_relu(conv2d(x, w1), gamma, beta, mean, variance);
  h = max_pool(h);
  h = tanh(depthwise_conv2d(h, w2, {.stride = 2}));
  h = add(h, mul(h, beta.tape().constant(uniform<float>({32}, 9))));
  h = avg_pool(conv2d(h, w3), {.size = 2, .padding = Padding::same()});
  const auto logits = linear(flatten(h), w4, b4);
  Tensor<std::int32_t> labels({9});
  for (auto& l : labels.edit()) l = 3;
  const auto loss = softmax_cross_entropy(logits, labels, {.label_smoothing = 0.1});
  tape.backward(loss);
  std::vector<Tensor<float>> results{loss.value(), mean, variance, sum(h).value()};
  for (const auto& v : {x, w1, w2, w3, w4, b4, gamma, beta}) results.push_back(tape.gradient(v));
  return results;
}

}  // namespace

TEST_CASE("a training step does not depend on the number of threads", "[ops]") {
  set_threads(1);
  const auto one = train_once();
  for (const int threads : {2, 3}) {
    set_threads(threads);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const auto many = train_once();
      REQUIRE(many.size() == one.size());
      for (std::size_t i = 0; i < one.size(); ++i) {
        CAPTURE(threads, i);
        CHECK(std::memcmp(one[i].data(), many[i].data(), one[i].span().size_bytes()) == 0);
      }
    }
  }
  set_threads(0);
}

TEST_CASE("an input that wants no gradient gets none and costs no memory", "[ops]") {
  Tape tape;
  const auto x = tape.constant(uniform<float>({4, 16, 16, 8}, 1));
  const auto w = tape.constant(uniform<float>({8, 3, 3, 8}, 2));
  const auto before = MemoryPool::instance().statistics().live_bytes;
  for (int i = 0; i < 5; ++i) relu(max_pool(conv2d(x, w)));
  CHECK(MemoryPool::instance().statistics().live_bytes == before);
  CHECK_FALSE(relu(conv2d(x, w)).wanted());
}

TEST_CASE("a training step takes no memory from the system once it has run", "[ops]") {
  set_threads(1);
  train_once();
  const auto before = MemoryPool::instance().statistics().system_allocations;
  for (int i = 0; i < 3; ++i) train_once();
  CHECK(MemoryPool::instance().statistics().system_allocations == before);
  set_threads(0);
}

}  // namespace threads_test
