// Lane loops visit every element once, for every length around the block size.
#include <stet/core/lanes.hpp>

#include "support/catch.hpp"

#include <vector>

namespace lanes_test {

using namespace stet;

TEST_CASE("lanes visits 0 to n-1 once each") {
  for (std::int64_t n = 0; n < 100; ++n) {
    std::vector<int> seen(static_cast<std::size_t>(n));
    lanes(n, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
    CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
  }
}

TEST_CASE("lanes_reduce folds all elements") {
  for (std::int64_t n = 0; n < 100; ++n) {
    const auto value = [](std::int64_t i) { return (i * 37) % 101 - 50; };
    std::int64_t sum = 0, largest = -1000;
    for (std::int64_t i = 0; i < n; ++i) {
      sum += value(i);
      largest = std::max<std::int64_t>(largest, value(i));
    }
    const auto add = [](std::int64_t a, std::int64_t b) { return a + b; };
    const auto max = [](std::int64_t a, std::int64_t b) { return a > b ? a : b; };
    CHECK(lanes_reduce<std::int64_t>(n, 0, value, add) == sum);
    CHECK(lanes_reduce<std::int64_t>(n, -1000, value, max) == largest);
  }
}

TEST_CASE("the order of a sum depends on the length alone", "[bits]") {
  // Lane j takes elements j, j+32, ...; then the lanes are added in order.
  const std::int64_t n = 1000;
  const auto value = [](std::int64_t i) { return 1.0f / static_cast<float>(i + 1); };
  std::vector<float> lane(32, 0.0f);
  for (std::int64_t i = 0; i < n; ++i) lane[static_cast<std::size_t>(i % 32)] += value(i);
  float want = lane[0];
  for (std::size_t j = 1; j < 32; ++j) want += lane[j];
  CHECK(lanes_reduce<float>(n, 0.0f, value, [](float a, float b) { return a + b; }) == want);
}

}  // namespace lanes_test
