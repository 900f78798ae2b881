// Mutants of the shipped schemes are noticed by the laws, each by the law that is meant for it.
#include <stet/quant/apot_scheme.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/block_scheme.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/quant/ternary_scheme.hpp>

#include "mutants.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

namespace scheme_mutants_test {

using namespace stet;
using namespace stet::testing;
using stet_test::Mutants;
using stet_test::SchemeMutant;

namespace {

constexpr const char* covers = "inside the range that was asked for";
constexpr const char* means = "a code means scale";
constexpr const char* inside = "inside the range the error";
constexpr const char* order = "order is kept";
constexpr const char* pass_bits = "pass bits follow the mask";
constexpr const char* projection = "is a projection";

template <class S>
void zero_values(std::span<const CodeOf<S>>, const QParams&, std::span<float> y) {
  std::fill(y.begin(), y.end(), 0.0f);
}
void double_scales(QParams& p) {
  for (float& s : p.scale) s *= 2;
}
void halve_scales(QParams& p) {
  for (float& s : p.scale) s /= 2;
}
// All channels take the parameters of the first.
void first_channel(QParams& p) { std::fill(p.scale.begin(), p.scale.end(), p.scale[0]); }
void one_more(QParams& p) {
  for (std::int32_t& z : p.zero_point) z = z < p.grid.hi ? z + 1 : z - 1;
}

// The same scale for all ranges.
struct Constant : Int8PerTensor {
  QParams qparams(std::span<const Range>) const { return QParams::per_tensor(1e-3f, 0, grid()); }
};
// No zero in the range, and a zero point that is cut off at the grid: 1..3 becomes 0..2.
struct CutZeroPoint : AffineCodes<> {
  Grid grid() const { return Grid::activation(5); }
  Granularity granularity() const { return Granularity::per_tensor(); }
  QParams qparams(std::span<const Range> r) const {
    const float scale = std::max((r[0].hi - r[0].lo) / 31.0f, 1e-6f);
    const float z = -128.0f - r[0].lo / scale;
    return QParams::per_tensor(scale, static_cast<std::int32_t>(std::clamp(z, -128.0f, -97.0f)), grid());
  }
};
// The zero point is cut instead of rounded.
struct TruncatedZeroPoint : Int8Activation {
  QParams qparams(std::span<const Range> r) const {
    QParams p = Int8Activation::qparams(r);
    const float below = std::min(r[0].lo, 0.0f) / p.scale[0];
    p.zero_point[0] = std::min(grid().lo - static_cast<std::int32_t>(below), grid().hi);
    return p;
  }
};
// Its codes come from a source of its own, so that the same values are coded in another way each time.
struct Drawn : Int8PerTensor {
  Drawn() : rng(std::make_shared<Rng>(7)) {}
  std::shared_ptr<Rng> rng;
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double t = static_cast<double>(x[i] / p.scale[0]);
      const double nearest = std::round(t);
      if (std::abs(nearest - t) < 1e-5 * std::abs(t)) continue;  // what a code stands for stays
      codes[i] = static_cast<std::int8_t>(std::clamp(std::floor(t + rng->uniform(0, 1)), -127.0, 127.0));
    }
  }
  double largest_error() const { return 1.0; }
};
// The same, but what is on the grid moves too: it never breaks a law in the same way twice.
struct Restless : Drawn {
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
    for (auto& c : codes) c = static_cast<std::int8_t>(rng->below(4) == 0 ? 3 : c);
  }
};
struct AlwaysZero {
  Granularity granularity() const { return Granularity::per_tensor(); }
  QParams qparams(std::span<const Range>) const { return {}; }
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
  }
  void decode(std::span<const std::int8_t>, const Shape&, const QParams&, std::span<float> y) const {
    std::fill(y.begin(), y.end(), 0.0f);
  }
};

}  // namespace

TEST_CASE("a scheme that draws its codes is reported, not read past the end of what was found") {
  const LawReport drawn = check_scheme_laws(Drawn{});
  INFO(drawn.str());
  CHECK(drawn.find("same input, same codes") != nullptr);
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    const LawReport restless = check_scheme_laws(Restless{}, {}, {.seed = seed});
    CHECK_FALSE(restless.ok());
    for (const Broken& broken : restless.broken) CHECK_FALSE(broken.expected.empty());
  }
}

TEST_CASE("a scheme that promises not to repeat itself is asked for the rest only") {
  const LawReport report = check_scheme_laws(Drawn{}, {.monotone = false, .repeatable = false});
  INFO(report.str());
  CHECK(report.ok());
}

TEST_CASE("mutants of affine schemes break their laws") {
  Mutants mutants;
  const auto add = [&]<class S>(const std::string& name, const SchemeMutant<S>& m, const char* law,
                                const SchemePromises& p = {}) { mutants.killed(name, check_scheme_laws(m, p), law); };
  const Granularity rows = Granularity::per_channel(0), groups = Granularity::per_group(4);
  mutants.killed("constant scale 1e-3", check_scheme_laws(Constant{}), covers);
  mutants.killed("5 bits, zero point cut off at the grid", check_scheme_laws(CutZeroPoint{}), covers);
  mutants.killed("Int8Activation, truncated zero point", check_scheme_laws(TruncatedZeroPoint{}), covers);

  add("Int8PerTensor, scale times 2", SchemeMutant<Int8PerTensor>{.of = {}, .params = double_scales}, covers);
  add("Int8PerTensor, scale halved", SchemeMutant<Int8PerTensor>{.of = {}, .params = halve_scales}, covers);
  add("Int8PerTensor, mask ignored",
      SchemeMutant<Int8PerTensor>{.of = {}, .mask = [](ClipMask) { return ClipMask::rounded_inclusive; }}, pass_bits);
  add("Int8PerTensor, all pass but NaN",
      SchemeMutant<Int8PerTensor>{.of = {},
                                  .codes =
                                      [](auto x, auto&, auto, auto pass) {
                                        for (std::size_t i = 0; i < x.size(); ++i) {
                                          if (!std::isnan(x[i])) pass[i / 32] |= 1u << (i % 32);
                                        }
                                      }},
      pass_bits);
  add("Int8PerTensor, sign lost", SchemeMutant<Int8PerTensor>{.of = {}, .input = [](float v) { return std::abs(v); }},
      inside);
  add("Int8PerTensor, no clip: codes wrap",
      SchemeMutant<Int8PerTensor>{.of = {},
                                  .codes =
                                      [](auto x, auto& p, auto codes, auto) {
                                        for (std::size_t i = 0; i < x.size(); ++i) {
                                          const float t = std::fmod(std::nearbyint(x[i] / p.scale[0]), 65536.0f);
                                          codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(t));
                                        }
                                      }},
      order);
  add("Int8PerChannel, scale of the first channel",
      SchemeMutant<Int8PerChannel>{.of = Int8PerChannel(1), .params = first_channel}, covers);
  add("Int8PerChannel, read with the first scale",
      SchemeMutant<Int8PerChannel>{.of = {},
                                   .values =
                                       [](auto codes, auto& p, auto y) {
                                         for (std::size_t i = 0; i < y.size(); ++i)
                                           y[i] = static_cast<float>(codes[i]) * p.scale[0];
                                       }},
      means);
  add("IntN, one bit less",
      SchemeMutant<IntN>{.of = IntN(4, rows),
                         .codes =
                             [](auto, auto&, auto codes, auto) {
                               for (auto& c : codes) c = static_cast<std::int8_t>(c / 2 * 2);
                             }},
      inside);
  add("IntN, off by one", SchemeMutant<IntN>{.of = IntN(4, groups), .params = one_more}, covers);
  add("IntN per group, scale of the first group", SchemeMutant<IntN>{.of = IntN(4, groups), .params = first_channel},
      covers);
  add("IntN, rounds down",
      SchemeMutant<IntN>{.of = IntN(3, rows), .input = [](float v) { return v - std::abs(v) * 0.2f; }}, inside);
  add("WideIntN, scale of 8 bits",
      SchemeMutant<WideIntN>{.of = WideIntN(12), .params = [](QParams& p) { p.scale[0] *= 16; }}, covers);
  add("WideIntN, low byte lost",
      SchemeMutant<WideIntN>{.of = WideIntN(12),
                             .codes =
                                 [](auto, auto&, auto codes, auto) {
                                   for (auto& c : codes) c = static_cast<std::int16_t>(c / 256 * 256);
                                 }},
      inside);
  add("Int8Activation, zero point off by one", SchemeMutant<Int8Activation>{.of = {}, .params = one_more}, covers);
  add("Int8Activation, scale times 2", SchemeMutant<Int8Activation>{.of = Int8Activation(4), .params = double_scales},
      covers);
  add("Int8Activation, another grid",
      SchemeMutant<Int8Activation>{.of = Int8Activation(4), .params = [](QParams& p) { p.grid = Grid::int8(); }},
      "codes lie in the grid");
  add("Int8Activation, zero point 0",
      SchemeMutant<Int8Activation>{.of = {}, .params = [](QParams& p) { p.zero_point[0] = 0; }}, covers);
  add("PowerOfTwoScales, nearest for up",
      SchemeMutant<PowerOfTwoScales>{.of = PowerOfTwoScales(6, rows, PowerOfTwo::nearest)}, covers, {.max_error = 1.0});
  add("PowerOfTwoScales, one power too many",
      SchemeMutant<PowerOfTwoScales>{.of = PowerOfTwoScales(8, rows), .params = double_scales}, covers,
      {.max_error = 1.0});
  add("StochasticRounding, drawn beyond a step",
      SchemeMutant<StochasticRounding<IntN>>{.of = StochasticRounding(IntN(4, rows), 3),
                                             .codes =
                                                 [](auto x, auto&, auto codes, auto) {
                                                   for (std::size_t i = 0; i < x.size(); i += 2) {
                                                     codes[i] = static_cast<std::int8_t>(codes[i] > 0 ? codes[i] - 1
                                                                                                      : codes[i]);
                                                   }
                                                 }},
      inside, {.monotone = false, .max_error = 1.0});
  add("Ternary, scale times 2",
      SchemeMutant<Ternary>{.of = Ternary(rows),
                            .params =
                                [](QParams& p) {
                                  for (float& s : p.scale) s *= 16;
                                }},
      "better than zeros");
  add("Ternary, one threshold for all",
      SchemeMutant<Ternary>{.of = Ternary(rows),
                            .codes =
                                [](auto x, auto&, auto codes, auto) {
                                  for (std::size_t i = 0; i < x.size(); ++i)
                                    codes[i] = static_cast<std::int8_t>(x[i] > 0 ? 1 : codes[i]);
                                }},
      inside);
  add("MxInt8, one power too many", SchemeMutant<MxInt8>{.of = {}, .params = double_scales}, covers,
      {.max_error = 1.0});
  CHECK(mutants.count() >= 25);
}

TEST_CASE("mutants of schemes that are not affine break their laws") {
  Mutants mutants;
  const auto add = [&]<class S>(const std::string& name, const SchemeMutant<S>& m, const char* law,
                                const SchemePromises& p = {}) { mutants.killed(name, check_scheme_laws(m, p), law); };
  mutants.killed("always 0", check_scheme_laws(AlwaysZero{}), covers);
  add("Fp8E4M3, read as 0",
      SchemeMutant<Fp8E4M3>{.of = Fp8E4M3(Granularity::per_tensor()), .values = zero_values<Fp8E4M3>}, covers);
  add("Fp8E4M3, scale halved",
      SchemeMutant<Fp8E4M3>{.of = Fp8E4M3(Granularity::per_channel(0)), .params = halve_scales}, covers,
      {.max_error = 0x1p-4});
  add("Fp8E5M2, read half",
      SchemeMutant<Fp8E5M2>{.of = {},
                            .values =
                                [](auto, auto&, auto y) {
                                  for (float& v : y) v /= 2;
                                }},
      projection);
  add("Float16, last bit lost",
      SchemeMutant<Float16>{.of = {},
                            .codes =
                                [](auto, auto&, auto codes, auto) {
                                  for (auto& c : codes) c = static_cast<std::uint16_t>(c & ~1u);
                                }},
      covers, {.max_error = 0x1p-11});
  add("BFloat16, truncated",
      SchemeMutant<BFloat16>{
          .of = {},
          .input = [](float v) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & 0xffff0000u); }},
      covers, {.max_error = 0x1p-8});
  add("MxFp4E2M1, scale of the first block", SchemeMutant<MxFp4E2M1>{.of = {}, .params = first_channel}, covers,
      {.max_error = 0x1p-2});
  add("MxFp6E2M3, exponent off by one", SchemeMutant<MxFp6E2M3>{.of = {}, .params = halve_scales}, covers,
      {.max_error = 0x1p-4});
  add("MxFp8E4M3, NaN passes",
      SchemeMutant<MxFp8E4M3>{.of = {},
                              .codes = [](auto, auto&, auto, auto pass) { std::fill(pass.begin(), pass.end(), ~0u); }},
      "NaN never passes");
  add("AdditivePowersOfTwo, sign lost",
      SchemeMutant<AdditivePowersOfTwo>{.of = AdditivePowersOfTwo(4), .input = [](float v) { return std::abs(v); }},
      covers);
  add("AdditivePowersOfTwo, levels in disorder",
      SchemeMutant<AdditivePowersOfTwo>{.of = AdditivePowersOfTwo(4),
                                        .codes =
                                            [](auto, auto&, auto codes, auto) {
                                              for (auto& c : codes)
                                                c = static_cast<std::int16_t>(c == 1 ? 2 : c == 2 ? 1 : c);
                                            }},
      order);
  add("Binary, read as 0", SchemeMutant<Binary>{.of = Binary(), .values = zero_values<Binary>}, "better than zeros");
  add("Binary, signs swapped", SchemeMutant<Binary>{.of = Binary(), .input = [](float v) { return -v; }}, order);
  CHECK(mutants.count() >= 12);
}

}  // namespace scheme_mutants_test
