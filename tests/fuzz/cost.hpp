// What reading costs: the memory that is held at most, and processor time.
#pragma once

#include <stet/core/pool.hpp>

#include <cstddef>
#include <ctime>

namespace stet_test {

/// Bytes that operator new has handed out and not got back, now and at most; cost_test.cpp replaces it.
struct Allocated {
  std::size_t now = 0, most = 0;
};
Allocated allocated();
void forget_most();

struct Cost {
  std::size_t bytes = 0;  ///< held at most, beyond what was held before
  double seconds = 0;     ///< of processor time, all threads together
};

template <class F>
Cost cost_of(F&& f) {
  stet::MemoryPool::instance().trim();
  forget_most();
  const std::size_t before = allocated().now;
  const std::clock_t start = std::clock();
  f();
  return {allocated().most - before, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC};
}

}  // namespace stet_test
