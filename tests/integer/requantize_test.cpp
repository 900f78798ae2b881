// Requantization of accumulators: codes and pass bits against the rules of each target, written out.

#include "naive.hpp"
#include "support/catch.hpp"

#include <stet/integer/requantize.hpp>

namespace requantize_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Requantization;

namespace {

struct Layer {
  float s_in, s_out;
  std::vector<float> s_w;
  std::vector<std::int32_t> bias;
  int z_out, lo, hi;
  bool relu;
};

Layer random_layer(Rng& rng, std::int64_t channels, bool power_of_two) {
  Layer l;
  l.s_in = static_cast<float>(std::exp2(rng.uniform(-9, -3)));
  l.s_out = static_cast<float>(std::exp2(rng.uniform(-7, -1)));
  if (power_of_two) {
    l.s_in = std::exp2(std::round(std::log2(l.s_in)));
    l.s_out = std::exp2(std::round(std::log2(l.s_out)));
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const double e = rng.uniform(-12, -3);
    l.s_w.push_back(static_cast<float>(std::exp2(power_of_two ? std::round(e) : e)));
    l.bias.push_back(static_cast<std::int32_t>(rng.below(20001)) - 10000);
  }
  l.relu = rng.below(2) == 0;
  l.z_out = l.relu && rng.below(2) == 0 ? -128 : static_cast<int>(rng.below(256)) - 128;
  l.lo = l.relu ? l.z_out : -128;
  l.hi = rng.below(2) == 0 ? 127 : l.lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(127 - l.lo + 1)));
  return l;
}

// The code minus the zero point before the clamp, docs/math.md, equations 16 to 24.
double unclamped(Requantization rule, const Layer& l, std::size_t c, std::int64_t sum) {
  const float w = l.s_w.size() == 1 ? l.s_w[0] : l.s_w[c];
  const double wide = static_cast<double>(l.s_in) * static_cast<double>(w) / static_cast<double>(l.s_out);
  switch (rule) {
    case Requantization::double_rounding:
      return static_cast<double>(naive::double_rounding(sum, naive::multiplier(wide)));
    case Requantization::half_away_double:
      return naive::half_away(static_cast<double>(sum) * wide);
    case Requantization::float_half_even: {
      volatile float product = l.s_in * w;
      volatile float m = product / l.s_out;
      volatile float real = static_cast<float>(sum) * m;
      return naive::half_even(static_cast<double>(real));
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("codes and pass bits follow the rule of the target", "[integer][bits]") {
  Rng rng(1);
  std::int64_t compared = 0;
  for (const auto rule :
       {Requantization::double_rounding, Requantization::half_away_double, Requantization::float_half_even}) {
    for (const std::int64_t channels : {1, 3, 10, 16, 24, 32, 64, 100}) {
      for (int repeat = 0; repeat < 12; ++repeat) {
        Layer l = random_layer(rng, channels, repeat % 3 == 0);
        if (repeat % 4 == 1) l.s_w.resize(1);
        const auto r = integer::make_requantizer(rule, l.s_in, l.s_w, l.s_out, l.z_out, l.bias, l.lo, l.hi, l.relu);
        const std::int64_t rows = 37;
        const std::int64_t stride = repeat % 2 == 0 ? channels : channels + 5;
        std::vector<std::int32_t> acc(static_cast<std::size_t>(rows * stride));
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const auto k = static_cast<std::size_t>(c);
            const double m = static_cast<double>(l.s_in) *
                             static_cast<double>(l.s_w.size() == 1 ? l.s_w[0] : l.s_w[k]) /
                             static_cast<double>(l.s_out);
            // Around all codes and beyond, on halves in particular; some far away.
            double target = std::floor(rng.uniform(-300, 300)) + (rng.below(2) == 0 ? 0.5 : rng.uniform());
            if (rng.below(16) == 0) target *= 1e6;
            const double a = std::clamp(target / m, -2e9, 2e9);
            const std::int64_t left = std::max(naive::multiplier(m).e, 0);
            const double most = std::ldexp(0x1p31 - 20002, -static_cast<int>(left)) - 20002;
            acc[static_cast<std::size_t>(i * stride + c)] =
                static_cast<std::int32_t>(std::clamp(a, -most, most)) - l.bias[k];
          }
        }
        const auto n = static_cast<std::size_t>(rows * channels);
        std::vector<std::int8_t> codes(n), plain(n);
        std::vector<std::uint32_t> pass(static_cast<std::size_t>(bit_words(rows * channels)), 0xdeadbeef);
        integer::requantize_rows(acc.data(), stride, rows, channels, r, plain.data());
        integer::requantize_rows(acc.data(), stride, rows, channels, r, codes.data(), pass.data());
        CHECK(plain == codes);
        std::int64_t wrong_codes = 0;
        std::int64_t wrong_bits = 0;
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const std::int64_t sum =
                std::int64_t{acc[static_cast<std::size_t>(i * stride + c)]} + l.bias[static_cast<std::size_t>(c)];
            const double code = unclamped(rule, l, static_cast<std::size_t>(c), sum) + l.z_out;
            const std::int64_t at = i * channels + c;
            wrong_codes += codes[static_cast<std::size_t>(at)] != std::clamp<double>(code, l.lo, l.hi);
            const bool passing = (!l.relu || sum > 0) && l.lo <= code && code <= l.hi;
            wrong_bits += test_bit(pass.data(), at) != passing;
            ++compared;
          }
        }
        INFO("rule " << static_cast<int>(rule) << " channels " << channels << " repeat " << repeat);
        CHECK(wrong_codes == 0);
        CHECK(wrong_bits == 0);
        if (n % 32 != 0) CHECK(pass.back() >> (n % 32) == 0);
      }
    }
  }
  CHECK(compared > 300000);
}

TEST_CASE("multipliers are formed in the precision of the rule", "[integer][bits]") {
  Rng rng(5);
  int separating = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto s_in = static_cast<float>(rng.uniform(1e-3, 1e-1));
    const auto s_w = static_cast<float>(rng.uniform(1e-4, 1e-2));
    const auto s_out = static_cast<float>(rng.uniform(1e-3, 1e-1));
    const std::vector<float> w{s_w};
    const std::vector<std::int32_t> bias{0};
    const auto f =
        integer::make_requantizer(Requantization::float_half_even, s_in, w, s_out, 0, bias, -128, 127, false);
    volatile float product = s_in * s_w;
    volatile float m = product / s_out;
    CHECK(f.scale[0] == m);
    const double wide = static_cast<double>(s_in) * static_cast<double>(s_w) / static_cast<double>(s_out);
    separating += f.scale[0] != static_cast<float>(wide);
    const auto d =
        integer::make_requantizer(Requantization::double_rounding, s_in, w, s_out, 0, bias, -128, 127, false);
    CHECK(d.multiplier[0] == naive::multiplier(wide).m);
    CHECK(d.shift[0] == naive::multiplier(wide).e);
    const auto h =
        integer::make_requantizer(Requantization::half_away_double, s_in, w, s_out, 0, bias, -128, 127, false);
    CHECK(h.factor[0] == wide);
  }
  CHECK(separating > 100);
}

TEST_CASE("requantization survives any accumulator", "[integer]") {
  const std::vector<float> w{0.5f};
  const std::vector<std::int32_t> bias(32, INT32_MAX);
  std::vector<std::int32_t> acc{INT32_MAX, INT32_MIN, 0, 1, -1};
  acc.resize(32, 7);
  std::vector<std::int8_t> codes(32);
  std::vector<std::uint32_t> pass(1);
  for (const auto rule :
       {Requantization::double_rounding, Requantization::half_away_double, Requantization::float_half_even}) {
    const auto r = integer::make_requantizer(rule, 1.0f, w, 0.01f, 3, bias, -100, 100, true);
    integer::requantize_rows(acc.data(), 32, 1, 32, r, codes.data(), pass.data());
    for (const auto c : codes) CHECK((c >= -100 && c <= 100));
  }
}

TEST_CASE("check_accumulators names the channel that could overflow", "[integer]") {
  const std::vector<float> w{1.0f};
  const std::vector<std::int32_t> bias{0, 1 << 20};
  const std::vector<std::int64_t> small{100, 100};
  const std::vector<std::int64_t> large{100, (std::int64_t{1} << 31) / 255 - 4000};
  const auto r = integer::make_requantizer(Requantization::float_half_even, 1.0f, w, 1.0f, 0, bias, -128, 127, false);
  CHECK_NOTHROW(integer::check_accumulators("conv2d", small, -128, {-128, 127}, r));
  CHECK_THROWS_WITH(integer::check_accumulators("conv2d", large, -128, {-128, 127}, r),
                    ContainsSubstring("conv2d: accumulators of channel 1 may reach"));
  CHECK_NOTHROW(integer::check_accumulators("conv2d", large, 0, {-128, 127}, r));
  const std::vector<float> wide{200.0f};
  const auto shifted =
      integer::make_requantizer(Requantization::double_rounding, 1.0f, wide, 1.0f, 0, bias, -128, 127, false);
  CHECK_NOTHROW(integer::check_accumulators("conv2d", small, -128, {-128, 127}, shifted));
  const std::vector<std::int64_t> medium{100, 40000};
  CHECK_THROWS_WITH(integer::check_accumulators("conv2d", medium, -128, {-128, 127}, shifted),
                    ContainsSubstring("with a left shift of 8"));
  CHECK_THROWS_WITH(integer::check_accumulators("conv2d", std::vector<std::int64_t>{1}, 0, {-128, 127}, r),
                    ContainsSubstring("weights have 1 outputs, requantization has 2"));
}

TEST_CASE("make_requantizer refuses what is no layer", "[integer]") {
  const std::vector<float> w{1.0f, 1.0f};
  const std::vector<std::int32_t> bias{0, 0, 0};
  const std::vector<std::int32_t> two{0, 0};
  const auto make = [](float s_in, const std::vector<float>& s_w, float s_out, int z,
                       const std::vector<std::int32_t>& b, int lo, int hi) {
    return integer::make_requantizer(Requantization::double_rounding, s_in, s_w, s_out, z, b, lo, hi, false);
  };
  CHECK_THROWS_WITH(make(1, w, 1, 0, bias, -128, 127),
                    ContainsSubstring("3 channels need 1 or 3 weight scales, got 2"));
  CHECK_THROWS_WITH(make(1, w, 1, 0, {}, -128, 127), ContainsSubstring("0 channels"));
  CHECK_THROWS_WITH(make(0, w, 1, 0, two, -128, 127), ContainsSubstring("must be positive and finite"));
  CHECK_THROWS_WITH(make(1, w, INFINITY, 0, two, -128, 127), ContainsSubstring("must be positive and finite"));
  CHECK_THROWS_WITH(make(1, {1.0f, -1.0f}, 1, 0, two, -128, 127), ContainsSubstring("weight scale 1 is -1"));
  CHECK_THROWS_WITH(make(1, w, 1, 128, two, -128, 127), ContainsSubstring("zero point 128"));
  CHECK_THROWS_WITH(make(1, w, 1, 0, two, 5, 4), ContainsSubstring("bounds 5..4"));
  CHECK_THROWS_WITH(make(1, w, 1, 0, two, -129, 4), ContainsSubstring("bounds -129..4"));
  CHECK_THROWS_WITH(make(256, w, 1, 0, two, -128, 127), ContainsSubstring("channel 0 has multiplier 256"));
  const auto r = make(1, w, 1, 0, two, -128, 127);
  std::int8_t out[2];
  const std::int32_t acc[2] = {0, 0};
  CHECK_THROWS_WITH(integer::requantize_rows(acc, 1, 1, 1, r, out), ContainsSubstring("requantization has 2"));
  CHECK_THROWS_WITH(integer::requantize_rows(acc, 1, 1, 2, r, out), ContainsSubstring("2 channels in rows of 1"));
}

}  // namespace requantize_test
