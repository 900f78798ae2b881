// Named roundings around every tie, and products that are never contracted.
#include <stet/core/rounding.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

namespace rounding_test {

using namespace stet;

namespace {

// floor and parity in integers: k + half is a tie when half is true; otherwise x is strictly inside (k, k+1).
struct Expected {
  float even, away, up;
};

Expected round_tie(std::int64_t k) {  // x = k + 0.5
  const std::int64_t even = k % 2 == 0 ? k : k + 1;
  const std::int64_t away = k >= 0 ? k + 1 : k;
  return {static_cast<float>(even), static_cast<float>(away), static_cast<float>(k + 1)};
}

}  // namespace

TEST_CASE("ties and their neighbours round as named, exhaustively to 2^16", "[bits]") {
  int faults = 0;
  for (std::int64_t k = -65536; k < 65536; ++k) {
    const float tie = static_cast<float>(k) + 0.5f;
    const float below = std::nextafter(tie, -std::numeric_limits<float>::infinity());
    const float above = std::nextafter(tie, std::numeric_limits<float>::infinity());
    const Expected want = round_tie(k);
    const auto lower = static_cast<float>(k);
    const auto upper = static_cast<float>(k + 1);
    faults +=
        round_half_even(tie) == want.even && round_half_away(tie) == want.away && round_half_up(tie) == want.up ? 0 : 1;
    faults += round_half_even_small(tie) == want.even ? 0 : 1;
    for (const auto f :
         {+[](float x) { return round_half_even(x); }, +[](float x) { return round_half_away(x); },
          +[](float x) { return round_half_up(x); }, +[](float x) { return round_half_even_small(x); }}) {
      faults += f(below) == lower && f(above) == upper && f(lower) == lower ? 0 : 1;
    }
    const double d = static_cast<double>(k) + 0.5;
    faults += round_half_even(d) == static_cast<double>(want.even) &&
                      round_half_away(d) == static_cast<double>(want.away) &&
                      round_half_up(d) == static_cast<double>(want.up)
                  ? 0
                  : 1;
  }
  CHECK(faults == 0);
}

TEST_CASE("just below one half rounds to 0 in every rule") {
  const float below = std::nextafter(0.5f, 0.0f);
  CHECK(round_half_even(below) == 0.0f);
  CHECK(round_half_away(below) == 0.0f);
  CHECK(round_half_up(below) == 0.0f);
  CHECK(round_half_up(std::nextafter(0.5, 0.0)) == 0.0);
}

TEST_CASE("round_half_even_small equals round_half_even up to 2^22", "[bits]") {
  int faults = 0;
  for (std::int64_t i = -(1 << 24); i <= 1 << 24; i += 7) {
    const float x = static_cast<float>(i) * 0.25f;
    const float clamped = x > -4194304.0f ? (x < 4194304.0f ? x : 4194304.0f) : -4194304.0f;
    faults += round_half_even_small(clamped) == round_half_even(clamped) ? 0 : 1;
  }
  CHECK(faults == 0);
}

TEST_CASE("a rounded product is rounded before what follows", "[bits]") {
  // The product is 1 + 2^-11 + 2^-24, whose last term is lost by rounding and kept by a fused multiply-add.
  const float a = 1.0f + 0x1p-12f;
  CHECK(rounded_product(a, a) - (1.0f + 0x1p-11f) == 0.0f);
  CHECK(std::fma(a, a, -(1.0f + 0x1p-11f)) == 0x1p-24f);
  const double b = 1.0 + 0x1p-27;
  CHECK(rounded_product(b, b) - (1.0 + 0x1p-26) == 0.0);
}

}  // namespace rounding_test
