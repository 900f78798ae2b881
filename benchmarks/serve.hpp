#pragma once
// What competitors of benchmarks/compare.py have in common: steps on demand, so that they can take turns while they stay warm.

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>

namespace bench {

/// The most memory that this process ever had, in bytes.
inline std::int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

/// Says "ready", does as many steps as each line of the input says, and answers with the milliseconds of wall clock and processor
/// time of each; at the end of the input with the memory in bytes that the process needed more than `before`, its peak without the work.
template <class Step>
void serve(Step&& step, std::int64_t before) {
  fmt::print("ready\n");
  std::fflush(stdout);
  for (int count = 0; std::cin >> count;) {
    for (int i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const std::clock_t cpu = std::clock();
      step();
      fmt::print("{:.4f} {:.4f} ", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count(),
                 1e3 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
  fmt::print("{}\n", peak_memory() - before);
}

}  // namespace bench
