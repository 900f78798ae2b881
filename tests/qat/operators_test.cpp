// Operators on codes: their gradients are those of the float operators on the same values, where the codes were not
// clipped, and their codes are the float results to half a step.

#include <stet/core/broadcast.hpp>
#include <stet/core/parallel.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/shape.hpp>
#include <stet/qat/elementwise.hpp>
#include <stet/qat/lookup.hpp>
#include <stet/qat/pooling.hpp>
#include <stet/qat/shape.hpp>

#include "layer_surrogate.hpp"
#include "support/catch.hpp"

namespace operators_test {

using namespace stet;
using namespace stet_test;

namespace {

QTensor random_codes(const Shape& shape, const QParams& p, std::uint64_t seed) {
  Rng rng(seed);
  QTensor q{Tensor<std::int8_t>(shape), p};
  for (auto& c : q.codes.edit()) {
    c = static_cast<std::int8_t>(p.grid.lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(p.grid.hi - p.grid.lo + 1))));
  }
  return q;
}
const QParams first_params = QParams::per_tensor(0.031f, -20);
const QParams second_params = QParams::per_tensor(0.017f, 33);

// One step of output apart at most half, and what the target's roundings add.
double worst_step(const QTensor& y, const Tensor<double>& real, integer::Bounds b) {
  double worst = 0;
  for (std::int64_t i = 0; i < real.size(); ++i) {
    const double steps = std::clamp(real[i] / static_cast<double>(y.params.scale[0]) + y.params.zero_point[0],
                                    static_cast<double>(b.lo), static_cast<double>(b.hi));
    worst = std::max(worst, std::fabs(steps - y.codes[i]));
  }
  return worst;
}

struct Binary {
  Elementwise op;
  integer::Activation activation;
};

void check_binary(const Target& target, const Binary& c, const Shape& first, const Shape& second) {
  const Shape shape = broadcast_shape("check_binary", first, second);
  const QTensor a = random_codes(first, first_params, 1), b = random_codes(second, second_params, 2);
  const float scale = c.op == Elementwise::mul ? 0.03f : 0.02f;
  const QParams out = QParams::per_tensor(scale, c.activation == integer::Activation::none ? 7 : -128);
  const Affine in1 = affine(a.params), in2 = affine(b.params), made = affine(out);
  Tape tape, real;
  const auto qa = tape.variable(a), qb = tape.variable(b);
  const auto ra = real.variable(real_values(a)), rb = real.variable(real_values(b));
  const auto y = c.op == Elementwise::mul ? multiply(qa, qb, integer::make_multiply(target, in1, in2, made, c.activation), out)
                                          : add(qa, qb, integer::make_add(target, in1, in2, made, c.activation, c.op == Elementwise::sub), out);
  const auto ry = c.op == Elementwise::mul ? mul(ra, rb) : c.op == Elementwise::sub ? sub(ra, rb) : add(ra, rb);
  const OutputCodes bounds = output_codes(out, c.activation);
  // The reference kernels round twice, first to 2^-5 steps or finer.
  CHECK(worst_step(y.value(), ry.value(), {bounds.lo, bounds.hi}) < 0.5 + 0x1p-6 + 1e-3);
  Passing passing = expected_codes(ry.value(), bounds, y.value().codes);
  // Targets round twice: near a border either code is right.
  for (std::size_t i = 0; i < passing.border.size(); ++i) {
    const double steps = ry.value().span()[i] / static_cast<double>(scale);
    passing.border[i] = passing.border[i] || std::fabs(std::fabs(steps - std::nearbyint(steps)) - 0.5) < 0.02;
  }
  CHECK(passing.clipped > 20);
  Rng rng(3);
  const Tensor<float> dy = random_gradient(shape, rng, passing);
  tape.backward(y, dy);
  real.backward(ry, masked(dy, passing));
  CHECK(relative_error(tape.gradient(qa), real.gradient(ra)) < 1e-5);
  CHECK(relative_error(tape.gradient(qb), real.gradient(rb)) < 1e-5);
  const Range range = elementwise_range(c.op, a, b);
  const auto [lo, hi] = std::minmax_element(ry.value().span().begin(), ry.value().span().end());
  CHECK(static_cast<double>(range.lo) == Approx(*lo).epsilon(1e-5));
  CHECK(static_cast<double>(range.hi) == Approx(*hi).epsilon(1e-5));
}

// Runs a one-input operator on codes and its float twin, and compares values and gradients.
template <class F, class G>
void check_unary(const QTensor& x, F on_codes, G on_reals, double steps) {
  Tape tape, real;
  const auto qx = tape.variable(x);
  const auto rx = real.variable(real_values(x));
  const Var<QTensor> y = on_codes(qx);
  const auto ry = on_reals(rx);
  REQUIRE(y.shape() == ry.shape());
  CHECK(worst_step(y.value(), ry.value(), {-128, 127}) <= steps);
  Rng rng(4);
  const Tensor<float> dy = normal(y.shape(), rng, 1.0);
  tape.backward(y, dy);
  real.backward(ry, doubles(dy));
  CHECK(relative_error(tape.gradient(qx), real.gradient(rx)) < 1e-5);
}

Window window(const Shape& x, Pair size, Pair stride, const Padding& padding) {
  return make_window("pool", x[1], x[2], size, stride, 1, padding);
}

}  // namespace

TEST_CASE("sums, differences and products of codes pass the gradient of what was not clipped") {
  for (const Target& target : targets::all) {
    for (const Elementwise op : {Elementwise::add, Elementwise::sub, Elementwise::mul}) {
      for (const auto activation : {integer::Activation::none, integer::Activation::relu, integer::Activation::relu6}) {
        INFO(target.name << ", operator " << static_cast<int>(op) << ", activation " << integer::name(activation));
        check_binary(target, {op, activation}, {3, 5, 7, 2}, {3, 5, 7, 2});
      }
    }
  }
}

TEST_CASE("what is repeated in sums, differences and products of codes gets the sum of the gradients") {
  const Shape image{3, 5, 7, 2};
  for (const Shape& other : {Shape{3, 1, 1, 2}, Shape{3, 1, 1, 1}, Shape{3, 5, 7, 1}, Shape{3, 1, 7, 1}}) {
    for (const Elementwise op : {Elementwise::add, Elementwise::sub, Elementwise::mul}) {
      INFO(formatted("{}, operator {}", other, static_cast<int>(op)));
      check_binary(targets::litert_default, {op, integer::Activation::relu6}, image, other);
      check_binary(targets::onnxruntime, {op, integer::Activation::none}, other, image);
    }
  }
  check_binary(targets::tflite_micro, {Elementwise::mul, integer::Activation::none}, {3, 40, 1, 2}, {3, 1, 7, 1});
}

TEST_CASE("gradients of what is repeated do not depend on the number of threads") {
  const QTensor a = random_codes({4, 9, 11, 6}, first_params, 1), b = random_codes({4, 1, 1, 6}, second_params, 2);
  const QParams out = QParams::per_tensor(0.03f, 0);
  const auto p = integer::make_multiply(targets::litert_default, affine(a.params), affine(b.params), affine(out));
  std::vector<Tensor<float>> gradients;
  for (const int threads : {1, 3}) {
    set_threads(threads);
    Tape tape;
    const auto x = tape.variable(a), gate = tape.variable(b);
    const auto y = multiply(x, gate, p, out);
    Rng rng(3);
    tape.backward(y, normal(y.shape(), rng, 1.0));
    gradients.push_back(tape.gradient(gate));
  }
  set_threads(0);
  CHECK(std::ranges::equal(gradients[0].span(), gradients[1].span()));
}

TEST_CASE("a value added to itself gets both gradients, and shapes must broadcast") {
  const QTensor a = random_codes({2, 3}, first_params, 5);
  const QParams out = QParams::per_tensor(0.1f, 0);
  const auto p = integer::make_add(targets::litert_default, affine(a.params), affine(a.params), {0.1f, 0});
  Tape tape;
  const auto x = tape.variable(a);
  const auto y = add(x, x, p, out);
  tape.backward(y, Tensor<float>::filled({2, 3}, 1.0f));
  for (const float g : tape.gradient(x).span()) CHECK(g == 2.0f);
  CHECK_THROWS_AS(add(x, tape.constant(random_codes({3, 2}, first_params, 6)), p, out), Error);
}

TEST_CASE("a clamp passes gradients strictly above zero and up to its upper bound") {
  const QTensor x = random_codes({4, 50}, QParams::per_tensor(0.05f, -20), 7);
  for (const auto activation : {integer::Activation::relu, integer::Activation::relu6}) {
    for (const Target& target : targets::all) {
      const integer::ClampParameters p = integer::make_clamp(target, {0.05f, -20, x.params.grid}, activation);
      Tape tape;
      const auto qx = tape.variable(x);
      const auto y = clamp(qx, p);
      tape.backward(y, Tensor<float>::filled(x.shape(), 3.0f));
      const int top = activation == integer::Activation::relu ? 127 : 100;
      for (std::int64_t i = 0; i < x.codes.size(); ++i) {
        const int code = x.codes[i];
        CHECK(y.value().codes[i] == std::clamp(code, -20, top));
        CHECK(tape.gradient(qx)[i] == (code > -20 && code <= top ? 3.0f : 0.0f));
      }
    }
  }
}

TEST_CASE("pools and means of codes have the gradients of the float pools") {
  for (const std::int64_t channels : {1, 3, 16, 33}) {
    const QTensor x = random_codes({3, 9, 7, channels}, first_params, 8);
    for (const Padding& padding : {Padding::valid(), Padding::same(), Padding::of(1, 0, 0, 1)}) {
      for (const Pair size : {Pair(2), Pair(3, 2)}) {
        for (const Pair stride : {Pair(1), Pair(2, 3)}) {
          INFO("channels " << channels << ", size " << size.height << "x" << size.width);
          const PoolOptions options{.size = size, .stride = stride, .padding = padding};
          const Window w = window(x.shape(), size, stride, padding);
          check_unary(x, [&](const auto& v) { return max_pool(v, w, {-128, 127}); },
                      [&](const auto& v) { return max_pool(v, options); }, 1e-9);
          PoolOptions inside = options;
          inside.count_include_pad = false;
          for (const Target& target : targets::all) {
            const auto p = integer::make_average_pool(target, integer::Activation::none, affine(x.params));
            check_unary(x, [&](const auto& v) { return average_pool(v, w, p); },
                        [&](const auto& v) { return avg_pool(v, inside); }, 0.5 + 1e-5);
          }
        }
      }
    }
    for (const Target& target : targets::all) {
      const QParams out = QParams::per_tensor(0.02f, 4);
      const auto p = integer::make_mean(target, {0.031f, -20}, affine(out), 63);
      check_unary(x, [&](const auto& v) { return mean(v, p, out); }, [&](const auto& v) { return global_average_pool(v); }, 0.5 + 0x1p-5);
    }
    const Range range = mean_range(x);
    Tape tape;
    const auto means = global_average_pool(tape.constant(real_values(x)));
    const auto [lo, hi] = std::minmax_element(means.value().span().begin(), means.value().span().end());
    CHECK(static_cast<double>(range.lo) == Approx(*lo).epsilon(1e-5).margin(1e-6));
    CHECK(static_cast<double>(range.hi) == Approx(*hi).epsilon(1e-5).margin(1e-6));
  }
}

TEST_CASE("tables pass the gradient of their function where the output was not clipped") {
  using integer::Function;
  const QTensor x = random_codes({4, 150}, first_params, 13);
  const auto check = [&](const Target& target, Function f, const QParams& out, auto on_reals) {
    INFO(target.name << " " << integer::name(f));
    const integer::TableSpec spec{f, 0.25f, affine(first_params), affine(out)};
    Tape tape, real;
    const auto qx = tape.variable(x);
    const auto rx = real.variable(real_values(x));
    const Var<QTensor> y = lookup(qx, spec, integer::make_table(target, spec), out);
    const auto ry = on_reals(rx);
    CHECK(worst_step(y.value(), ry.value(), {-128, 127}) <= (f == Function::hard_swish ? 1.6 : 1.01));
    Rng rng(4);
    Tensor<float> dy = normal(y.shape(), rng, 1.0);
    Tensor<double> passing = doubles(dy);
    int clipped = 0;
    for (std::int64_t i = 0; i < dy.size(); ++i) {
      const double code = ry.value()[i] / static_cast<double>(out.scale[0]) + out.zero_point[0];
      if (code >= -128.5 && code <= 127.5) continue;
      passing.edit()[static_cast<std::size_t>(i)] = 0.0;
      ++clipped;
    }
    tape.backward(y, dy);
    real.backward(ry, passing);
    CHECK(relative_error(tape.gradient(qx), real.gradient(rx)) < 1e-5);
    const Range range = lookup_range(x, spec);
    const auto [lo, hi] = std::minmax_element(ry.value().span().begin(), ry.value().span().end());
    CHECK(static_cast<double>(range.lo) == Approx(*lo).epsilon(1e-5).margin(1e-7));
    CHECK(static_cast<double>(range.hi) == Approx(*hi).epsilon(1e-5));
    return clipped;
  };
  const QParams wide = QParams::per_tensor(0.022f, -90), tight = QParams::per_tensor(0.01f, -90);
  for (const Target& target : targets::all) {
    CHECK(check(target, Function::leaky_relu, wide, [](const auto& v) { return leaky_relu(v, 0.25); }) == 0);
    CHECK(check(target, Function::leaky_relu, tight, [](const auto& v) { return leaky_relu(v, 0.25); }) > 50);
    CHECK(check(target, Function::hard_swish, tight, [](const auto& v) { return hard_swish(v); }) > 50);
    check(target, Function::sigmoid, QParams::per_tensor(1.0f / 256.0f, -128), [](const auto& v) { return sigmoid(v); });
    check(target, Function::tanh, QParams::per_tensor(1.0f / 128.0f, 0), [](const auto& v) { return tanh(v); });
  }
}

TEST_CASE("a max pool over more taps than a byte counts evaluates, and says that it cannot be trained") {
  const QTensor x = random_codes({2, 20, 20, 3}, first_params, 9);
  Tape tape;
  const Window large = window(x.shape(), 20, 1, Padding::valid()), fits = window(x.shape(), 16, 4, Padding::valid());
  const auto y = max_pool(tape.constant(x), large, {-128, 127});
  for (const std::int8_t code : y.value().codes.span()) CHECK(code > 120);
  CHECK_THROWS_WITH(max_pool(tape.variable(x), large, {-128, 127}), Catch::Matchers::ContainsSubstring("400 taps"));
  check_unary(x, [&](const auto& v) { return max_pool(v, fits, {-128, 127}); },
              [&](const auto& v) { return max_pool(v, PoolOptions{.size = 16, .stride = 4}); }, 1e-9);
}

TEST_CASE("operators that move codes move their gradients back") {
  const QTensor x = random_codes({2, 3, 4, 5}, first_params, 10);
  check_unary(x, [](const auto& v) { return reshape(v, {2, 60}); }, [](const auto& v) { return reshape(v, {2, 60}); }, 0);
  for (const std::vector<int>& order : {std::vector<int>{0, 2, 1, 3}, {0, 3, 1, 2}, {3, 0, 2, 1}}) {
    check_unary(x, [&](const auto& v) { return transpose(v, order); }, [&](const auto& v) { return transpose(v, order); }, 1e-9);
  }
  const std::vector<Margin> margins{{0, 0}, {1, 2}, {0, 3}, {0, 0}};
  check_unary(x, [&](const auto& v) { return pad(v, margins); }, [&](const auto& v) { return pad(v, margins); }, 1e-9);
  for (const int axis : {1, 2, 3}) {
    check_unary(x, [&](const auto& v) { return concat(concat(v, v, axis), v, axis); },
                [&](const auto& v) { return concat(concat(v, v, axis), v, axis); }, 1e-9);
  }
  Tape tape;
  CHECK_THROWS_WITH(concat(tape.variable(x), tape.variable(random_codes(x.shape(), second_params, 1)), 1),
                    Catch::Matchers::ContainsSubstring("share scale and zero point"));
}

TEST_CASE("dropout keeps codes, enlarges their scale and passes the gradient of what it kept") {
  const QTensor x = random_codes({10, 100}, first_params, 11);
  Tape tape;
  Rng rng(12);
  const auto v = tape.variable(x);
  const auto y = dropout(v, 0.25, rng);
  CHECK(y.value().params.scale[0] == Approx(first_params.scale[0] / 0.75f));
  CHECK(y.value().params.zero_point == first_params.zero_point);
  tape.backward(y, Tensor<float>::filled(x.shape(), 3.0f));
  int dropped = 0;
  for (std::int64_t i = 0; i < x.codes.size(); ++i) {
    const bool kept = tape.gradient(v)[i] != 0.0f;
    dropped += kept ? 0 : 1;
    CHECK(y.value().codes[i] == (kept ? x.codes[i] : -20));
    if (kept) CHECK(tape.gradient(v)[i] == Approx(4.0f));
  }
  CHECK(dropped > 180);
  CHECK(dropped < 320);
  CHECK(dropout(v, 0.0, rng).value().params == first_params);
  CHECK_THROWS_AS(dropout(v, 1.0, rng), Error);
  CHECK_THROWS_AS(dropout(v, -0.1, rng), Error);
}

TEST_CASE("a pool of few codes hands its gradient to the largest value, where it is told the order") {
  const QTensor x{Tensor<std::int8_t>({1, 2, 2, 1}, {-127, -126, -126, -126}), QParams::per_tensor(1.0f, -128, Grid::activation(2))};
  const Tensor<std::int8_t> order({1, 2, 2, 1}, {-60, 1, 3, 2});
  const Window window = make_window("max_pool", 2, 2, 2, 2, 1, Padding::valid());
  for (const bool told : {false, true}) {
    Tape tape;
    const Var<QTensor> v = tape.variable(x);
    const Var<QTensor> y = max_pool(v, window, {-128, -125}, told ? &order : nullptr);
    CHECK(y.value().codes[0] == -126);
    tape.backward(y, Tensor<float>::filled(y.shape(), 1.0f));
    const auto g = tape.gradient(v).span();
    CHECK(std::vector<float>(g.begin(), g.end()) == (told ? std::vector<float>{0, 0, 1, 0} : std::vector<float>{0, 1, 0, 0}));
  }
}

}  // namespace operators_test
