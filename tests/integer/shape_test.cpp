// Operators that move codes: concat, pad, transpose; and the two ends: quantize inputs, dequantize outputs.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/input_output.hpp>
#include <stet/integer/shape.hpp>

#include <limits>

namespace shape_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Codes;
using integer::InputRule;

TEST_CASE("concat puts codes side by side along any axis", "[integer]") {
  Rng rng(1);
  for (int axis = 0; axis < 4; ++axis) {
    const Shape base{2, 3, 4, 5};
    const auto a = naive::random_codes(rng, base);
    const auto b = naive::random_codes(rng, base.with(axis, 7));
    const auto c = naive::random_codes(rng, base.with(axis, 1));
    const Shape joint = base.with(axis, base[axis] + 8);
    std::vector<std::int8_t> out(static_cast<std::size_t>(joint.elements()));
    const Codes inputs[] = {a, b, c};
    integer::concat(inputs, axis, out);
    int wrong = 0;
    for (std::int64_t i = 0; i < joint.elements(); ++i) {
      const std::int64_t inner = joint.product(axis + 1, 4);
      std::int64_t k = i / inner % joint[axis];
      const std::int64_t outer = i / inner / joint[axis];
      const Tensor<std::int8_t>* from = &a;
      if (k >= a.shape()[axis]) k -= a.shape()[axis], from = &b;
      if (from == &b && k >= b.shape()[axis]) k -= b.shape()[axis], from = &c;
      wrong += out[static_cast<std::size_t>(i)] != (*from)[(outer * from->shape()[axis] + k) * inner + i % inner];
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("pad surrounds codes and transpose reorders them", "[integer]") {
  Rng rng(2);
  const Shape s{2, 3, 4, 5};
  const auto x = naive::random_codes(rng, s);
  const std::vector<std::int64_t> before{0, 1, 2, 3}, after{1, 0, 2, 1};
  const Shape padded{3, 4, 8, 9};
  std::vector<std::int8_t> out(static_cast<std::size_t>(padded.elements()));
  integer::pad(x, before, after, 77, out);
  std::vector<std::int8_t> moved(static_cast<std::size_t>(s.elements()));
  const std::vector<int> order{2, 0, 3, 1};
  integer::transpose(x, order, moved);
  int wrong = 0;
  for (std::int64_t a = 0; a < padded[0]; ++a)
    for (std::int64_t b = 0; b < padded[1]; ++b)
      for (std::int64_t c = 0; c < padded[2]; ++c)
        for (std::int64_t d = 0; d < padded[3]; ++d) {
          const std::int64_t i = a, j = b - 1, k = c - 2, l = d - 3;
          const bool in = i < 2 && j >= 0 && j < 3 && k >= 0 && k < 4 && l >= 0 && l < 5;
          const int want = in ? x[((i * 3 + j) * 4 + k) * 5 + l] : 77;
          wrong += out[static_cast<std::size_t>(((a * 4 + b) * 8 + c) * 9 + d)] != want;
          if (in) wrong += moved[static_cast<std::size_t>(((k * 2 + i) * 5 + l) * 3 + j)] != want;
        }
  CHECK(wrong == 0);
}

TEST_CASE("inputs become codes as the target does it", "[integer][bits]") {
  Rng rng(3);
  int wrong = 0;
  int differing = 0;
  for (int repeat = 0; repeat < 300; ++repeat) {
    const auto s = static_cast<float>(rng.below(3) == 0 ? std::exp2(std::round(rng.uniform(-9, 2)))
                                                        : std::exp2(rng.uniform(-9, 2)));
    const int z = static_cast<int>(rng.below(256)) - 128;
    std::vector<float> x(517);
    for (auto& v : x) {
      double steps = rng.uniform(-300, 300);
      if (rng.below(2) == 0) steps = std::floor(steps) + 0.5;
      v = static_cast<float>(steps * static_cast<double>(s));
    }
    x[0] = std::numeric_limits<float>::infinity();
    x[1] = -x[0];
    x[2] = std::numeric_limits<float>::max();
    x[3] = 0.0f;
    x[4] = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::int8_t> away(x.size()), even(x.size()), divided(x.size());
    integer::quantize_input(InputRule::division_half_away, x, s, z, Grid::int8(), away);
    integer::quantize_input(InputRule::reciprocal_half_even, x, s, z, Grid::int8(), even);
    integer::quantize_input(InputRule::division_half_even, x, s, z, Grid::int8(), divided);
    for (const auto* codes : {&away, &even, &divided}) wrong += (*codes)[4] != -128;
    x[4] = 0.0f;
    for (auto* codes : {&away, &even, &divided}) (*codes)[4] = static_cast<std::int8_t>(z);
    for (std::size_t i = 0; i < x.size(); ++i) {
      volatile float quotient = x[i] / s;
      volatile float reciprocal = 1.0f / s;
      volatile float product = x[i] * reciprocal;
      const auto code = [z](double v) { return static_cast<int>(std::clamp(v + z, -128.0, 127.0)); };
      wrong += away[i] != code(naive::half_away(static_cast<double>(quotient)));
      wrong += even[i] != code(naive::half_even(static_cast<double>(product)));
      wrong += divided[i] != code(naive::half_even(static_cast<double>(quotient)));
      differing += away[i] != even[i];
    }
  }
  CHECK(wrong == 0);
  CHECK(differing > 100);
}

TEST_CASE("pixels divided by 255 are codes pixel - 128 on every target", "[integer][bits]") {
  std::vector<float> x(256);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) / 255.0f;
  for (const Target& t : targets::all) {
    std::vector<std::int8_t> codes(256);
    integer::quantize_input(t.input, x, 1.0f / 255.0f, -128, Grid::int8(), codes);
    for (int i = 0; i < 256; ++i) CHECK(codes[static_cast<std::size_t>(i)] == i - 128);
  }
}

TEST_CASE("codes become reals by one float product", "[integer][bits]") {
  std::vector<std::int8_t> codes(256);
  for (int i = 0; i < 256; ++i) codes[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(i - 128);
  std::vector<float> x(256);
  integer::dequantize_output(codes, 0.1f, -7, x);
  for (int i = 0; i < 256; ++i) {
    volatile float want = 0.1f * static_cast<float>(i - 128 + 7);
    CHECK(x[static_cast<std::size_t>(i)] == want);
  }
}

TEST_CASE("shape operators and ends refuse what does not fit", "[integer]") {
  const auto a = Tensor<std::int8_t>::zeros({2, 3});
  const auto b = Tensor<std::int8_t>::zeros({3, 3});
  std::vector<std::int8_t> out(15);
  const Codes both[] = {a, b};
  CHECK_THROWS_WITH(integer::concat({}, 0, out), ContainsSubstring("there are no inputs"));
  CHECK_THROWS_WITH(integer::concat(both, 2, out), ContainsSubstring("axis 2 does not exist"));
  CHECK_THROWS_WITH(integer::concat(both, 1, out), ContainsSubstring("input [3,3] does not match [2,3]"));
  out.resize(14);
  CHECK_THROWS_WITH(integer::concat(both, 0, out), ContainsSubstring("the result [5,3] needs 15 elements, got 14"));
  const std::vector<std::int64_t> one{1}, two{1, 1}, negative{1, -1};
  CHECK_THROWS_WITH(integer::pad(a, one, two, 0, out), ContainsSubstring("needs 2 numbers"));
  CHECK_THROWS_WITH(integer::pad(a, two, negative, 0, out), ContainsSubstring("must not be negative"));
  const std::vector<int> twice{0, 0}, missing{0}, far{0, 2};
  CHECK_THROWS_WITH(integer::transpose(a, twice, out), ContainsSubstring("dimension 0"));
  CHECK_THROWS_WITH(integer::transpose(a, far, out), ContainsSubstring("dimension 2"));
  CHECK_THROWS_WITH(integer::transpose(a, missing, out), ContainsSubstring("needs an order of 2"));
  std::vector<float> x(14);
  CHECK_THROWS_WITH(integer::quantize_input(InputRule::division_half_away, x, 0.0f, 0, Grid::int8(), out),
                    ContainsSubstring("scale 0"));
  CHECK_THROWS_WITH(integer::quantize_input(InputRule::division_half_away, x, 1.0f, 0, Grid::uint8(), out),
                    ContainsSubstring("grid 0..255"));
  x.resize(3);
  CHECK_THROWS_WITH(integer::quantize_input(InputRule::division_half_away, x, 1.0f, 0, Grid::int8(), out),
                    ContainsSubstring("3 reals, but memory for 14 codes"));
  CHECK_THROWS_WITH(integer::dequantize_output(out, 1.0f, 0, x), ContainsSubstring("14 codes, but memory for 3 reals"));
  CHECK_THROWS_WITH(Codes(Shape{2, 2}, out), ContainsSubstring("shape [2,2] needs 4 codes, got 14"));
}

}  // namespace shape_test
