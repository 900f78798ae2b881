// Parallel loops: every body once, exceptions come out, results do not depend on the thread count.
#include <stet/core/parallel.hpp>

#include "support/catch.hpp"

#include "support/forked.hpp"

#include <atomic>
#include <stdexcept>
#include <vector>

namespace parallel_test {

using namespace stet;

TEST_CASE("every body runs exactly once") {
  for (const int count : {1, 2, 4}) {
    set_threads(count);
    std::vector<std::atomic<int>> runs(1000);
    parallel(1000, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
    int wrong = 0;
    for (const auto& r : runs) wrong += r == 1 ? 0 : 1;
    CHECK(wrong == 0);
  }
  set_threads(0);
  parallel(0, [](std::int64_t) { FAIL(); });
}

TEST_CASE("an exception of a body is thrown again after all bodies ended") {
  for (const int count : {1, 4}) {
    set_threads(count);
    std::atomic<int> others = 0;
    CHECK_THROWS_WITH(parallel(50,
                               [&](std::int64_t i) {
                                 if (i == 13) throw std::runtime_error("body 13");
                                 ++others;
                               }),
                      "body 13");
    CHECK(others >= 13);
  }
  set_threads(0);
}

TEST_CASE("a parallel loop inside another runs serially and correctly") {
  set_threads(4);
  std::atomic<int> total = 0;
  parallel(8, [&](std::int64_t) { parallel(10, [&](std::int64_t) { ++total; }); });
  set_threads(0);
  CHECK(total == 80);
}

TEST_CASE("chunks cover all items in order and depend on the shape alone") {
  for (const std::int64_t items : {1, 2, 63, 64, 1000, 123457}) {
    for (const std::int64_t cost : {0, 1, 100, 1000000}) {
      const std::int64_t chunks = chunk_count(items, cost);
      CHECK((chunks >= 1 && chunks <= 64 && chunks <= items));
      std::int64_t next = 0;
      for (std::int64_t i = 0; i < chunks; ++i) {
        const Chunk c = chunk_of(items, chunks, i);
        CHECK((c.first == next && c.size() > 0));
        next = c.last;
      }
      CHECK(next == items);
      set_threads(3);
      CHECK(chunk_count(items, cost) == chunks);
      set_threads(0);
    }
  }
}

TEST_CASE("partial sums in chunk order do not depend on the thread count") {
  const auto sum = [](int count) {
    set_threads(count);
    const std::int64_t items = 100000;
    const std::int64_t chunks = chunk_count(items, 1);
    std::vector<float> parts(static_cast<std::size_t>(chunks));
    parallel(chunks, [&](std::int64_t i) {
      const Chunk c = chunk_of(items, chunks, i);
      for (std::int64_t k = c.first; k < c.last; ++k)
        parts[static_cast<std::size_t>(i)] += 1.0f / static_cast<float>(k + 1);
    });
    float total = 0;
    for (const float p : parts) total += p;
    return total;
  };
  const float one = sum(1);
  CHECK(sum(2) == one);
  CHECK(sum(5) == one);
  set_threads(0);
}

TEST_CASE("parallel_chunks visits every item once, and none for none") {
  std::vector<int> seen(5000);
  parallel_chunks(5000, 64, [&](Chunk c) {
    for (std::int64_t i = c.first; i < c.last; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  CHECK(seen == std::vector<int>(5000, 1));
  parallel_chunks(0, 64, [](Chunk) { FAIL(); });
}

TEST_CASE("FunctionRef calls what it refers to") {
  int calls = 0;
  const auto f = [&](int by) { return calls += by; };
  const FunctionRef<int(int)> ref = f;
  CHECK(ref(2) == 2);
  CHECK(ref(3) == 5);
}

TEST_CASE("a process that is forked after a parallel loop runs its loops serially and does not hang") {
  set_threads(4);
  const auto sum = [] {
    std::atomic<std::int64_t> total = 0;
    parallel(100, [&](std::int64_t i) { total += i; });
    return total.load();
  };
  CHECK(sum() == 4950);
  CHECK(stet_test::forked([&] { return sum() == 4950 && threads() == 1; }));
  // And its own children.
  CHECK(stet_test::forked([&] { return stet_test::forked([&] { return sum() == 4950; }); }));
  CHECK(sum() == 4950);
#if defined(_OPENMP)
  CHECK(threads() == 4);
#endif
  set_threads(0);
}

}  // namespace parallel_test
