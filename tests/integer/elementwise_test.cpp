// Add, subtract, multiply and clamp of codes, over all pairs of codes, against the rules of each target written out.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/elementwise.hpp>

namespace elementwise_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Activation;

namespace {

// A result's codes and the activation in front of them.
struct Output : Affine {
  Activation activation = Activation::none;
};

enum class Bound { away, even, even_then_zero };

struct Result {
  double value;   // code minus zero point before the clamp
  bool positive;  // sum before the last rounding
  Bound bounds;
};

float divided(float a, float b) {
  volatile float q = a / b;
  return q;
}

// ONNX Runtime's addition: two fused multiply-adds on unsigned codes, each rounded once.
Result fused_add(float r1, int u1, float r2, int u2, int u_out, int q1, int q2) {
  volatile float product = r2 * static_cast<float>(u2);
  const float constant = static_cast<float>(u_out) - naive::fused(r1, static_cast<float>(u1), product);
  const float inner = naive::fused(static_cast<float>(q2 + 128), r2, constant);
  const float code = naive::fused(static_cast<float>(q1 + 128), r1, inner);
  return {naive::half_even(static_cast<double>(code)) - u_out, code > static_cast<float>(u_out), Bound::even_then_zero};
}

// DequantizeLinear, Sub and QuantizeLinear.
Result dequantized_subtract(float s1, float s2, float s_out, int d1, int d2) {
  volatile float a = s1 * static_cast<float>(d1);
  volatile float b = s2 * static_cast<float>(d2);
  volatile float real = a - b;
  return {naive::half_even(static_cast<double>(divided(real, s_out))), real > 0.0f, Bound::even_then_zero};
}

// formats 3.4, 3.5 and 4.5
Result add(const Target& target, float s1, int z1, float s2, int z2, float s_out, int z_out, bool subtract, int q1, int q2) {
  const float r1 = divided(s1, s_out);
  const float r2 = divided(s2, s_out);
  if (target.name == "onnxruntime") {
    return subtract ? dequantized_subtract(s1, s2, s_out, q1 - z1, q2 - z2)
                    : fused_add(r1, z1 + 128, r2, z2 + 128, z_out + 128, q1, q2);
  }
  if (target.name == "litert_default" && std::min(r1, r2) >= 0x1p-10f && std::max(r1, r2) < 0x1p8f) {
    int exponent = 0;
    std::frexp(std::max(r1, r2), &exponent);  // r = f * 2^exponent, f in [1/2, 1)
    const int shift = 20 - (exponent - 1);
    const auto f1 = static_cast<std::int64_t>(naive::half_even(std::ldexp(static_cast<double>(r1), shift)));
    const auto f2 = static_cast<std::int64_t>(naive::half_even(std::ldexp(static_cast<double>(r2), shift)));
    const std::int64_t sum = f1 * (q1 - z1) + (subtract ? -f2 : f2) * (q2 - z2);
    return {static_cast<double>(naive::divide_half_up(sum, naive::power_of_two(shift))), sum > 0, Bound::even};
  }
  const double t = 2.0 * static_cast<double>(std::max(s1, s2));
  const auto m1 = naive::multiplier(static_cast<double>(s1) / t);
  const auto m2 = naive::multiplier(static_cast<double>(s2) / t);
  const auto m = naive::multiplier(t / (1048576.0 * static_cast<double>(s_out)));
  const auto a = naive::double_rounding(static_cast<naive::wide>(q1 - z1) * 1048576, m1);
  const auto b = naive::double_rounding(static_cast<naive::wide>(q2 - z2) * 1048576, m2);
  const auto sum = subtract ? a - b : a + b;
  return {static_cast<double>(naive::double_rounding(sum, m)), sum > 0, Bound::away};
}

Result multiply(const Target& target, float s1, int z1, float s2, int z2, float s_out, int z_out, int q1, int q2) {
  volatile float product = s1 * s2;
  const float m = divided(product, s_out);
  const int v = (q1 - z1) * (q2 - z2);
  volatile float real = static_cast<float>(v) * m;
  if (target.name == "onnxruntime") {
    volatile float code = real + static_cast<float>(z_out + 128);
    return {naive::half_even(static_cast<double>(code)) - (z_out + 128), v > 0, Bound::even_then_zero};
  }
  if (target.name == "litert_default" && m >= 0x1p-16f && m < 0x1p8f) {
    return {naive::half_even(static_cast<double>(real)), v > 0, Bound::even};
  }
  const double exact = static_cast<double>(s1) * static_cast<double>(s2) / static_cast<double>(s_out);
  const auto multiplier = naive::multiplier(target.name == "tflite_micro" ? exact : static_cast<double>(m));
  return {static_cast<double>(naive::double_rounding(v, multiplier)), v > 0, Bound::away};
}

// formats 3.3
int bound(Bound rule, float value, float s, int z) {
  const float v = divided(value, s);
  if (rule == Bound::even_then_zero)
    return std::clamp(z + static_cast<int>(std::min(naive::half_even(static_cast<double>(v)), 1e6)), -128, 127);
  if (rule == Bound::away)
    return std::clamp(z + static_cast<int>(std::min(naive::half_away(static_cast<double>(v)), 1e6)), -128, 127);
  volatile float code = v + static_cast<float>(z);
  return static_cast<int>(naive::half_even(std::clamp(static_cast<double>(code), -128.0, 127.0)));
}

// None, those of runtimes, and bounds of one's own.
const Activation activations[] = {Activation::none, Activation::relu, Activation::relu6, {-1.0f, 1.0f}, {0.0f, 2.5f}, {-INFINITY, 0.75f}};

struct Pairs {
  Tensor<std::int8_t> a{Shape{65536}}, b{Shape{65536}};
  Pairs() {
    auto x = a.edit();
    auto y = b.edit();
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<std::int8_t>(static_cast<int>(i % 256) - 128);
      y[i] = static_cast<std::int8_t>(static_cast<int>(i / 256) - 128);
    }
  }
};

float random_scale(Rng& rng, double lo, double hi) {
  const double e = rng.uniform(lo, hi);
  return static_cast<float>(std::exp2(rng.below(3) == 0 ? std::round(e) : e));
}

template <class Run, class Rule>
void check(Rng& rng, int repeats, const Run& run, const Rule& expected, double lo, double hi) {
  const Pairs pairs;
  for (const Target& target : targets::all) {
    for (int repeat = 0; repeat < repeats; ++repeat) {
      const Affine a{random_scale(rng, lo, hi), static_cast<int>(rng.below(256)) - 128};
      const Affine b{random_scale(rng, lo, hi), static_cast<int>(rng.below(256)) - 128};
      Output y{{random_scale(rng, lo, hi), static_cast<int>(rng.below(256)) - 128}};
      y.activation = activations[rng.below(std::size(activations))];
      if (y.activation != Activation::none && rng.below(2) == 0)
        y.scale = static_cast<float>(6.0 / (static_cast<double>(rng.below(200)) + 0.5));
      INFO(target.name << " " << a.scale << " " << a.zero_point << " " << b.scale << " " << b.zero_point << " "
                     << y.scale << " " << y.zero_point);
      std::vector<std::int8_t> codes(65536), plain(65536);
      std::vector<std::uint32_t> pass(2048);
      run(target, a, b, y, pairs, codes, plain, pass.data());
      CHECK(codes == plain);
      int wrong = 0;
      int wrong_bits = 0;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        const Result r = expected(target, a, b, y, pairs.a.span()[i], pairs.b.span()[i]);
        const Bound rule = integer::is_of_runtimes(y.activation) ? r.bounds : Bound::even_then_zero;
        const int low = std::isfinite(y.activation.lo) ? bound(rule, y.activation.lo, y.scale, y.zero_point) : -128;
        const int high = std::isfinite(y.activation.hi) ? std::max(low, bound(rule, y.activation.hi, y.scale, y.zero_point)) : 127;
        const double code = r.value + y.zero_point;
        wrong += codes[i] != std::clamp<double>(code, low, high);
        const bool passing = (y.activation.lo != 0.0f || r.positive) && low <= code && code <= high;
        wrong_bits += test_bit(pass.data(), static_cast<std::int64_t>(i)) != passing;
      }
      CHECK(wrong == 0);
      CHECK(wrong_bits == 0);
    }
  }
}

}  // namespace

TEST_CASE("add and sub follow the rule of the target on all pairs of codes", "[integer][bits]") {
  Rng rng(1);
  for (const bool subtract : {false, true}) {
    check(
        rng, 25,
        [&](const Target& t, const Affine& a, const Affine& b, const Output& y, const Pairs& p,
            std::vector<std::int8_t>& codes, std::vector<std::int8_t>& plain, std::uint32_t* pass) {
          const auto parameters = integer::make_add(t, a, b, y, y.activation, subtract);
          integer::add(p.a, p.b, parameters, codes, pass);
          integer::add(p.a, p.b, parameters, plain);
        },
        [&](const Target& t, const Affine& a, const Affine& b, const Output& y, int q1, int q2) {
          return add(t, a.scale, a.zero_point, b.scale, b.zero_point, y.scale, y.zero_point, subtract, q1, q2);
        },
        -8.5, -0.55);
  }
}

TEST_CASE("mul follows the rule of the target on all pairs of codes", "[integer][bits]") {
  Rng rng(2);
  check(
      rng, 40,
      [](const Target& t, const Affine& a, const Affine& b, const Output& y, const Pairs& p, std::vector<std::int8_t>& codes,
         std::vector<std::int8_t>& plain, std::uint32_t* pass) {
        const auto parameters = integer::make_multiply(t, a, b, y, y.activation);
        integer::multiply(p.a, p.b, parameters, codes, pass);
        integer::multiply(p.a, p.b, parameters, plain);
      },
      [](const Target& t, const Affine& a, const Affine& b, const Output& y, int q1, int q2) {
        return multiply(t, a.scale, a.zero_point, b.scale, b.zero_point, y.scale, y.zero_point, q1, q2);
      },
      -9.0, 0.0);
}

TEST_CASE("litert_default leaves additions outside XNNPACK's ratios to the builtin kernel", "[integer][bits]") {
  const auto rule = [](float s1, float s2, float s) {
    return integer::make_add(targets::litert_default, {s1, 0}, {s2, 0}, {s, 0}).rule;
  };
  CHECK(rule(1, 1, 1) == integer::AddRule::xnnpack);
  CHECK(rule(0x1p-10f, 1, 1) == integer::AddRule::xnnpack);
  CHECK(rule(0x1.fffffep-11f, 1, 1) == integer::AddRule::three_roundings);
  CHECK(rule(1, 0x1.fffffep7f, 1) == integer::AddRule::xnnpack);
  CHECK(rule(0x1.fffffep-11f, 126, 1) == integer::AddRule::three_roundings);
  CHECK(integer::make_add(targets::tflite_reference, {1, 0}, {1, 0}, {1, 0}).rule == integer::AddRule::three_roundings);
  const auto m = [](float s1, float s2, float s) {
    return integer::make_multiply(targets::litert_default, {s1, 0}, {s2, 0}, {s, 0}).rule;
  };
  CHECK(m(0x1p-8f, 0x1p-8f, 1) == integer::MultiplyRule::xnnpack);
  CHECK(m(0x1p-8f, 0x1p-9f, 1) == integer::MultiplyRule::double_rounding);
}

TEST_CASE("tflite_micro multiplies by a product of scales in double, LiteRT by one in float", "[integer][bits]") {
  Rng rng(4);
  int separating = 0;
  for (int i = 0; i < 200; ++i) {
    const Affine a{static_cast<float>(rng.uniform(0.001, 0.1)), 0}, b{static_cast<float>(rng.uniform(0.001, 0.1)), 0};
    const float s = static_cast<float>(rng.uniform(0.001, 0.1));
    const auto micro = integer::make_multiply(targets::tflite_micro, a, b, {s, 0}).m;
    const auto wanted =
        naive::multiplier(static_cast<double>(a.scale) * static_cast<double>(b.scale) / static_cast<double>(s));
    CHECK(micro.multiplier == wanted.m);
    CHECK(micro.shift == wanted.e);
    separating += micro != integer::make_multiply(targets::tflite_reference, a, b, {s, 0}).m;
  }
  CHECK(separating > 100);
}

TEST_CASE("element-wise operators broadcast like NumPy, and the thread count does not matter", "[integer][bits]") {
  Rng rng(3);
  const auto a = naive::random_codes(rng, {3, 5, 7, 33});
  const std::int64_t n = a.size();
  const Affine qa{0.1f, 3}, qb{0.07f, -9}, y{0.15f, 1};
  for (const Target& target : targets::all) {
    for (const Shape& shape : {Shape{33}, Shape{3, 1, 1, 33}, Shape{1, 5, 7, 1}, Shape{}, Shape{5, 1, 33}, Shape{3, 5, 7, 1}}) {
      const auto b = naive::random_codes(rng, shape);
      Tensor<std::int8_t> wide(a.shape());
      auto to = wide.edit();
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t index[4] = {i / (5 * 7 * 33), i / (7 * 33) % 5, i / 33 % 7, i % 33};
        std::int64_t from = 0;
        for (int d = 0; d < shape.rank(); ++d) from = from * shape[d] + (shape[d] == 1 ? 0 : index[d + 4 - shape.rank()]);
        to[static_cast<std::size_t>(i)] = b[from];
      }
      // Codes and passing bits of two operands as they are, on four threads, and repeated before, on one.
      const auto same = [&](auto&& run) {
        std::vector<std::int8_t> expected(static_cast<std::size_t>(n)), got(expected.size());
        std::vector<std::uint32_t> expected_bits(static_cast<std::size_t>((n + 31) / 32)), bits(expected_bits.size());
        set_threads(1);
        run(wide, expected, expected_bits.data());
        set_threads(4);
        run(b, got, bits.data());
        set_threads(0);
        return got == expected && bits == expected_bits;
      };
      INFO(formatted("{} {}", target.name, shape));
      for (const bool subtract : {false, true}) {
        const auto p = integer::make_add(target, qa, qb, y, Activation::relu, subtract);
        const auto q = integer::make_add(target, qb, qa, y, Activation::relu, subtract);
        CHECK(same([&](const auto& other, auto& codes, auto* bits) { integer::add(a, other, p, codes, bits); }));
        CHECK(same([&](const auto& other, auto& codes, auto* bits) { integer::add(other, a, q, codes, bits); }));
      }
      const auto p = integer::make_multiply(target, qa, qb, y, Activation::relu6);
      const auto q = integer::make_multiply(target, qb, qa, y, Activation::relu6);
      CHECK(same([&](const auto& other, auto& codes, auto* bits) { integer::multiply(a, other, p, codes, bits); }));
      CHECK(same([&](const auto& other, auto& codes, auto* bits) { integer::multiply(other, a, q, codes, bits); }));
    }
  }
}

TEST_CASE("both operands may be repeated", "[integer][bits]") {
  Rng rng(5);
  const auto a = naive::random_codes(rng, {2, 6, 1, 5}), b = naive::random_codes(rng, {2, 1, 7, 1});
  const auto p = integer::make_multiply(targets::onnxruntime, {0.1f, 3}, {0.07f, -9}, {0.15f, 1});
  std::vector<std::int8_t> codes(2 * 6 * 7 * 5), one(1);
  integer::multiply(a, b, p, codes);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(codes.size()); ++i) {
    const std::int64_t image = i / (6 * 7 * 5), row = i / (7 * 5) % 6, column = i / 5 % 7, channel = i % 5;
    const Tensor<std::int8_t> left(Shape{1}, std::span(a.data() + (image * 6 + row) * 5 + channel, 1));
    const Tensor<std::int8_t> right(Shape{1}, std::span(b.data() + image * 7 + column, 1));
    integer::multiply(left, right, p, one);
    CHECK(codes[static_cast<std::size_t>(i)] == one[0]);
  }
}

TEST_CASE("clamp cuts codes and passes what it does not cut", "[integer][bits]") {
  Tensor<std::int8_t> x(Shape{256});
  for (int i = 0; i < 256; ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(i - 128);
  for (const Target& target : targets::all) {
    for (const auto activation : {Activation::none, Activation::relu, Activation::relu6}) {
      const auto p = integer::make_clamp(target, {6.0f / 100.5f, -20}, activation);
      const int low = activation == Activation::none ? -128 : -20;
      const Bound rule = target.name == "onnxruntime" ? Bound::even_then_zero : Bound::away;
      const int high = activation == Activation::relu6 ? bound(rule, 6.0f, 6.0f / 100.5f, -20) : 127;
      std::vector<std::int8_t> out(256);
      std::vector<std::uint32_t> pass(8);
      integer::clamp(x, p, out, pass.data());
      for (int i = 0; i < 256; ++i) {
        const int q = i - 128;
        CHECK(out[static_cast<std::size_t>(i)] == std::clamp(q, low, high));
        CHECK(test_bit(pass.data(), i) ==
              ((activation == Activation::none || q > -20) && low <= q && q <= high));
      }
    }
  }
}

TEST_CASE("element-wise operators refuse what does not fit", "[integer]") {
  const Target& t = targets::tflite_reference;
  CHECK_THROWS_WITH(integer::make_add(t, {0.0f, 0}, {1, 0}, {1, 0}), ContainsSubstring("add: scale 0"));
  CHECK_THROWS_WITH(integer::make_add(t, {1, 0}, {1, 200}, {1, 0}, Activation::none, true), ContainsSubstring("sub: zero point 200"));
  CHECK_THROWS_WITH(integer::make_add(t, {1, 0}, {0x1p19f, 0}, {1, 0}),
                    ContainsSubstring("too large for output scale 1"));
  CHECK_THROWS_WITH(integer::make_multiply(t, {16, 0}, {16, 0}, {1, 0}), ContainsSubstring("multiplier 256"));
  CHECK_THROWS_WITH(integer::make_multiply(t, {NAN, 0}, {16, 0}, {1, 0}), ContainsSubstring("mul: scale nan"));
  for (const bool subtract : {false, true}) {
    CHECK_THROWS_WITH(integer::make_add(targets::onnxruntime, {0x1p19f, 5}, {1, 0}, {1, 0}, Activation::none, subtract),
                      ContainsSubstring("too large for output scale"));
  }
  // Measured: LiteRT makes 127 of a sum that is far below -128.
  CHECK_NOTHROW(integer::make_add(t, {1, 0}, {256, 0}, {1, 0}));
  CHECK_THROWS_WITH(integer::make_add(targets::litert_default, {1, 0}, {256, 0}, {1, 0}),
                    ContainsSubstring("may leave int16"));
  CHECK_THROWS_WITH(integer::make_add(targets::litert_default, {0x1p-11f, 0}, {128, -128}, {1, 0}),
                    ContainsSubstring("may leave int16") && ContainsSubstring("scales 0.00048828125 and 128"));
  const auto p = integer::make_add(t, {1, 0}, {1, 0}, {1, 0});
  const auto a = Tensor<std::int8_t>::zeros({2, 3});
  std::vector<std::int8_t> out(6);
  CHECK_THROWS_WITH(integer::add(a, Tensor<std::int8_t>::zeros({2, 2}), p, out),
                    ContainsSubstring("add: shapes [2,3] and [2,2] do not broadcast"));
  out.resize(5);
  CHECK_THROWS_WITH(integer::add(a, a, p, out), ContainsSubstring("the result [2,3] needs 6 elements, got 5"));
}

}  // namespace elementwise_test
