// The schemes with headers of their own obey the laws, and train on the tape.
#include <stet/qat/fake_quantize.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/block_scheme.hpp>
#include <stet/quant/mse_scheme.hpp>
#include <stet/quant/ternary_scheme.hpp>
#include <stet/testing/scheme_laws.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

namespace scheme_laws_test {

using namespace stet;
using namespace stet::testing;

namespace {

template <class S>
void check_ok(const S& scheme, const SchemePromises& promises = {}) {
  const LawReport report = check_scheme_laws(scheme, promises);
  INFO(report.str());
  CHECK(report.ok());
}

// Halves what it reads: coding again changes it.
struct Drifts : Fp8E4M3 {
  void decode(std::span<const std::uint8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    Fp8E4M3::decode(codes, shape, p, y);
    for (float& v : y) v /= 2;
  }
};

}  // namespace

TEST_CASE("ternary, binary, additive, float and block schemes obey the laws", "[bits]") {
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(3),
                               Granularity::per_group(4)}) {
    check_ok(Ternary(g));
    check_ok(Binary(g));
    check_ok(MseIntN(4, g));
    check_ok(Fp8E4M3(g), {.max_error = 0x1p-4});  // half a unit in the last place, of the largest magnitude
    check_ok(Fp8E5M2(g), {.max_error = 0x1p-3});
    check_ok(Float16(g), {.max_error = 0x1p-11});
    check_ok(BFloat16(g), {.max_error = 0x1p-8});
    for (int bits = 2; bits <= 8; ++bits) {
      check_ok(AdditivePowersOfTwo(bits, g));
      check_ok(AdditivePowersOfTwo(bits, g, false), {.negative = false});
    }
  }
  check_ok(Fp8E4M3(), {.max_error = 0.95});  // its largest number is 448, and ranges reach into the thousands
  check_ok(Fp8E5M2(), {.max_error = 0x1p-3});
  check_ok(Float16(), {.max_error = 0x1p-11});
  check_ok(BFloat16(), {.max_error = 0x1p-8});
  // The largest magnitude may have a mantissa up to 2, the largest element one of 1.75 (or 1.875, 1.5): the rest is lost.
  check_ok(MxFp8E4M3(), {.max_error = 0x1p-3});
  check_ok(MxFp8E5M2(), {.max_error = 0x1p-3});
  check_ok(MxFp6E2M3(), {.max_error = 0x1p-4});
  check_ok(MxFp6E3M2(), {.max_error = 0x1p-3});
  check_ok(MxFp4E2M1(), {.max_error = 0x1p-2});
  check_ok(MxInt8(), {.max_error = 1.0});
}

TEST_CASE("which schemes are affine is a matter of type") {
  CHECK(AffineScheme<Ternary>);
  CHECK(AffineScheme<MxInt8>);
  CHECK(Scheme<Binary>);
  CHECK_FALSE(AffineScheme<Binary>);
  CHECK_FALSE(AffineScheme<AdditivePowersOfTwo>);
  CHECK_FALSE(AffineScheme<Float16>);
  CHECK_FALSE(AffineScheme<MxFp8E4M3>);
}

TEST_CASE("the laws catch a scheme of float codes that drifts") {
  const LawReport report = check_scheme_laws(Drifts{});
  CHECK_FALSE(report.ok());
}

TEST_CASE("schemes that choose from values or have other codes train on the tape") {
  Tape tape;
  Tensor<float> values({2, 32});
  for (std::int64_t i = 0; i < 64; ++i) values.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i - 31) / 16;
  Parameter w{values};
  auto x = tape.parameter(w);
  const auto sum_of = [&](const auto& scheme, const auto& estimator) {
    const auto y = fake_quantize(x, scheme, estimator);
    std::vector<std::uint32_t> pass(2);
    std::vector<CodeOf<std::remove_cvref_t<decltype(scheme)>>> codes(64);
    std::vector<float> direct(64);
    const QParams p = scheme_qparams(scheme, values.span(), values.shape());
    scheme.encode(values.span(), values.shape(), p, estimator.mask(), codes, pass);
    scheme.decode(codes, values.shape(), p, direct);
    CHECK(std::equal(direct.begin(), direct.end(), y.value().span().begin()));
    return y;
  };
  static_cast<void>(sum_of(Ternary(Granularity::per_channel(0)), Ste{}));
  static_cast<void>(sum_of(Binary(), ClippedSte{}));
  static_cast<void>(sum_of(AdditivePowersOfTwo(5), ClippedSte{}));
  static_cast<void>(sum_of(Float16(), ClippedSte{}));
  const auto y = sum_of(MxFp4E2M1(), ClippedSte{ClipMask::raw_inclusive});
  tape.backward(y, Tensor<float>::filled(values.shape(), 1.0f));
  // Row 0 reaches -31/16: X = 1/4, so values beyond 6/4 do not pass. Row 1 reaches 2: X = 1/2, all pass.
  for (std::int64_t i = 0; i < 64; ++i) CHECK(w.gradient[i] == (i < 7 ? 0.0f : 1.0f));
}

}  // namespace scheme_laws_test
