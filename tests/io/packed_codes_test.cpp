// Packed codes: the fewest bits, and back without a change.
#include <stet/core/random.hpp>
#include <stet/io/packed_codes.hpp>

#include "support/catch.hpp"

#include <vector>

namespace packed_codes_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("codes of every width come back from the fewest bits", "[io]") {
  Rng rng(3);
  for (int bits = 1; bits <= 8; ++bits) {
    const int top = bits == 1 ? 1 : (1 << (bits - 1)) - 1;
    for (int shift = 0; top << shift <= 127; ++shift) {
      for (const std::int64_t n : {1, 2, 7, 8, 9, 100}) {
        Tensor<std::int8_t> codes(Shape{n});
        for (std::int8_t& q : codes.edit()) {
          const int v = bits == 1 ? (rng.below(2) == 0 ? -1 : 1) : static_cast<int>(rng.below(2u * static_cast<unsigned>(top) + 1)) - top;
          q = static_cast<std::int8_t>(v << shift);
        }
        // The lower end and a code of one step are there, so that nothing narrower would do.
        codes.edit()[0] = static_cast<std::int8_t>(-top * (1 << shift));
        if (n > 1 && bits > 1) codes.edit()[1] = static_cast<std::int8_t>(bits == 2 ? 0 : 1 << shift);
        const PackedCodes packed = pack_codes(codes);
        if (n > 1) {
          CHECK(packed.bits == (bits <= 2 ? bits : bits <= 4 ? 4 : 8));
          CHECK(packed.shift == shift);
        }
        CHECK(packed.bytes.size() == (n * packed.bits + 7) / 8);
        const Tensor<std::int8_t> back = unpack_codes(packed);
        CHECK(std::vector<std::int8_t>(back.span().begin(), back.span().end()) ==
              std::vector<std::int8_t>(codes.span().begin(), codes.span().end()));
      }
    }
  }
  CHECK(pack_codes(Tensor<std::int8_t>::zeros(Shape{5})).bits == 2);
  CHECK(unpack_codes(pack_codes(Tensor<std::int8_t>({1}, {-128})))[0] == -128);
}

TEST_CASE("the layout of packed codes is the documented one", "[io]") {
  const PackedCodes four = pack_codes(Tensor<std::int8_t>({3}, {1 * 16, -3 * 16, 7 * 16}));
  CHECK(four.shift == 4);
  CHECK(four.bytes[0] == 0xd1);  // 1 in the low half, -3 = 0b1101 in the high half
  CHECK(four.bytes[1] == 0x07);
  const PackedCodes one = pack_codes(Tensor<std::int8_t>({9}, {64, -64, 64, 64, -64, -64, -64, -64, 64}));
  CHECK(one.bits == 1);
  CHECK(one.bytes[0] == 0x0d);
  CHECK(one.bytes[1] == 0x01);
}

TEST_CASE("packed codes that nothing can have packed are refused", "[io]") {
  CHECK_THROWS_WITH(unpack_codes({3, 0, Shape{4}, Tensor<std::uint8_t>::zeros(Shape{2})}), ContainsSubstring("3 bits"));
  CHECK_THROWS_WITH(unpack_codes({4, 8, Shape{4}, Tensor<std::uint8_t>::zeros(Shape{2})}), ContainsSubstring("shift 8"));
  CHECK_THROWS_WITH(unpack_codes({4, 0, Shape{4}, Tensor<std::uint8_t>::zeros(Shape{3})}), ContainsSubstring("need 2 bytes, got 3"));
  CHECK_THROWS_WITH(unpack_codes({4, 7, Shape{1}, Tensor<std::uint8_t>({1}, {7})}), ContainsSubstring("beyond 8 bits"));
}

}  // namespace packed_codes_test
