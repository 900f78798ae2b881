// Instruction sets: what STET_ISA may say, and that loops compiled for several give what plain ones give.

#include "support/catch.hpp"

#include <stet/core/isa.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/square_roots.hpp>
#include <stet/core/vectorized.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace isa_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("the best set is chosen unless another is asked for", "[core]") {
  const Isa best = detail::chosen_isa(nullptr);
  CHECK(machine_has(best));
  CHECK(detail::chosen_isa("") == best);
  CHECK(detail::chosen_isa("baseline") == Isa::baseline);
  CHECK(detail::chosen_isa(to_string(best)) == best);
  CHECK(machine_has(isa()));
  CHECK_THROWS_WITH(detail::chosen_isa("avx3"), ContainsSubstring("STET_ISA is avx3; this machine has baseline"));
  for (const Isa other : {Isa::avx2, Isa::avx_vnni, Isa::avx512, Isa::avx512_vnni}) {
    if (machine_has(other)) {
      CHECK(detail::chosen_isa(to_string(other)) == other);
    } else {
      CHECK_THROWS_WITH(detail::chosen_isa(to_string(other)), ContainsSubstring("this machine has"));
    }
  }
}

TEST_CASE("a vectorized loop computes every element once", "[core]") {
  for (std::int64_t n = 0; n < 100; ++n) {
    std::vector<float> x(static_cast<std::size_t>(n) + 1, 1.0f);
    float* to = x.data();
    vectorized([=] { lanes(n, [=](std::int64_t i) { to[i] += static_cast<float>(i); }); });
    for (std::int64_t i = 0; i < n; ++i) CHECK(x[static_cast<std::size_t>(i)] == 1.0f + static_cast<float>(i));
    CHECK(x.back() == 1.0f);
  }
}

TEST_CASE("square roots are rounded correctly for any count", "[core][bits]") {
  for (std::int64_t n = 0; n < 70; ++n) {
    std::vector<float> x;
    for (std::int64_t i = 0; i <= n; ++i) x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(0x00000001u + 98765431u * static_cast<std::uint32_t>(i) % 0x7f800000u)));
    std::vector<float> roots = x;
    square_roots(roots.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      CHECK(roots[at] == std::sqrt(x[at]));
    }
    CHECK(roots.back() == x.back());
  }
}

}  // namespace isa_test
