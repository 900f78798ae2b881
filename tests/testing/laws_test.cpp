// All shipped schemes, observers and estimators obey their laws, for all their parameters. A new type is one line here.
#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

using namespace stet;
using namespace stet::testing;

namespace {

void check_ok(const LawReport& report) {
  INFO(report.str());
  CHECK(report.ok());
}

}  // namespace

TEST_CASE("shipped schemes obey the laws", "[bits]") {
  const auto bits = whole_numbers("bits", 8, 2);
  const auto rules = one_of("rounding", {PowerOfTwo::up, PowerOfTwo::nearest});
  check_ok(for_all_schemes([] { return Int8PerTensor{}; }));
  check_ok(for_all_schemes([](int axis) { return Int8PerChannel(axis); }, whole_numbers("axis", 0, 3)));
  check_ok(for_all_schemes([](int b, const Granularity& g) { return IntN(b, g); }, bits, granularities()));
  check_ok(for_all_schemes([](int b) { return WideIntN(b); }, whole_numbers("bits", 9, 16)));
  check_ok(for_all_schemes([](int b) { return Int8Activation(b); }, bits));
  check_ok(for_all_schemes([](int b, const Granularity& g, PowerOfTwo r) { return PowerOfTwoScales(b, g, r); }, bits,
                           granularities(), rules));
}

TEST_CASE("shipped observers obey the laws") {
  const auto share = granularities();
  const auto constant = real_numbers("constant", 1.0f, 0.001f);
  check_ok(for_all_observers([](const Granularity& g) { return MinMaxObserver(g); }, {.order_free = true}, share));
  check_ok(for_all_observers([](const Granularity& g, float c) { return MovingAverageObserver(g, c); }, {}, share,
                             constant));
  check_ok(for_all_observers([](const Granularity& g) { return LastBatchObserver(g); }, {}, share));
  check_ok(for_all_observers([](const Granularity& g) { return AnyObserver(MinMaxObserver(g)); }, {.order_free = true},
                             share));
}

TEST_CASE("shipped estimators obey the laws") {
  check_ok(for_all_estimators([] { return Ste{}; }));
  check_ok(for_all_estimators([](ClipMask mask) { return ClippedSte{mask}; }, clip_masks()));
}
