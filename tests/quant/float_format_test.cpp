// Small floating-point formats against their definition: every code, every tie, and random numbers.
#include <stet/core/random.hpp>
#include <stet/quant/block_scheme.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace float_format_test {

using namespace stet;

namespace {

const float nan_value = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

// The definition, in double. Codes above the largest number go on as if they were numbers.
double defined_value(const FloatFormat& f, std::uint32_t magnitude) {
  const auto exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const double mantissa = std::ldexp(magnitude & ((1u << f.mantissa_bits) - 1), -f.mantissa_bits);
  return exponent == 0 ? std::ldexp(mantissa, 1 - f.bias()) : std::ldexp(1 + mantissa, exponent - f.bias());
}

// The nearest code by search, half to even; needs no bit of the float.
std::uint32_t defined_code(const FloatFormat& f, const std::vector<double>& values, double x) {
  const double magnitude = std::abs(x);
  const std::uint32_t sign = std::signbit(x) ? f.sign_bit() : 0;
  if (std::isnan(x)) return sign | f.nan_code();
  const auto above = std::lower_bound(values.begin(), values.end(), magnitude);
  auto code = static_cast<std::uint32_t>(above - values.begin());
  if (above == values.end()) {
    code = f.max_code() + 1;
  } else if (above != values.begin()) {
    const double down = magnitude - above[-1];
    const double up = above[0] - magnitude;
    if (down < up || (down == up && code % 2 == 1)) --code;
  }
  return sign | (code > f.max_code() ? f.overflow_code() : code);
}

template <FloatFormat F>
void check_format(double largest, double smallest) {
  std::vector<double> values;
  for (std::uint32_t code = 0; code <= F.max_code() + 1; ++code) values.push_back(defined_value(F, code));
  CHECK(static_cast<double>(max_value<F>()) == largest);
  CHECK(static_cast<double>(from_float_code<F>(1)) == smallest);
  CHECK(std::ldexp(1.0, F.max_exponent()) <= largest);
  CHECK(std::ldexp(2.0, F.max_exponent()) > largest);

  // Every code: its value by definition, and back to itself.
  std::int64_t wrong_values = 0, wrong_codes = 0;
  for (std::uint32_t code = 0; code < (1u << F.bits()); ++code) {
    const float value = from_float_code<F>(code);
    const std::uint32_t magnitude = code & (F.sign_bit() - 1);
    const bool negative = (code & F.sign_bit()) != 0;
    if (magnitude <= F.max_code()) {
      const double want = negative ? -values[magnitude] : values[magnitude];
      wrong_values += static_cast<double>(value) == want && std::signbit(value) == negative ? 0 : 1;
      wrong_codes += to_float_code<F>(value) == code ? 0 : 1;
    } else if (F.specials == FloatSpecials::infinity_and_nan && magnitude == F.max_code() + 1) {
      wrong_values += value == (negative ? -inf : inf) ? 0 : 1;
      wrong_codes += to_float_code<F>(value) == ((code & F.sign_bit()) | F.overflow_code()) ? 0 : 1;
    } else {
      wrong_values += std::isnan(value) ? 0 : 1;
      wrong_codes += to_float_code<F>(value) == ((code & F.sign_bit()) | F.nan_code()) ? 0 : 1;
    }
  }
  CHECK(wrong_values == 0);
  CHECK(wrong_codes == 0);

  std::vector<float> x{0.0f, -0.0f, inf, -inf, nan_value, -nan_value, std::numeric_limits<float>::max(),
                       std::numeric_limits<float>::min(), std::numeric_limits<float>::denorm_min(), -1e-42f};
  // Every tie between neighbours, the one above the largest number included, and the floats beside it.
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const auto middle = static_cast<float>((values[i] + values[i + 1]) / 2);
    for (const float v : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, inf)}) {
      x.push_back(v);
      x.push_back(-v);
    }
  }
  Rng rng(11);
  for (int i = 0; i < 50000; ++i) {  // any bits of a float, and the format's own range
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(rng.below(std::uint64_t{1} << 32))));
    x.push_back(static_cast<float>(std::ldexp(rng.normal(), F.max_exponent() - static_cast<int>(rng.below(24)))));
  }
  std::int64_t faults = 0;
  for (const float v : x) faults += to_float_code<F>(v) == defined_code(F, values, static_cast<double>(v)) ? 0 : 1;
  CHECK(faults == 0);
}

constexpr FloatFormat e5m2_with_infinity{5, 2, FloatSpecials::infinity_and_nan, false};
constexpr FloatFormat e4m3_without_saturation{4, 3, FloatSpecials::nan_only, false};

}  // namespace

TEST_CASE("every code, every tie and random numbers of the formats follow their definition", "[bits]") {
  check_format<FloatFormat::float16()>(65504, 0x1p-24);
  check_format<FloatFormat::bfloat16()>(0x1.fep127, 0x1p-133);
  check_format<FloatFormat::fp8_e4m3()>(448, 0x1p-9);
  check_format<FloatFormat::fp8_e5m2()>(57344, 0x1p-16);
  check_format<FloatFormat::fp6_e2m3()>(7.5, 0.125);
  check_format<FloatFormat::fp6_e3m2()>(28, 0.0625);
  check_format<FloatFormat::fp4_e2m1()>(6, 0.5);
  check_format<e5m2_with_infinity>(57344, 0x1p-16);
  check_format<e4m3_without_saturation>(448, 0x1p-9);
}

TEST_CASE("what the formats' authors print is what comes out", "[bits]") {
  std::vector<float> fp4;
  for (std::uint32_t code = 0; code < 8; ++code) fp4.push_back(from_float_code<FloatFormat::fp4_e2m1()>(code));
  CHECK(fp4 == std::vector<float>{0, 0.5f, 1, 1.5f, 2, 3, 4, 6});
  using Format = FloatFormat;
  CHECK(to_float_code<Format::fp8_e4m3()>(464.0f) == 0x7eu);  // a tie above 448: even, so 448
  CHECK(to_float_code<Format::fp8_e4m3()>(1e9f) == 0x7eu);    // saturates
  CHECK(to_float_code<Format::fp8_e4m3()>(-inf) == 0xfeu);
  CHECK(to_float_code<Format::fp8_e4m3()>(nan_value) == 0x7fu);
  CHECK(to_float_code<Format::fp8_e5m2()>(61440.0f) == 0x7bu);
  CHECK(to_float_code<e5m2_with_infinity>(61440.0f) == 0x7cu);  // a tie above an odd mantissa
  CHECK(to_float_code<e4m3_without_saturation>(465.0f) == 0x7fu);
  CHECK(to_float_code<Format::float16()>(65519.99f) == 0x7bffu);
  CHECK(to_float_code<Format::float16()>(65520.0f) == 0x7c00u);
  CHECK(to_float_code<Format::bfloat16()>(1.00390625f) == 0x3f80u);
  CHECK(to_float_code<Format::fp4_e2m1()>(nan_value) == 0xfu);
}

TEST_CASE("float schemes: codes, values and masks, with and without a scale", "[bits]") {
  const std::vector<float> x{0.3f, -448, 463, 464, 465, 1e9f, inf, nan_value, -0.001f, 0};
  const Shape shape{10};
  const auto pass_bits = [&](const Fp8E4M3& scheme, ClipMask mask, float scale) {
    QParams p = scheme.qparams(std::vector<Range>{{-1, 1}});
    p.scale[0] = scale;
    std::vector<float> scaled = x;
    for (float& v : scaled) v *= scale;
    std::vector<std::uint8_t> codes(10);
    std::vector<std::uint32_t> pass(1);
    scheme.encode(scaled, shape, p, mask, codes, pass);
    std::vector<float> y(10);
    scheme.decode(codes, shape, p, y);
    CHECK(y[0] == 0.3125f * scale);
    CHECK(y[1] == -448 * scale);
    CHECK(y[5] == 448 * scale);
    CHECK(std::isnan(y[7]));
    return pass[0];
  };
  for (const float scale : {1.0f, 0.125f}) {
    CHECK(pass_bits({}, ClipMask::rounded_inclusive, scale) == 0b1100001111u);
    CHECK(pass_bits({}, ClipMask::raw_inclusive, scale) == 0b1100000011u);
    CHECK(pass_bits({}, ClipMask::raw_exclusive, scale) == 0b1100000001u);
  }
  const QParams p = Fp8E4M3(Granularity::per_channel(0)).qparams(std::vector<Range>{{-896, 1}, {0, 0}, {0, 1e-38f}});
  CHECK(p.scale == std::vector<float>{2, 1, 0x1p-100f});
  CHECK(Fp8E4M3().qparams(std::vector<Range>{{-896, 1}}).scale == std::vector<float>{1});
}

TEST_CASE("MX: the shared power of two and the codes of a block, worked by hand", "[bits]") {
  const auto scale = [](const auto& scheme, float most) {
    return scheme.qparams(std::vector<Range>{{-most, 0}}).scale[0];
  };
  CHECK(scale(MxFp8E4M3(), 1.0f) == 0x1p-8f);
  CHECK(scale(MxFp8E4M3(), 1.99f) == 0x1p-8f);
  CHECK(scale(MxFp8E4M3(), 2.0f) == 0x1p-7f);
  CHECK(scale(MxFp8E5M2(), 1.0f) == 0x1p-15f);
  CHECK(scale(MxFp6E3M2(), 1.0f) == 0x1p-4f);
  CHECK(scale(MxFp6E2M3(), 1.0f) == 0.25f);
  CHECK(scale(MxFp4E2M1(), 1.0f) == 0.25f);
  CHECK(scale(MxInt8(), 1.0f) == 0x1p-6f);
  CHECK(scale(MxFp4E2M1(), 0.0f) == 1.0f);
  CHECK(scale(MxFp8E5M2(), std::numeric_limits<float>::denorm_min()) == 0x1p-127f);
  CHECK(scale(MxInt8(), std::numeric_limits<float>::max()) == 0x1p121f);
  CHECK(scale(MxInt8(), std::numeric_limits<float>::denorm_min()) == 0x1p-126f);

  std::vector<float> x(64);
  x[0] = 7.0f;    // block 0: X = 1; 7 saturates to 6
  x[1] = 2.5f;    // a tie of 2 and 3: the even code is 2
  x[2] = -0.76f;  // nearer to 1 than to 0.5
  x[32] = 0.07f;  // block 1: X = 2^-6
  const Shape shape{2, 32};
  const MxFp4E2M1 scheme;
  const QParams p = scheme_qparams(scheme, std::span<const float>(x), shape);
  CHECK(p.scale == std::vector<float>{1, 0x1p-6f});
  std::vector<std::uint8_t> codes(64);
  std::vector<std::uint32_t> pass(2);
  scheme.encode(x, shape, p, ClipMask::rounded_inclusive, codes, pass);
  CHECK(std::vector<std::uint8_t>(codes.begin(), codes.begin() + 3) == std::vector<std::uint8_t>{7, 4, 10});
  CHECK(codes[32] == 6);  // 4.48 steps: 4
  CHECK(pass[0] == 0xfffffffeu);
  std::vector<float> y(64);
  scheme.decode(codes, shape, p, y);
  CHECK(y[0] == 6.0f);
  CHECK(y[1] == 2.0f);
  CHECK(y[2] == -1.0f);
  CHECK(y[32] == 0.0625f);
}

TEST_CASE("float and block schemes refuse what does not fit") {
  std::vector<float> x(40), y(40);
  std::vector<std::uint8_t> codes(40);
  std::vector<std::uint32_t> pass(2), one(1);
  const Fp8E4M3 fp8;
  QParams p = fp8.qparams(std::vector<Range>{{0, 1}});
  CHECK_THROWS_AS(fp8.encode(x, Shape{40}, p, ClipMask::rounded_inclusive, codes, one), Error);
  CHECK_THROWS_AS(fp8.encode(x, Shape{41}, p, ClipMask::rounded_inclusive, codes, pass), Error);
  CHECK_THROWS_AS(fp8.decode(codes, Shape{41}, p, y), Error);
  for (const float scale : {0.0f, -1.0f, inf, nan_value}) {
    p.scale[0] = scale;
    CHECK_THROWS_AS(fp8.encode(x, Shape{40}, p, ClipMask::rounded_inclusive, codes, pass), Error);
    CHECK_THROWS_AS(fp8.decode(codes, Shape{40}, p, y), Error);
  }
  p.scale = {1, 1};
  CHECK_THROWS_AS(fp8.encode(x, Shape{40}, p, ClipMask::rounded_inclusive, codes, pass), Error);
  CHECK_THROWS_AS(fp8.qparams(std::vector<Range>{{0, inf}}), Error);
  CHECK_THROWS_AS(MxFp8E4M3().qparams(std::vector<Range>{{nan_value, 1}}), Error);
  CHECK_THROWS_AS(scheme_qparams(MxFp4E2M1(), std::span<const float>(x), Shape{40}), Error);  // 32 does not divide 40
  x[3] = nan_value;
  CHECK_THROWS_AS(scheme_qparams(fp8, std::span<const float>(x), Shape{40}), Error);
}

}  // namespace float_format_test
