// Packed bits: packing, testing, and what they keep of a gradient.
#include <stet/core/bits.hpp>
#include <stet/core/random.hpp>

#include "support/catch.hpp"

#include <limits>
#include <vector>

namespace bits_test {

using namespace stet;

TEST_CASE("packed flags read back, and bits behind the last are 0", "[bits]") {
  Rng rng(1);
  for (std::int64_t n = 0; n < 200; ++n) {
    std::vector<std::uint8_t> flags(static_cast<std::size_t>(n));
    for (auto& f : flags) f = static_cast<std::uint8_t>(rng.below(2));
    std::vector<std::uint32_t> words(static_cast<std::size_t>(bit_words(n)), 0xffffffffu);
    pack_bits(flags.data(), n, words.data());
    bool same = true;
    for (std::int64_t i = 0; i < n; ++i)
      same = same && test_bit(words.data(), i) == (flags[static_cast<std::size_t>(i)] != 0);
    CHECK(same);
    for (std::int64_t i = n; i < bit_words(n) * 32; ++i) same = same && !test_bit(words.data(), i);
    CHECK(same);
  }
}

TEST_CASE("each of 32 flags has its bit") {
  for (std::size_t j = 0; j < 32; ++j) {
    std::uint8_t flags[32] = {};
    flags[j] = 1;
    CHECK(pack_bits(flags) == 1u << j);
  }
}

TEST_CASE("keep_where copies where the bit is set and writes 0 elsewhere", "[bits]") {
  Rng rng(2);
  for (const std::int64_t n : {1, 31, 32, 33, 64, 100, 1000}) {
    std::vector<float> from(static_cast<std::size_t>(n)), to(from.size(), 7.0f);
    std::vector<double> from_double(from.size()), to_double(from.size(), 7.0);
    std::vector<std::uint32_t> words(static_cast<std::size_t>(bit_words(n)));
    for (auto& w : words) w = static_cast<std::uint32_t>(rng.next());
    for (std::size_t i = 0; i < from.size(); ++i) {
      from[i] = test_bit(words.data(), static_cast<std::int64_t>(i)) ? static_cast<float>(i) + 1
                : i % 2 == 0                                         ? std::numeric_limits<float>::infinity()
                                                                     : std::numeric_limits<float>::quiet_NaN();
      from_double[i] = static_cast<double>(from[i]);
    }
    keep_where(from.data(), words.data(), n, to.data());
    keep_where(from_double.data(), words.data(), n, to_double.data());
    bool same = true;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const float want = test_bit(words.data(), static_cast<std::int64_t>(i)) ? static_cast<float>(i) + 1 : 0.0f;
      same = same && to[i] == want && to_double[i] == static_cast<double>(want);
    }
    CHECK(same);
  }
}

}  // namespace bits_test
