// Deliberately wrong schemes, observers and estimators are caught, with a counterexample that one can work out by hand.
#include <stet/testing/laws.hpp>

#include "support/catch.hpp"

#include <algorithm>

namespace broken_laws_test {

using namespace stet;
using namespace stet::testing;

namespace {

// The entry of a law; fails the test, with the report, if there is none or its input is not small.
Broken caught(const LawReport& report, const std::string& law) {
  INFO(report.str());
  const Broken* broken = report.find(law);
  REQUIRE(broken != nullptr);
  CHECK(!report.ok());
  CHECK(report.str().find("law: " + law) != std::string::npos);
  CHECK(!broken->input.empty());
  CHECK(broken->input.size() < 160);
  CHECK(broken->input.find("...") == std::string::npos);  // every value is in the report
  CHECK(broken->expected != broken->got);
  return *broken;
}

using Codes = std::span<std::int8_t>;
using Pass = std::span<std::uint32_t>;

// Cuts fractions off instead of rounding.
struct Truncates : Int8PerTensor {
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, Codes codes,
              Pass pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
    for (std::size_t i = 0; i < x.size(); ++i) {
      codes[i] = static_cast<std::int8_t>(std::clamp(std::trunc(x[i] / p.scale[0]), -127.0f, 127.0f));
    }
  }
};

// Its zero point is half a step off: 0 is no code.
struct MissesZero : IntN {
  explicit MissesZero(int bit_count, const Granularity& g = {}) : IntN(bit_count, g) {}
  void decode(std::span<const std::int8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    IntN::decode(codes, shape, p, y);
    for (float& v : y) v += 0.5f * p.scale[0];
  }
};

// Codes depend on where the gradient passes.
struct MaskDecides : Int8PerTensor {
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, Codes codes,
              Pass pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
    if (mask == ClipMask::raw_exclusive) {
      for (auto& c : codes) c = std::clamp(c, std::int8_t{-126}, std::int8_t{126});
    }
  }
};

// Lets the gradient of everything pass, of NaN too.
struct PassesAll : Int8PerTensor {
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, Codes codes,
              Pass pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
    std::fill(pass.begin(), pass.end(), ~0u);
  }
};

// Wrong for few bits per channel only.
struct BreaksAtFewBits : IntN {
  BreaksAtFewBits(int bit_count, const Granularity& g) : IntN(bit_count, g) {}
  void decode(std::span<const std::int8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    IntN::decode(codes, shape, p, y);
    if (bits > 4 || granularity().kind != Granularity::Kind::per_channel) return;
    for (float& v : y) v *= 1.5f;
  }
};

}  // namespace

TEST_CASE("wrong schemes are caught, with a small counterexample") {
  const Broken error = caught(check_scheme_laws(Truncates{}), "inside the range the error is at most 0.5 scale and the "
                                                              "gradient passes");
  CHECK(error.input.find("x [1,1,1,1]") != std::string::npos);
  caught(check_scheme_laws(MaskDecides{}), "codes do not depend on the mask policy");
  const Broken nan = caught(check_scheme_laws(PassesAll{}), "NaN never passes its gradient");
  CHECK(nan.got == "pass bit 1");
  const Broken zero = caught(check_scheme_laws(MissesZero(4)), "0 is exactly representable");
  CHECK(zero.input == "x[0] = 0 in place of x [1,1,1,1] = {0}, ranges 0..0 (scale {1}, zero point 0, grid -7..7)");
  CHECK(zero.got == "0.5");
  caught(check_scheme_laws(MissesZero(4)), "a code means scale * (code - zero_point)");
}

namespace {

// Guesses a range when it saw nothing, and never says that it is empty.
struct Guesses : MinMaxObserver {
  std::vector<Range> ranges() const {
    return MinMaxObserver::empty() ? std::vector<Range>{{-1, 1}} : MinMaxObserver::ranges();
  }
  bool empty() const { return false; }
  void merge(const Guesses& other) { MinMaxObserver::merge(other); }
};

// Counts batches in a member that fields() does not visit; every second batch is ignored.
struct ForgetsState : MinMaxObserver {
  using MinMaxObserver::observe;
  void observe(std::span<const float> x, const Shape& shape) {
    if (calls++ % 2 == 0) MinMaxObserver::observe(x, shape);
  }
  void merge(const ForgetsState& other) { MinMaxObserver::merge(other); }
  void reset() {
    MinMaxObserver::reset();
    calls = 0;
  }
  int calls = 0;
};

// Widens what it saw.
struct Widens : MinMaxObserver {
  std::vector<Range> ranges() const {
    std::vector<Range> r = MinMaxObserver::ranges();
    for (Range& range : r) range.hi += 1.0f;
    return r;
  }
  void merge(const Widens& other) { MinMaxObserver::merge(other); }
};

}  // namespace

TEST_CASE("wrong observers are caught, with a small counterexample") {
  const LawReport guesses = check_observer_laws(Guesses{});
  CHECK(caught(guesses, "an empty observer reports Errc::state").got == "empty() is false and -1..1");
  caught(guesses, "reset() forgets");

  const LawReport forgets = check_observer_laws(ForgetsState{});
  const Broken state = caught(forgets, "fields() carry the whole state: the next batch is taken alike");
  CHECK(std::count(state.input.begin(), state.input.end(), '{') <= 2);
  caught(forgets, "observing ranges equals observing values");
  // What is promised wrongly is caught too: the last batch depends on the order.
  const Broken order = caught(check_observer_laws(LastBatchObserver{}, {.order_free = true}),
                              "the order of batches does not matter");
  CHECK(order.input.find("2 batches [1,1,1,1]:") != std::string::npos);

  const Broken wide = caught(check_observer_laws(Widens{}), "ranges lie within all values seen");
  CHECK(wide.input == "range 0 of 1 batch [1,1,1,1]: {0}");
  CHECK(wide.expected == "within 0..0");
  CHECK(wide.got == "0..1");
}

namespace {

// Adds to the gradient, so that none becomes some.
struct Adds : Ste {
  Pulled pull(const Tensor<float>& dy, const Kept&, const QParams&) const {
    Pulled pulled{dy};
    for (float& v : pulled.dx.edit()) v += 0.5f;
    return pulled;
  }
};

// Its surrogate clips, its gradient does not.
struct SurrogateLies : Ste {
  double surrogate(double x, const QParams& p, std::size_t i) const { return ClippedSte{}.surrogate(x, p, i); }
};

// Flattens the gradient.
struct Flattens : Ste {
  Pulled pull(const Tensor<float>& dy, const Kept&, const QParams&) const {
    return {dy.reshaped(Shape{dy.size()})};
  }
};

}  // namespace

TEST_CASE("wrong estimators are caught, with a small counterexample") {
  CHECK(caught(check_estimator_laws(Adds{}), "a zero gradient gives zero").got == "0.5");
  const Broken lie = caught(check_estimator_laws(SurrogateLies{}), "the surrogate's finite difference equals pull");
  CHECK(lie.input.find("x [1,1]") != std::string::npos);
  CHECK(lie.expected == "0, the slope of surrogate()");
  CHECK(lie.got == "1");
  const Broken shape = caught(check_estimator_laws(Flattens{}), "the shape is kept");
  CHECK(shape.got == "[1]");
}

TEST_CASE("parameters are shrunk to the simplest that break a law") {
  const auto make = [](int bits, const Granularity& g) { return BreaksAtFewBits(bits, g); };
  const LawReport report = for_all_schemes(make, {}, whole_numbers("bits", 8, 2), granularities());
  CHECK(caught(report, "a code means scale * (code - zero_point)").parameters ==
        "bits = 4, granularity = per_channel(0)");
  CHECK(report.str().find("  parameters: bits = 4, granularity = per_channel(0)\n") != std::string::npos);
}

TEST_CASE("real parameters are shrunk to few digits, and exceptions are reported with the parameters") {
  const auto property = [](float constant, const LawOptions&) {
    LawReport report;
    report.check(constant > 0.5f, "larger than a half", fmt::format("{}", constant), "> 0.5", "less");
    return report;
  };
  const LawReport report = for_all_parameters(property, {}, real_numbers("constant", 1.0f, 0.3f));
  CHECK(caught(report, "larger than a half").parameters == "constant = 0.3");

  const LawReport thrown = for_all_schemes([](int bits) { return IntN(bits); }, {}, whole_numbers("bits", 8, 9));
  const Broken exception = caught(thrown, "no exception");
  CHECK(exception.parameters == "bits = 9");
  CHECK(exception.got.find("9 bits do not fit") != std::string::npos);
}

TEST_CASE("many combinations are drawn, few are all tried, the same ones each time") {
  int calls = 0;
  std::vector<int> seen;
  const auto property = [&](int a, int b, const LawOptions&) {
    ++calls;
    seen.push_back(100 * a + b);
    LawReport report;
    report.check(true, "always", "", "", "");
    return report;
  };
  CHECK(for_all_parameters(property, {}, whole_numbers("a", 1, 3), whole_numbers("b", 5, 2)).ok());
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<int>{102, 103, 104, 105, 202, 203, 204, 205, 302, 303, 304, 305});

  calls = 0;
  seen.clear();
  const ParameterOptions options{.combinations = 20};
  for_all_parameters(property, options, whole_numbers("a", 0, 50), whole_numbers("b", 0, 50));
  CHECK(calls == 20);
  const std::vector<int> first = seen;
  seen.clear();
  for_all_parameters(property, options, whole_numbers("a", 0, 50), whole_numbers("b", 0, 50));
  CHECK(seen == first);
}

TEST_CASE("a report that checked nothing is not ok") {
  const LawReport nothing = check_scheme_laws(Int8PerTensor{}, {}, {.rounds = 0});
  CHECK(!nothing.ok());
  CHECK(nothing.str().find("nothing was checked") != std::string::npos);
}

}  // namespace broken_laws_test
