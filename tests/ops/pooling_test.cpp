// Pools: gradients, ties, NaN, padding.
#include <stet/ops/pooling.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

#include <limits>

namespace pooling_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::distinct;
using stet_test::equal;
using stet_test::uniform;

namespace {

struct Case {
  const char* name;
  Shape x;
  PoolOptions options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"2 by 2", {2, 4, 6, 3}, {}},
      {"2 by 2 that does not tile", {1, 5, 3, 17}, {}},
      {"overlapping", {1, 5, 4, 2}, {.size = 3, .stride = 1}},
      {"rectangular", {1, 4, 6, 2}, {.size = Pair(1, 3), .stride = Pair(2, 1)}},
      {"gaps between windows", {1, 7, 7, 1}, {.size = 2, .stride = 3}},
      {"same", {1, 5, 4, 2}, {.size = 3, .stride = 2, .padding = Padding::same()}},
      {"explicit padding", {1, 4, 5, 2}, {.size = 3, .stride = 2, .padding = Padding::of(1, 2, 0, 1)}},
      {"counting the padding", {1, 4, 5, 2}, {.size = 3, .padding = Padding::of(1), .count_include_pad = true}},
  };
  return all;
}

}  // namespace

TEST_CASE("the gradients of pools are those of finite differences", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto largest = check_gradient([&](auto x) { return max_pool(x, c.options); }, {distinct(c.x, 1)});
    INFO(largest.str());
    CHECK(largest.ok());
    const auto mean = check_gradient([&](auto x) { return avg_pool(x, c.options); }, {uniform(c.x, 1)});
    INFO(mean.str());
    CHECK(mean.ok());
  }
  const auto global = check_gradient([](auto x) { return global_average_pool(x); }, {uniform({2, 3, 2, 5}, 1)});
  INFO(global.str());
  CHECK(global.ok());
}

TEST_CASE("of equal values the first one wins and takes the whole gradient", "[ops]") {
  Tape tape;
  const auto x = tape.variable(Tensor<float>({1, 2, 2, 1}, {-1, 4, 4, 4}));
  const auto y = max_pool(x);
  CHECK(y.value()[0] == 4);
  tape.backward(y, Tensor<float>({1, 1, 1, 1}, {7}));
  CHECK(equal(tape.gradient(x), Tensor<float>({1, 2, 2, 1}, {0, 7, 0, 0})));
}

TEST_CASE("a NaN in the window is its maximum", "[ops]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t at = 0; at < 4; ++at) {
    Tape tape;
    Tensor<float> values({1, 2, 2, 1}, {1, 2, 3, 4});
    values.edit()[at] = nan;
    const auto x = tape.variable(values);
    const auto y = max_pool(x);
    CHECK(std::isnan(y.value()[0]));
    tape.backward(y, Tensor<float>({1, 1, 1, 1}, {7}));
    CHECK(tape.gradient(x)[static_cast<std::int64_t>(at)] == 7);
  }
}

TEST_CASE("padding never is the maximum", "[ops]") {
  Tape tape;
  const auto x = tape.constant(Tensor<float>::filled({1, 3, 3, 1}, -5));
  const auto y = max_pool(x, {.size = 3, .stride = 1, .padding = Padding::same()});
  CHECK(equal(y.value(), x.value()));
  const auto lowest = tape.constant(Tensor<float>::filled({1, 2, 2, 1}, -std::numeric_limits<float>::infinity()));
  CHECK(max_pool(lowest).value()[0] == -std::numeric_limits<float>::infinity());
}

TEST_CASE("max pooling of codes is max pooling of their values", "[ops]") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const auto codes = stet_test::whole<std::int8_t>(c.x, 3, -128, 127);
    Tensor<float> values(c.x);
    std::int64_t i = 0;
    for (float& v : values.edit()) v = static_cast<float>(codes[i++]);
    const Window window = pool_window("max_pool", c.x, c.options);
    const auto a = max_pool_forward(codes, window);
    const auto b = max_pool_forward(values, window);
    CHECK(equal(a.tap, b.tap));
    bool same = true;
    for (std::int64_t k = 0; k < a.y.size(); ++k) same = same && static_cast<float>(a.y[k]) == b.y[k];
    CHECK(same);
  }
}

TEST_CASE("a mean over equal values is that value, padding or not", "[ops]") {
  Tape tape;
  const auto x = tape.constant(Tensor<float>::filled({1, 4, 4, 3}, 0.75f));
  const auto y = avg_pool(x, {.size = 4, .stride = 1, .padding = Padding::same()});
  for (const float v : y.value().span()) CHECK(v == Approx(0.75f));
  CHECK(global_average_pool(x).value()[2] == 0.75f);
}

}  // namespace pooling_test
