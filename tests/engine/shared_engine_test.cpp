// One engine for many callers: threads, callers inside a run, forked processes; and engines that were moved from.
// (threads.cpp asks the thread sanitizer.)

#include <stet/core/pool.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/networks.hpp"

#include <memory>
#include <thread>
#include <utility>

namespace shared_engine_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

IntegerModel small_model() {
  Graph g;
  const auto x = g.input({8, 6, 4});
  const auto y = relu(conv2d(x, {.filters = 8, .kernel = 3}));
  g.output(linear(global_average_pool(y + conv2d(y, {.filters = 8, .kernel = 1})), {.units = 3}));
  return quantize(Model(std::move(g), Rng(1)), recipes::int8(), random_dataset({8, 6, 4}, 20, 3, 1));
}

}  // namespace

TEST_CASE("threads share one engine, with batches of any size", "[bits]") {
  const Engine engine(small_model());
  constexpr int threads = 4;
  std::vector<Tensor<float>> inputs, wanted;
  for (int t = 0; t < threads; ++t) {
    inputs.push_back(random_images({8, 6, 4}, 1 + 5 * t, static_cast<std::uint64_t>(t)));
    wanted.push_back(infer(engine, inputs.back()));
  }
  bool good[threads] = {};
  std::vector<std::thread> callers;
  for (std::size_t t = 0; t < threads; ++t) {
    callers.emplace_back([&, t] {
      bool same = true;
      for (int i = 0; i < 100; ++i) {
        const std::size_t which = (t + static_cast<std::size_t>(i)) % threads;
        same = same && same_bits(infer(engine, inputs[which]), wanted[which]);
      }
      good[t] = same;
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const bool same : good) CHECK(same);
}

TEST_CASE("a run inside of another run of the same engine disturbs neither") {
  const Engine engine(small_model());
  const Tensor<float> x = random_images({8, 6, 4}, 3, 1), other = random_images({8, 6, 4}, 5, 2);
  const QTensor wanted = engine.run(x), second = engine.run(other);
  bool inner = true;
  const QTensor codes = engine.run(x, [&](int, std::span<const std::int8_t>) {
    inner = inner && same_bits(engine.run(other).codes, second.codes);
  });
  CHECK(inner);
  CHECK(same_bits(codes.codes, wanted.codes));
}

TEST_CASE("callers that alternate take no memory from the system in their steady state") {
  const Engine engine(small_model());
  const Tensor<float> x = random_images({8, 6, 4}, 9, 1), other = random_images({8, 6, 4}, 4, 2);
  const auto round = [&] {
    (void)engine.run(x, [&](int, std::span<const std::int8_t>) { (void)engine.run(other); });
    (void)engine.run(other);
  };
  round();
  round();
  const auto before = MemoryPool::instance().statistics();
  for (int i = 0; i < 10; ++i) round();
  CHECK(MemoryPool::instance().statistics().system_allocations == before.system_allocations);
}

TEST_CASE("a forked process runs the engine of its parent") {
  const Engine engine(small_model());
  const Tensor<float> x = random_images({8, 6, 4}, 64, 1);
  set_threads(4);
  const Tensor<float> wanted = infer(engine, x);
  CHECK(forked([&] { return same_bits(infer(engine, x), wanted); }));
  set_threads(0);
}

TEST_CASE("an engine that was moved from says so") {
  Engine engine(small_model());
  const Tensor<float> x = random_images({8, 6, 4}, 2, 1);
  const Tensor<float> wanted = infer(engine, x);
  const Engine moved = std::move(engine);
  CHECK(same_bits(infer(moved, x), wanted));
  CHECK_THROWS_WITH(engine.run(x), ContainsSubstring("engine: used after it was moved from"));  // NOLINT
  CHECK_THROWS_WITH(engine.input_shape(), ContainsSubstring("moved from"));
  CHECK_THROWS_WITH(infer(engine, x), ContainsSubstring("moved from"));
  engine = moved;
  CHECK(same_bits(infer(engine, x), wanted));
}

}  // namespace shared_engine_test
