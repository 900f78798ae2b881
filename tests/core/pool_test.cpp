// The memory pool: size classes, alignment, and a steady state without allocations.
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>

#include "support/catch.hpp"

namespace pool_test {

using namespace stet;

TEST_CASE("size classes hold what was asked and waste at most a quarter") {
  for (std::size_t bytes = 1; bytes < 100000; bytes += 7) {
    const std::size_t size = MemoryPool::round_up(bytes);
    CHECK((size >= bytes && (size == 256 || size * 4 <= bytes * 5)));
    CHECK(MemoryPool::round_up(size) == size);
  }
  CHECK(MemoryPool::round_up(1) == 256);
  CHECK(MemoryPool::round_up(256) == 256);
  CHECK(MemoryPool::round_up(257) == 320);
  CHECK(MemoryPool::round_up(1 << 20) == 1 << 20);
}

TEST_CASE("blocks are aligned to 64 bytes, empty blocks have no memory") {
  for (const std::size_t bytes : {1u, 100u, 5000u, 1000000u}) {
    CHECK(reinterpret_cast<std::uintptr_t>(Block(bytes).data()) % 64 == 0);
  }
  CHECK(Block(0).data() == nullptr);
}

TEST_CASE("the steady state of a loop takes nothing from the system") {
  auto& pool = MemoryPool::instance();
  const auto step = [] {
    for (std::int64_t n = 1; n < 200000; n *= 3) {
      const auto a = Tensor<float>::zeros({n});
      const auto b = Tensor<double>::filled({n}, 2);
      CHECK(a.size() == b.size());
    }
  };
  step();
  const auto before = pool.statistics();
  for (int i = 0; i < 10; ++i) step();
  const auto after = pool.statistics();
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.cached_bytes == before.cached_bytes);
}

TEST_CASE("the peak counts what lives at the same time") {
  auto& pool = MemoryPool::instance();
  pool.reset_peak();
  const std::size_t live = pool.statistics().live_bytes;
  { const Tensor<float> a({1 << 16}), b({1 << 16}); }
  const std::size_t peak = pool.statistics().peak_bytes;
  CHECK(peak >= live + 2 * (sizeof(float) << 16));
  CHECK(peak <= live + 3 * (sizeof(float) << 16));
  CHECK(pool.statistics().live_bytes == live);
}

TEST_CASE("trim gives cached blocks back") {
  auto& pool = MemoryPool::instance();
  { const Tensor<float> a({12345}); }
  CHECK(pool.statistics().cached_bytes > 0);
  pool.trim();
  CHECK(pool.statistics().cached_bytes == 0);
  const auto before = pool.statistics().system_allocations;
  { const Tensor<float> a({12345}); }
  CHECK(pool.statistics().system_allocations == before + 1);
}

TEST_CASE("threads may allocate and free at the same time") {
  auto& pool = MemoryPool::instance();
  const std::size_t live = pool.statistics().live_bytes;
  set_threads(4);
  parallel(64, [](std::int64_t i) {
    for (std::int64_t n = 1; n < 5000; n = n * 2 + i) {
      Tensor<float> t = Tensor<float>::filled({n}, static_cast<float>(i));
      const Tensor<float> copy = t;
      t.edit()[0] = -1;
      if (copy[0] != static_cast<float>(i)) fail(Errc::state, "pool: a block was handed out twice");
    }
  });
  set_threads(0);
  CHECK(pool.statistics().live_bytes == live);
}

}  // namespace pool_test
