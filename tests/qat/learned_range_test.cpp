// Learned ranges on the tape: gradients against differences, closed forms and TensorFlow; starts; errors.
#include <stet/core/random.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/any_learned_range.hpp>
#include <stet/qat/learned_fake_quantize.hpp>
#include <stet/qat/lsq_plus_range.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/min_max_range.hpp>
#include <stet/qat/pact_range.hpp>
#include <stet/qat/tqt_range.hpp>

#include "support/golden.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace learned_range_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

static_assert(LearnedRange<FixedRange> && LearnedRange<LsqRange> && LearnedRange<LsqPlusRange> &&
              LearnedRange<TqtRange> && LearnedRange<MinMaxRange> && LearnedRange<PactRange>);
static_assert(LearnedRange<AnyLearnedRange> && !LearnedRange<int>);

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

Tensor<float> normal(const Shape& shape, std::uint64_t seed, double size = 1.0) {
  Rng rng(seed);
  Tensor<float> x(shape);
  for (float& v : x.edit()) v = static_cast<float>(size * rng.normal());
  return x;
}

std::vector<float> values(const Tensor<float>& t) { return {t.span().begin(), t.span().end()}; }

double dot(const Tensor<float>& a, const Tensor<float>& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Gradient of one parameter after one pass over the tape, x a constant.
template <class R>
double gradient(R& range, const Tensor<float>& x, const Tensor<float>& dy, std::size_t parameter = 0) {
  for (Parameter* p : range.parameters()) p->clear_gradient();
  Tape tape;
  const auto v = tape.constant(x);
  tape.backward(fake_quantize(v, range), dy);
  return static_cast<double>(range.parameters()[parameter]->gradient[0]);
}

// Central difference of sum dy * fake_quantize(x) in the first element of a parameter.
template <class R>
double difference(const R& range, const Tensor<float>& x, const Tensor<float>& dy, float h) {
  const auto loss = [&](float shift) {
    R moved = range;
    moved.parameters()[0]->value.edit()[0] += shift;
    return dot(fake_quantize(x, moved.qparams()), dy);
  };
  return (loss(h) - loss(-h)) / (2 * static_cast<double>(h));
}

bool near(double a, double b, double tolerance = 1e-5) { return std::abs(a - b) <= tolerance * (1 + std::abs(b)); }

}  // namespace

TEST_CASE("beyond the range a learned scale has the gradient of finite differences") {
  const Tensor<float> dy({6}, {1, -2, 0.5f, 3, -1, 2}), x({6}, {-9, -4, 5, 7, -30, 12}),
      above({6}, {9, 4, 5, 7, 30, 12});
  for (const bool log_scale : {true, false}) {
    LsqRange lsq({.grid = Grid::signed_bits(3), .log_scale = log_scale, .gradient_scale = GradientScale::none});
    lsq.set(std::array{0.4f});
    CHECK(near(gradient(lsq, x, dy), difference(lsq, x, dy, 1e-3f), 1e-4));
    if (log_scale) continue;
    // An s that crossed 0 acts as |s|, and so does its gradient, until the next pass takes the sign away.
    lsq.parameters()[0]->value.edit()[0] = -0.4f;
    CHECK(lsq.qparams().scale[0] == 0.4f);
    const double want = difference(lsq, x, dy, 1e-3f);
    lsq.parameters()[0]->clear_gradient();
    lsq.pull(std::array{-want}, std::array{0.0});
    CHECK(near(static_cast<double>(lsq.parameters()[0]->gradient[0]), want));
    CHECK(near(gradient(lsq, x, dy), -want, 1e-4));
    CHECK(lsq.parameters()[0]->value[0] == 0.4f);
  }
  PactRange pact({.alpha = 2.0f});
  CHECK(near(gradient(pact, x, dy), difference(pact, x, dy, 1e-2f), 1e-4));
  CHECK(near(gradient(pact, above, dy), 3.5));  // the sum of dy
}

TEST_CASE("LSQ: closed form, gradient scales and masks") {
  // s = 0.5, codes -4..3. Inside: 0.6 -> 1.2 steps, code 1; -0.9 -> -1.8, code -2. -2 is the lower end: clipped.
  const Tensor<float> x({5}, {0.6f, -0.9f, -2.0f, 5.0f, 0.5f}), dy({5}, {1, 10, 100, 1000, 10000});
  const double want = (1 - 1.2) * 1 + (-2 + 1.8) * 10 - 4 * 100 + 3 * 1000;
  const std::array half{0.5f};
  const auto with = [&](GradientScale scale) {
    LsqRange range({.grid = Grid::signed_bits(3), .log_scale = false, .gradient_scale = scale}, Shape{5});
    range.set(half);
    return gradient(range, x, dy);
  };
  CHECK(near(with(GradientScale::none), want));
  CHECK(near(with(GradientScale::count), want / std::sqrt(5.0)));
  CHECK(near(with(GradientScale::count_and_steps), want / std::sqrt(15.0)));
  LsqRange log_scale({.grid = Grid::signed_bits(3), .gradient_scale = GradientScale::none});
  log_scale.set(half);
  CHECK(near(gradient(log_scale, x, dy), want / 2));

  LsqRange channels({.grid = Grid::signed_bits(3),
                     .granularity = Granularity::per_channel(0),
                     .log_scale = false,
                     .gradient_scale = GradientScale::scale_and_steps},
                    Shape{2, 5});
  channels.set(std::array{0.5f, 0.25f});
  Tensor<float> two({2, 5}), dy2({2, 5});
  for (std::size_t i = 0; i < 10; ++i) {
    two.edit()[i] = x[static_cast<std::int64_t>(i % 5)];
    dy2.edit()[i] = dy[static_cast<std::int64_t>(i % 5)];
  }
  CHECK(near(gradient(channels, two, dy2), want / std::sqrt(15.0)));  // 5 elements of each scale
  CHECK(channels.parameters()[0]->gradient.shape() == Shape{2});

  // The batch does not count; a fixed zero point at the lower end makes Qp the whole grid.
  LsqRange activation({.grid = Grid::activation(4), .zero_point = -128, .log_scale = false, .batched = true});
  activation.initialize(normal({8, 50}, 1));
  activation.set(std::array{1.0f});
  CHECK(near(gradient(activation, Tensor<float>({1}, {99.0f}), Tensor<float>({1}, {1.0f})), 15 / std::sqrt(50.0 * 15)));
}

TEST_CASE("LSQ+: closed form, and 0 stays a code") {
  LsqPlusRange range({.grid = Grid::unsigned_bits(3), .log_scale = false, .gradient_scale = GradientScale::none});
  range.set(std::array{0.5f}, std::array{-0.9f});  // z = rne(1.8) = 2: codes stand for -1 .. 2.5
  const QParams p = range.qparams();
  CHECK(p == QParams::per_tensor(0.5f, 2, Grid::unsigned_bits(3)));
  const Tensor<float> x({4}, {-3.0f, 0.6f, -0.35f, 9.0f}), dy({4}, {1, 10, 100, 1000});
  const double inside = (0.5 - 0.6) / 0.5 * 10 + (-0.5 + 0.35) / 0.5 * 100;
  CHECK(near(gradient(range, x, dy, 0), inside + 7 * 1000));
  CHECK(near(gradient(range, x, dy, 1), 1 + 1000));
  // An offset above 0, or so low that 0 were above the highest code, is brought back.
  range.set(std::array{0.5f}, std::array{0.7f});
  CHECK(range.qparams().zero_point[0] == 0);
  CHECK(range.parameters()[1]->value[0] == 0.0f);
  range.set(std::array{0.5f}, std::array{-8.0f});
  CHECK(range.qparams().zero_point[0] == 7);
  CHECK(range.parameters()[1]->value[0] == -3.5f);
}

TEST_CASE("TQT: powers of two, and the gradient of the logarithm") {
  TqtRange range({.grid = Grid::signed_bits(3)});
  for (const auto& [log2_t, scale] :
       {std::pair{0.0f, 0.25f}, std::pair{0.01f, 0.5f}, std::pair{1.0f, 0.5f}, std::pair{-2.5f, 0.0625f}}) {
    range.set(std::array{log2_t});
    CHECK(range.qparams().scale[0] == scale);
  }
  range.set(std::array{0.7f});  // s = 0.5
  const Tensor<float> x({4}, {0.6f, -2.2f, -2.3f, 5.0f}), dy({4}, {1, 10, 100, 1000});
  // -2.2 is -4.4 steps, rounds to -4: inside; -2.3 is -4.6, rounds to -5: below.
  const double want = 0.5 * std::numbers::ln2 * ((1 - 1.2) * 1 + (-4 + 4.4) * 10 - 4 * 100 + 3 * 1000);
  CHECK(near(gradient(range, x, dy), want));
  TqtRange relu({.grid = Grid::activation(4), .zero_point = -128});
  relu.set(std::array{2.0f});
  CHECK(relu.qparams() == QParams::per_tensor(0.25f, -128, Grid::activation(4)));  // 4 / 16
}

TEST_CASE("learned minimum and maximum have TensorFlow's gradients") {
  int checked = 0;
  for (const auto& c : load_golden("tf_fake_quant")) {
    // TensorFlow takes a range 0..0 for no quantization at all and gives NaN no gradient; here it is widened to the
    // smallest scale, and NaN counts as below.
    const bool zero_range = c.name == "vars_zero_range" || c.name == "vars_per_channel_0_8bit";
    if (!c.has_expected("dmin") || c.name == "vars_nan" || zero_range) continue;
    INFO(c.name);
    const auto array = c.inputs("x");
    const Shape shape(std::span<const std::int64_t>(array.shape));
    const bool channels = c.params.at("op").get<std::string>() == "vars_per_channel";
    const Granularity g = channels ? Granularity::per_channel(shape.rank() - 1) : Granularity::per_tensor();
    const int bits = c.params.at("num_bits").get<int>();
    MinMaxRange range(
        {.grid = Grid::range(c.params.at("narrow_range").get<bool>() ? 1 : 0, (1 << bits) - 1), .granularity = g},
        shape);
    std::vector<Range> ranges;
    if (channels) {
      const auto lo = c.inputs("min").as<float>(), hi = c.inputs("max").as<float>();
      for (std::size_t k = 0; k < lo.size(); ++k) ranges.push_back({lo[k], hi[k]});
    } else {
      ranges.push_back({c.params.at("min").get<float>(), c.params.at("max").get<float>()});
    }
    range.set(ranges);
    const auto x = array.as<float>(), dy = c.inputs("dy").as<float>();
    Tape tape;
    const auto v = tape.variable(Tensor<float>(shape, std::span<const float>(x)));
    tape.backward(fake_quantize(v, range), Tensor<float>(shape, std::span<const float>(dy)));
    check_golden(c, "dx", values(tape.gradient(v)));
    check_golden(c, "dmin", values(range.parameters()[0]->gradient));
    check_golden(c, "dmax", values(range.parameters()[1]->gradient));
    ++checked;
  }
  CHECK(checked == 26);
}

TEST_CASE("with the rounding term, errors inside move minimum and maximum apart or together") {
  MinMaxRange range({.grid = Grid::unsigned_bits(2), .rounding_term = true});
  range.set(std::array{Range{-1.0f, 2.0f}});  // s = 1, z = 1
  const Tensor<float> x({3}, {0.4f, -5.0f, 1.7f}), dy({3}, {10, 100, 1000});
  const double inside = ((0 - 0.4) * 10 + (2 - 1.7) * 1000) / 3;
  CHECK(near(gradient(range, x, dy, 0), 100 - inside));
  CHECK(near(gradient(range, x, dy, 1), inside));
}

TEST_CASE("only what is wanted is computed; the estimator decides dx, the range its own gradient") {
  const Tensor<float> x({3}, {0.3f, -9, 9}), dy({3}, {1, 2, 3});
  LsqRange range({.grid = Grid::signed_bits(3), .gradient_scale = GradientScale::none});
  range.set(std::array{0.5f});
  {
    Tape tape;
    const auto v = tape.variable(x);
    const auto y = fake_quantize(v, range, Ste{});
    CHECK(values(y.value()) == values(fake_quantize(x, range.qparams())));
    tape.backward(y, dy);
    CHECK(values(tape.gradient(v)) == std::vector<float>{1, 2, 3});
    CHECK(near(static_cast<double>(range.parameters()[0]->gradient[0]), 0.5 * (0.4 - 4 * 2 + 3 * 3)));
  }
  {
    Tape tape;  // with any estimator, and added to what is there
    const auto v = tape.variable(x);
    tape.backward(fake_quantize(v, range, AnyEstimator(ClippedSte{})), dy);
    CHECK(values(tape.gradient(v)) == std::vector<float>{1, 0, 0});
    CHECK(near(static_cast<double>(range.parameters()[0]->gradient[0]), 0.4 - 4 * 2 + 3 * 3));
  }
  {
    Tape tape;  // a const range learns nothing
    const auto v = tape.variable(x);
    const LsqRange& fixed = range;
    tape.backward(fake_quantize(v, fixed), dy);
    CHECK(near(static_cast<double>(range.parameters()[0]->gradient[0]), 0.4 - 4 * 2 + 3 * 3));
    FixedRange given{range.qparams()};
    Tape other;
    const auto w = other.variable(x);
    const auto y = fake_quantize(w, given);
    other.backward(y, dy);
    CHECK(values(other.gradient(w)) == std::vector<float>{1, 0, 0});
    Tape none;
    CHECK_FALSE(fake_quantize(none.constant(x), given).wanted());
  }
  // 16 bits run through codes of their own width.
  MinMaxRange wide({.grid = Grid::unsigned_bits(16)});
  wide.initialize(x);
  Tape tape;
  CHECK(values(fake_quantize(tape.constant(x), wide).value()) == values(fake_quantize(x, wide.qparams())));
}

TEST_CASE("where a learned range starts") {
  const Tensor<float> w = normal({20000}, 7);
  const auto error = [&](const QParams& p) {
    const Tensor<float> y = fake_quantize(w, p);
    double sum = 0;
    for (std::int64_t i = 0; i < w.size(); ++i) sum += std::pow(static_cast<double>(y[i] - w[i]), 2);
    return sum / 20000;
  };
  for (const int bits : {2, 3, 4, 8}) {
    LsqRange paper({.grid = Grid::narrow(bits), .start = RangeStart::lsq}), search({.grid = Grid::narrow(bits)});
    paper.initialize(w);
    search.initialize(w);
    const double qp = Grid::narrow(bits).hi;
    CHECK(
        near(static_cast<double>(paper.qparams().scale[0]), 2 * std::sqrt(2 / std::numbers::pi) / std::sqrt(qp), 0.02));
    // No scale of a finer search is better by more than 0.1 %.
    double least = 1e9;
    for (double s = 0.005; s < 2; s *= 1.004) {
      least = std::min(least, error(QParams::per_tensor(static_cast<float>(s), 0, Grid::narrow(bits))));
    }
    CHECK(error(search.qparams()) <= 1.001 * least);
    CHECK(error(paper.qparams()) >= error(search.qparams()));
    if (bits == 8) CHECK(error(paper.qparams()) > 10 * error(search.qparams()));  // 27.8 against 40.6 dB

    TqtRange tqt({.grid = Grid::narrow(bits)});
    tqt.initialize(w);
    const float s = tqt.qparams().scale[0];
    for (const float other : {s / 2, s * 2}) {
      CHECK(error(tqt.qparams()) <= error(QParams::per_tensor(other, 0, Grid::narrow(bits))));
    }
    CHECK(tqt.parameters()[0]->value[0] - std::floor(tqt.parameters()[0]->value[0]) == 0.5f);
  }
  // LSQ+ finds the offset of values that lie beside 0: here no worse than 2 % above a finer search.
  Tensor<float> shifted = normal({4000}, 8);
  for (float& v : shifted.edit()) v = std::abs(v) - 0.25f;
  LsqPlusRange plus({.grid = Grid::activation(3)});
  plus.initialize(shifted);
  const auto shifted_error = [&](const QParams& p) {
    const Tensor<float> y = fake_quantize(shifted, p);
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) sum += std::pow(static_cast<double>(y[i] - shifted[i]), 2);
    return sum;
  };
  double least = 1e9;
  for (int z = -128; z <= -121; ++z) {
    for (double s = 0.1; s < 1; s *= 1.01) {
      least = std::min(least, shifted_error(QParams::per_tensor(static_cast<float>(s), z, Grid::activation(3))));
    }
  }
  CHECK(shifted_error(plus.qparams()) <= 1.02 * least);
}

TEST_CASE("a learned range that starts on zeros has the scale of normal values, and trains") {
  const Grid four = Grid::narrow(4);
  LsqRange lsq({.grid = four, .batched = true}), paper({.grid = four, .start = RangeStart::lsq, .batched = true});
  LsqPlusRange plus({.grid = Grid::activation(4)});
  TqtRange tqt({.grid = {-8, 7}});
  PactRange pact({.grid = Grid::activation(4)});
  MinMaxRange ends({.grid = Grid::activation(4)});
  AnyLearnedRange ranges[] = {lsq, paper, plus, tqt, pact, ends};
  for (AnyLearnedRange& range : ranges) {
    INFO(range.name());
    for (const float tiny : {0.0f, 1e-9f}) {
      range.initialize(Tensor<float>::filled({40, 8}, tiny));
      const float s = range.qparams().scale[0];
      CHECK(s > 0.05f);
      CHECK(s < 1.0f);
    }
    // w * x, rounded, shall become x: w starts next to 0 (PACT passes no gradient at 0 itself), where every code is 0.
    Rng rng(3);
    Parameter w{Tensor<float>::filled({8, 8}, 1e-6f)};
    Tensor<float> x({40, 8});
    for (float& v : x.edit()) v = static_cast<float>(std::abs(rng.normal()));
    double first = 0.0, last = 0.0;
    for (int step = 0; step < 150; ++step) {
      Tape tape;
      const auto y = fake_quantize(linear(tape.constant(x), tape.parameter(w)), range);
      const auto loss = mse(y, tape.constant(x));
      last = static_cast<double>(loss.value()[0]);
      if (step == 0) first = last;
      tape.backward(loss);
      for (std::size_t i = 0; i < 64; ++i) w.value.edit()[i] -= 1.0f * w.gradient[static_cast<std::int64_t>(i)];
      w.clear_gradient();
      for (Parameter* p : range.parameters()) p->clear_gradient();
    }
    CHECK(last < 0.3 * first);
  }
  // One channel of three: as the others.
  LsqRange channels({.grid = four, .granularity = Granularity::per_channel(0)}, {3, 64});
  Tensor<float> some({3, 64});
  Rng rng(5);
  for (std::size_t i = 0; i < 192; ++i) some.edit()[i] = i / 64 == 1 ? 0.0f : 0.01f * static_cast<float>(rng.normal());
  channels.initialize(some);
  const std::vector<float> s = channels.qparams().scale;
  CHECK(s[1] == Approx(s[0]).epsilon(0.5));
  // Weights without any others: as many inputs, as small.
  LsqRange weights({.grid = four});
  weights.initialize(Tensor<float>::zeros({10, 400}));
  CHECK(weights.qparams().scale[0] < 0.05f);
  CHECK(weights.qparams().scale[0] > 0.005f);
}

TEST_CASE("AnyLearnedRange does what the range inside does, and copies own their parameters") {
  const Tensor<float> x = normal({4, 16}, 5), dy = normal({4, 16}, 6);
  LsqRange lsq({.grid = Grid::narrow(3)});
  AnyLearnedRange any = lsq;
  lsq.initialize(x);
  any.initialize(x);
  CHECK(any.qparams() == lsq.qparams());
  CHECK(any.name() == "lsq(log)");
  CHECK(gradient(any, x, dy) == gradient(lsq, x, dy));
  AnyLearnedRange copy = any;
  copy.parameters()[0]->value.edit()[0] = 1.0f;
  CHECK(any.qparams() == lsq.qparams());
  CHECK(copy.qparams() != lsq.qparams());
  any = copy;
  CHECK(any.qparams() == copy.qparams());
  CHECK(any.get<LsqRange>() != nullptr);
  CHECK(any.get<TqtRange>() == nullptr);
  AnyLearnedRange fixed = FixedRange{QParams::per_tensor(0.5f, 1)};
  fixed.initialize(x);
  CHECK(fixed.qparams() == QParams::per_tensor(0.5f, 1));
  CHECK(fixed.parameters().empty());
}

TEST_CASE("learned ranges: what cannot be is an error") {
  const Tensor<float> x = normal({4, 4}, 1), bad({1}, {not_a_number});
  LsqRange range;
  CHECK_THROWS_WITH(range.qparams(), ContainsSubstring("LsqRange: has no range yet"));
  CHECK_THROWS_WITH(LsqPlusRange().qparams(), ContainsSubstring("LsqPlusRange: has no range yet"));
  CHECK_THROWS_WITH(TqtRange().qparams(), ContainsSubstring("TqtRange: has no range yet"));
  CHECK_THROWS_WITH(MinMaxRange().qparams(), ContainsSubstring("MinMaxRange: has no range yet"));
  Tape tape;
  CHECK_THROWS_AS(fake_quantize(tape.variable(x), range), Error);
  CHECK_THROWS_AS(range.initialize(bad), Error);
  CHECK_THROWS_AS(range.initialize(Tensor<float>()), Error);
  CHECK_FALSE(range.initialized());
  CHECK_THROWS_WITH(range.set(std::array{0.0f}), ContainsSubstring("scale 0 must be positive"));
  CHECK_THROWS_WITH(range.set(std::array{1.0f, 1.0f}), ContainsSubstring("has 1 scales, got 2"));
  CHECK_THROWS_AS(LsqRange({.granularity = Granularity::per_channel(0)}), Error);  // no shape, no channels
  CHECK_THROWS_WITH(LsqRange({.zero_point = 127}), ContainsSubstring("zero point 127 must lie on the grid"));
  CHECK_THROWS_WITH(LsqRange({.limits = {.smallest = 0.0f}}), ContainsSubstring("limits 0.."));
  CHECK_THROWS_AS(LsqPlusRange({.limits = {.smallest = 2.0f, .largest = 1.0f}}), Error);
  CHECK_THROWS_WITH(LsqPlusRange().set(std::array{1.0f}, std::array{not_a_number}),
                    ContainsSubstring("offset nan finite"));
  CHECK_THROWS_WITH(LsqPlusRange().set(std::array{1.0f}, std::array{0.0f, 0.0f}), ContainsSubstring("2 offsets"));
  CHECK_THROWS_WITH(TqtRange({.grid = Grid::range(-3, 4)}), ContainsSubstring("must be a power of two"));
  CHECK_THROWS_WITH(TqtRange().set(std::array{not_a_number}), ContainsSubstring("log2 threshold nan must be finite"));
  CHECK_THROWS_WITH(TqtRange().set(std::array{0.0f, 0.0f}), ContainsSubstring("has 1 thresholds, got 2"));
  CHECK_THROWS_WITH(MinMaxRange().set(std::array{Range{1, -1}}), ContainsSubstring("must be finite and ordered"));
  CHECK_THROWS_WITH(MinMaxRange().set(std::vector<Range>()), ContainsSubstring("has 1 ranges, got 0"));
  CHECK_THROWS_WITH(PactRange({.alpha = -1.0f}), ContainsSubstring("alpha -1 must be positive"));
  range.initialize(x);
  CHECK_THROWS_WITH(range.pull(std::array{1e300}, std::array{0.0}), ContainsSubstring("exceeds float"));
  CHECK(range.parameters()[0]->gradient.empty());
  const auto v = tape.variable(x);
  const auto y = fake_quantize(v, range);
  CHECK_THROWS_WITH(tape.backward(y, Tensor<float>::filled({4, 4}, not_a_number)),
                    ContainsSubstring("training has diverged, lower the learning rate"));
}

}  // namespace learned_range_test
