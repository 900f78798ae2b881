// The tape: gradients are summed, unwanted work is not recorded, misuse is an error, memory is given back.
#include <stet/autograd/tape.hpp>
#include <stet/core/pool.hpp>

#include "support/catch.hpp"

namespace tape_test {

using namespace stet;

namespace {

using F = Tensor<float>;

// A user's operator, written with record() alone: elementwise product.
Var<F> multiply(const Var<F>& a, const Var<F>& b) {
  const auto product = [](const F& x, const F& y) {
    F z(x.shape());
    auto out = z.edit();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = x.span()[i] * y.span()[i];
    return z;
  };
  require(a.shape() == b.shape(), Errc::shape, "multiply: shapes {} and {} differ", a.shape(), b.shape());
  return record(product(a.value(), b.value()), std::tie(a, b),
                [x = a.value(), y = b.value(), product](const F& dz, auto dx, auto dy) {
                  if (dx.wanted()) dx.add(product(dz, y));
                  if (dy.wanted()) dy.add(product(dz, x));
                });
}

Var<F> sum(const Var<F>& a) {
  float total = 0;
  for (const float v : a.value().span()) total += v;
  return record(F({}, {total}), std::tie(a),
                [shape = a.shape()](const F& dy, auto dx) { dx.add(F::filled(shape, dy[0])); });
}

// Counts how often its gradient is asked for.
Var<F> counted(const Var<F>& a, int& calls) {
  return record(a.value(), std::tie(a), [&calls](const F& dy, auto dx) {
    ++calls;
    dx.add(dy);
  });
}

std::vector<float> values(const F& t) { return {t.span().begin(), t.span().end()}; }

}  // namespace

TEST_CASE("a value used several times gets the sum of its gradients") {
  Tape tape;
  const auto x = tape.variable(F({3}, {1, 2, 3}));
  tape.backward(sum(multiply(multiply(x, x), x)));
  CHECK(values(tape.gradient(x)) == std::vector<float>{3, 12, 27});
}

TEST_CASE("parameters accumulate over tapes until they are cleared") {
  Parameter w{F({2}, {1, -1})};
  for (int pass = 1; pass <= 2; ++pass) {
    Tape tape;
    const auto x = tape.constant(F({2}, {3, 5}));
    tape.backward(sum(multiply(tape.parameter(w), x)));
    CHECK(values(w.gradient) == std::vector<float>{3.0f * static_cast<float>(pass), 5.0f * static_cast<float>(pass)});
  }
  w.clear_gradient();
  CHECK(w.gradient.empty());
}

TEST_CASE("a parameter that is used twice on a tape gets both terms") {
  Parameter w{F({1}, {2})};
  Tape tape;
  tape.backward(sum(multiply(tape.parameter(w), tape.parameter(w))));
  CHECK(values(w.gradient) == std::vector<float>{4});
}

TEST_CASE("without an input that wants a gradient nothing is recorded") {
  Tape tape;
  int calls = 0;
  const auto constant = tape.constant(F({1}, {1}));
  const auto y = counted(constant, calls);
  CHECK_FALSE(y.wanted());
  const auto x = tape.variable(F({1}, {2}));
  const auto z = multiply(x, y);
  CHECK(z.wanted());
  tape.backward(z);
  CHECK(calls == 0);
  CHECK(values(tape.gradient(x)) == std::vector<float>{1});
  CHECK_FALSE(tape.has_gradient(constant));
}

TEST_CASE("operators that the loss does not depend on are not played back") {
  Tape tape;
  int used = 0, unused = 0;
  const auto x = tape.variable(F({1}, {2}));
  const auto y = counted(x, used);
  static_cast<void>(counted(x, unused));
  tape.backward(y);
  CHECK(used == 1);
  CHECK(unused == 0);
}

TEST_CASE("a gradient can be started from any value") {
  Tape tape;
  const auto x = tape.variable(F({2}, {4, 5}));
  tape.backward(multiply(x, x), F({2}, {1, 10}));
  CHECK(values(tape.gradient(x)) == std::vector<float>{8, 100});
}

TEST_CASE("misuse is an error that says what to do") {
  using Catch::Matchers::ContainsSubstring;
  Tape tape;
  const auto x = tape.variable(F({2}, {1, 2}));
  CHECK_THROWS_WITH(tape.gradient(x), ContainsSubstring("call backward"));
  CHECK_THROWS_WITH(tape.backward(x), ContainsSubstring("must be one number, got shape [2]"));
  CHECK_THROWS_WITH(multiply(x, tape.constant(F({3}, {1, 2, 3}))), ContainsSubstring("[2] and [3]"));
  const auto loss = sum(x);
  tape.backward(loss);
  CHECK_THROWS_WITH(tape.backward(loss), ContainsSubstring("already played back"));
}

TEST_CASE("a gradient of the wrong shape is refused") {
  Tape tape;
  const auto x = tape.variable(F({2}, {1, 2}));
  const auto y = record(F({2}, {1, 2}), std::tie(x), [](const F&, auto dx) { dx.add(F({3}, {1, 2, 3})); });
  CHECK_THROWS_WITH(tape.backward(y, F({2}, {1, 1})),
                    Catch::Matchers::ContainsSubstring("gradient has shape [3], its input has [2]"));
  Tape other;
  const auto z = other.variable(F({2}, {1, 2}));
  CHECK_THROWS_AS(other.backward(multiply(z, z), F({1}, {1})), Error);
}

TEST_CASE("gradients of double tensors are double") {
  Tape tape;
  const auto x = tape.variable(Tensor<double>({1}, {3.0}));
  const auto y = record(Tensor<double>({1}, {9.0}), std::tie(x), [x = x.value()](const Tensor<double>& dy, auto dx) {
    dx.add(Tensor<double>({1}, {2 * x[0] * dy[0]}));
  });
  tape.backward(y);
  CHECK(tape.gradient(x)[0] == 6.0);
}

TEST_CASE("a backward function may hold what cannot be copied, and inputs of several types") {
  Tape tape;
  const auto x = tape.variable(Tensor<double>({1}, {3.0}));
  const auto w = tape.variable(F({1}, {2}));
  int calls = 0;
  const auto y = record(F({1}, {6}), std::tie(x, w),
                        [saved = std::make_unique<double>(3.0), &calls](const F& dy, const auto& dx, const auto& dw) {
                          ++calls;
                          dx.add(Tensor<double>({1}, {2.0 * static_cast<double>(dy[0])}));
                          dw.add(F({1}, {static_cast<float>(*saved) * dy[0]}));
                        });
  tape.backward(y);
  CHECK(calls == 1);
  CHECK(tape.gradient(x)[0] == 2.0);
  CHECK(tape.gradient(w)[0] == 3.0f);
}

TEST_CASE("what operators saved is free during the pass back, and all of it with the tape") {
  auto& pool = MemoryPool::instance();
  const std::size_t before = pool.statistics().live_bytes;
  const std::size_t tensor = MemoryPool::round_up((sizeof(float) << 18) + MemoryPool::alignment);
  {
    Tape tape;
    const auto x = tape.variable(F::filled({1 << 18}, 1.0f));
    auto chain = std::make_unique<Var<F>>(x);
    for (int i = 0; i < 6; ++i) {
      auto next = std::make_unique<Var<F>>(multiply(*chain, *chain));
      chain = std::move(next);
    }
    Var<F> loss = sum(*chain);
    chain.reset();
    const std::size_t forward = pool.statistics().live_bytes - before;
    CHECK(forward >= 6 * tensor);  // x and the products that are saved
    CHECK(forward <= 8 * tensor);
    pool.reset_peak();
    tape.backward(loss);
    CHECK(pool.statistics().peak_bytes - before <= forward + 3 * tensor);
    CHECK(pool.statistics().live_bytes - before <= 3 * tensor);  // x and its gradient
  }
  CHECK(pool.statistics().live_bytes == before);
}

TEST_CASE("a training loop on the tape reaches a steady state without allocations") {
  auto& pool = MemoryPool::instance();
  Parameter w{F::filled({1000}, 0.5f)};
  const auto step = [&] {
    Tape tape;
    const auto v = tape.parameter(w);
    tape.backward(sum(multiply(v, v)));
    w.clear_gradient();
  };
  step();
  const auto before = pool.statistics().system_allocations;
  for (int i = 0; i < 20; ++i) step();
  CHECK(pool.statistics().system_allocations == before);
}

}  // namespace tape_test
