// Stochastic rounding: unbiased, repeatable from seed, step and position, to nearest in evaluation.
#include <stet/core/random.hpp>
#include <stet/quant/stochastic_rounding.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace stochastic_rounding_test {

using namespace stet;

namespace {

struct Coded {
  std::vector<std::int8_t> codes;
  std::vector<std::uint32_t> pass;
};

template <class S>
Coded code(const S& scheme, const std::vector<float>& x, const Shape& shape, const QParams& p) {
  Coded c{std::vector<std::int8_t>(x.size()),
          std::vector<std::uint32_t>(static_cast<std::size_t>(bit_words(shape.elements())))};
  scheme.encode(x, shape, p, ClipMask::rounded_inclusive, c.codes, c.pass);
  return c;
}

}  // namespace

TEST_CASE("the expectation of stochastic rounding is the value") {
  const QParams p = QParams::per_tensor(0.125f, -3);
  const std::int64_t n = 200000;
  const StochasticRounding scheme(Int8Activation{}, 7);
  for (const float steps : {0.3f, -0.9f, 10.0625f, -77.5f, 0.01f}) {
    const std::vector<float> x(static_cast<std::size_t>(n), steps * 0.125f);
    double sum = 0, largest_error = 0;
    for (const std::int8_t c : code(scheme, x, Shape{n}, p).codes) {
      largest_error = std::max(largest_error, std::abs(c + 3 - static_cast<double>(steps)));
      sum += c + 3;
    }
    CHECK(largest_error < 1.0);
    const double fraction = static_cast<double>(steps) - std::floor(static_cast<double>(steps));
    const double deviation = std::sqrt(fraction * (1 - fraction) / static_cast<double>(n));
    CHECK(std::abs(sum / static_cast<double>(n) - static_cast<double>(steps)) < 4 * deviation);
  }
}

TEST_CASE("neighbours, steps and seeds round independently") {
  const QParams p = QParams::per_tensor(1.0f, 0);
  const std::int64_t n = 65536;
  const std::vector<float> half(static_cast<std::size_t>(n), 0.5f);
  StochasticRounding a(Int8PerTensor{}, 1), b(Int8PerTensor{}, 2), later(Int8PerTensor{}, 1);
  later.step = 1;
  const auto x = code(a, half, Shape{n}, p).codes, y = code(b, half, Shape{n}, p).codes,
             z = code(later, half, Shape{n}, p).codes;
  // Agreement of fair coins: n/2 with deviation sqrt(n)/2 = 128.
  const auto agree = [&](const auto& u, const auto& v, std::int64_t shift) {
    int count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      count += static_cast<int>(u[static_cast<std::size_t>(i)] == v[static_cast<std::size_t>((i + shift) % n)]);
    }
    return std::abs(count - n / 2);
  };
  CHECK(agree(x, y, 0) < 4 * 128);
  CHECK(agree(x, z, 0) < 4 * 128);
  for (const std::int64_t shift : {1, 2, 32, 256, 4096}) CHECK(agree(x, x, shift) < 4 * 128);
}

TEST_CASE("the same seed, step and position round the same on any number of threads", "[bits]") {
  Rng rng(5);
  const Shape shape{64, 3, 300};
  std::vector<float> x(static_cast<std::size_t>(shape.elements()));
  for (float& v : x) v = static_cast<float>(rng.normal());
  std::uint64_t hash = 14695981039346656037u;
  for (const int axis : {0, 1, 2}) {
    const QParams p{Grid::int8_narrow(), Granularity::per_channel(axis),
                    std::vector<float>(static_cast<std::size_t>(shape[axis]), 0.03f),
                    std::vector<std::int32_t>(static_cast<std::size_t>(shape[axis]), 0)};
    const StochasticRounding scheme(Int8PerChannel(axis), 11);
    set_threads(1);
    const auto one = code(scheme, x, shape, p).codes;
    set_threads(3);
    const auto three = code(scheme, x, shape, p).codes;
    set_threads(0);
    CHECK(one == three);
    for (const std::int8_t c : one) hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211u;
    // A tensor cut elsewhere: the layout of the scales does not matter, only the position does.
    const auto flat = code(StochasticRounding(Int8PerTensor{}, 11), x, Shape{shape.elements()},
                           QParams::per_tensor(0.03f, 0, Grid::int8_narrow()));
    CHECK(flat.codes == one);
  }
  CHECK(hash == 0x7b09d8b905e30146u);  // the same codes with every compiler and flag
}

TEST_CASE("evaluation rounds to nearest, and what is on the grid stays in training too", "[bits]") {
  Rng rng(6);
  std::vector<float> x(999);
  for (float& v : x) v = static_cast<float>(rng.normal());
  const QParams p = QParams::per_tensor(0.0137f, 0, Grid::int8_narrow());
  StochasticRounding scheme(Int8PerTensor{}, 1);
  const Coded by_chance = code(scheme, x, Shape{999}, p), nearest = code(Int8PerTensor{}, x, Shape{999}, p);
  CHECK(by_chance.codes != nearest.codes);
  CHECK(by_chance.pass == nearest.pass);
  scheme.training = false;
  CHECK(code(scheme, x, Shape{999}, p).codes == nearest.codes);
  scheme.training = true;
  for (std::uint64_t step = 0; step < 50; ++step) {
    scheme.step = step;
    std::vector<float> on_grid(999);
    scheme.decode(nearest.codes, Shape{999}, p, on_grid);
    CHECK(code(scheme, on_grid, Shape{999}, p).codes == nearest.codes);
  }
}

}  // namespace stochastic_rounding_test
