// Multipliers: the integer form of a factor, and every named rounding against 128-bit arithmetic.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/multiplier.hpp>

namespace multiplier_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<double> factors(Rng& rng, int count) {
  std::vector<double> m{
      1.0, 0.5,    0.25,      0x1p-6,        0x1p-30,       0x1p-31,       0x1p-32,         0x1p-40,
      2.0, 255.9,  3.0 / 256, 0.5 - 0x1p-54, 1.0 - 0x1p-53, 1.0 - 0x1p-33, 0x1.fffffffep-5, 0x1.fffffffdp-5,
      0.0, 1.0 / 3};
  for (int i = 0; i < count; ++i) m.push_back(std::exp2(rng.uniform(-32.5, 8.0)));
  for (int i = 0; i < count; ++i) {  // short mantissas: exact ties in the second rounding
    m.push_back(std::ldexp(static_cast<double>(1 + rng.below(15)), -static_cast<int>(rng.below(24)) - 3));
  }
  return m;
}

}  // namespace

TEST_CASE("quantize_multiplier is the correctly rounded 31-bit fraction", "[integer][bits]") {
  Rng rng(1);
  for (const double m : factors(rng, 2000)) {
    const auto got = integer::quantize_multiplier(m);
    const auto want = naive::multiplier(m);
    INFO("m = " << m);
    CHECK(got.multiplier == want.m);
    CHECK(got.shift == want.e);
  }
  CHECK(integer::quantize_multiplier(1.0 - 0x1p-53) == integer::QuantizedMultiplier{1 << 30, 1});
  CHECK(integer::quantize_multiplier(0x1p-32) == integer::QuantizedMultiplier{1 << 30, -31});
  CHECK(integer::quantize_multiplier(0x1p-33) == integer::QuantizedMultiplier{0, 0});
}

TEST_CASE("quantize_multiplier refuses what is no factor", "[integer]") {
  CHECK_THROWS_WITH(integer::quantize_multiplier(-1.0), ContainsSubstring("factor -1"));
  CHECK_THROWS_WITH(integer::quantize_multiplier(std::nan("")), ContainsSubstring("must lie in [0, 2^30)"));
  CHECK_THROWS_WITH(integer::quantize_multiplier(0x1p30), ContainsSubstring("must lie in [0, 2^30)"));
}

TEST_CASE("every named rounding equals 128-bit arithmetic", "[integer][bits]") {
  Rng rng(2);
  std::int64_t differing = 0;
  std::int64_t compared = 0;
  for (const double m : factors(rng, 60)) {
    const auto q = integer::quantize_multiplier(m);
    const naive::Multiplier n{q.multiplier, q.shift};
    const std::int64_t reach = (std::int64_t{1} << (31 - std::max(q.shift, 0))) - 1;
    std::vector<std::int64_t> xs{0, 1, -1, reach, -reach, reach - 1, 1 - reach};
    const std::int64_t stride = reach / 5000 + 1;
    for (std::int64_t x = -reach + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(stride))); x <= reach;
         x += stride)
      xs.push_back(x);
    for (std::int64_t x = -3000; x <= 3000; ++x) xs.push_back(std::clamp(x, -reach, reach));
    for (int i = 0; i < 500; ++i) {  // around results that end in a half
      const double half = std::floor(rng.uniform(-140, 140)) + 0.5;
      const double x = m > 0 ? half / m : 0;
      if (std::abs(x) + 2 < static_cast<double>(reach))
        for (int d = -1; d <= 1; ++d) xs.push_back(static_cast<std::int64_t>(x) + d);
    }
    for (const std::int64_t x : xs) {
      const auto v = static_cast<std::int32_t>(x);
      differing += integer::double_rounding(v, q) != naive::double_rounding(x, n);
      differing += integer::double_half_up(v, q) != naive::double_half_up(x, n);
      differing += integer::single_rounding(v, q) != naive::clamp(naive::single_rounding(x, n), INT32_MIN, INT32_MAX);
      compared += 3;
    }
  }
  INFO(compared << " compared");
  CHECK(compared > 1000000);
  CHECK(differing == 0);
}

TEST_CASE("double_rounding equals 128-bit arithmetic all over the accumulators", "[integer][slow]") {
  for (const double m : {0x1.8p-7, 0.0031}) {
    const auto q = integer::quantize_multiplier(m);
    const naive::Multiplier n{q.multiplier, q.shift};
    std::int64_t differing = 0;
    for (std::int64_t x = INT32_MIN; x <= INT32_MAX; x += 37) {
      differing += integer::double_rounding(static_cast<std::int32_t>(x), q) != naive::double_rounding(x, n);
    }
    CHECK(differing == 0);
  }
}

TEST_CASE("half_away_double rounds the double product half away from zero and saturates", "[integer][bits]") {
  Rng rng(3);
  std::int64_t differing = 0;
  for (const double m : factors(rng, 200)) {
    for (int i = 0; i < 2000; ++i) {
      const auto x = static_cast<std::int32_t>(rng.next() >> (32 + rng.below(24)));
      const double product = static_cast<double>(x) * m;
      const double want = std::clamp(naive::half_away(product), -0x1p31, 0x1p31 - 1);
      differing += static_cast<double>(integer::half_away_double(x, m)) != want;
    }
  }
  CHECK(differing == 0);
  CHECK(integer::half_away_double(5, 0.5) == 3);
  CHECK(integer::half_away_double(-5, 0.5) == -3);
  CHECK(integer::half_away_double(INT32_MAX, 200.0) == INT32_MAX);
  CHECK(integer::half_away_double(INT32_MIN, 200.0) == INT32_MIN);
}

}  // namespace multiplier_test
