#include <stet/core/finite.hpp>

#include "support/catch.hpp"

#include <limits>
#include <vector>

namespace finite_test {

using namespace stet;

TEST_CASE("a value that is not finite is found at every place, and no other is taken for one") {
  using Limits = std::numeric_limits<float>;
  for (const std::size_t size : {0, 1, 31, 32, 33, 64, 100}) {
    std::vector<float> x(size, 1.0f);
    for (std::size_t i = 0; i < size; ++i) {
      for (const float good : {Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min(), 0.0f, -0.0f}) {
        x[i] = good;
        REQUIRE(all_finite(x));
      }
    }
    CHECK(all_finite(x));
    for (std::size_t i = 0; i < size; ++i) {
      const float before = x[i];
      for (const float bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), -Limits::quiet_NaN()}) {
        x[i] = bad;
        REQUIRE_FALSE(all_finite(x));
      }
      x[i] = before;
    }
  }
}

}  // namespace finite_test
