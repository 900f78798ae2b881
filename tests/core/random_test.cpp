// Random numbers: golden values of the generator, moments of the distributions, state.
#include <stet/core/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace random_test {

using namespace stet;

TEST_CASE("the generator is xoshiro256** seeded by splitmix64", "[bits]") {
  // From an independent implementation of the two published algorithms.
  Rng zero(0);
  CHECK(zero.next() == 0x99ec5f36cb75f2b4u);
  CHECK(zero.next() == 0xbf6e1f784956452au);
  CHECK(zero.next() == 0x1a5f849d4933e6e0u);
  CHECK(zero.next() == 0x6aa594f1262d2d2cu);
  Rng other(42);
  CHECK(other.next() == 0x15780b2e0c2ec716u);
  CHECK(other.next() == 0x6104d9866d113a7eu);
}

TEST_CASE("uniform numbers lie in [0, 1) with the right moments") {
  Rng rng(1);
  const int n = 200000;
  double sum = 0, squares = 0;
  bool inside = true;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    inside = inside && u >= 0 && u < 1;
    sum += u;
    squares += u * u;
  }
  CHECK(inside);
  CHECK(sum / n == Approx(0.5).margin(0.003));  // 5 sigma: 0.0032
  CHECK(squares / n == Approx(1.0 / 3).margin(0.0034));
}

TEST_CASE("normal numbers have mean 0, variance 1, and the right tails") {
  Rng rng(2);
  const int n = 200000;
  double sum = 0, squares = 0, fourth = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyond_two += x > 2 || x < -2 ? 1 : 0;
  }
  CHECK(sum / n == Approx(0).margin(0.0112));
  CHECK(squares / n == Approx(1).margin(0.016));
  CHECK(fourth / n == Approx(3).margin(0.11));
  CHECK(static_cast<double>(beyond_two) / n == Approx(0.0455).margin(0.0024));
}

TEST_CASE("below(n) takes every value equally often") {
  Rng rng(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (const int c : counts) CHECK(c == Approx(10000).margin(463));  // 5 sigma
  for (int i = 0; i < 100; ++i) CHECK(rng.below(1) == 0);
}

TEST_CASE("shuffle permutes") {
  Rng rng(4);
  std::vector<int> values(1000);
  std::iota(values.begin(), values.end(), 0);
  rng.shuffle(std::span<int>(values));
  CHECK_FALSE(std::is_sorted(values.begin(), values.end()));
  std::sort(values.begin(), values.end());
  for (int i = 0; i < 1000; ++i) CHECK(values[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a restored state continues, equal seeds agree, streams differ") {
  Rng a(5);
  a.next();
  const Rng::State state = a.state();
  const auto next = a.next();
  Rng b(6);
  b.restore(state);
  CHECK(b.next() == next);
  CHECK(Rng(7).next() == Rng(7).next());
  const Rng base(8);
  CHECK(base.split(0).next() != base.split(1).next());
  Rng again(8);
  CHECK(base.split(3).next() == again.split(3).next());
}

}  // namespace random_test
