// evaluate: counts, ties, independence of the batch size and of threads, and the confusion matrix.
#include "support/catch.hpp"

#include <stet/core/parallel.hpp>
#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/train/evaluate.hpp>

#include <cmath>
#include <limits>

namespace evaluate_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

Dataset noise_images(std::int64_t count, int classes) {
  Rng rng(3);
  Tensor<float> x({count, 6, 6, 2});
  Tensor<std::int32_t> labels({count});
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  for (auto& label : labels.edit()) label = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(classes)));
  return Dataset(x, labels, classes, "noise");
}

Model network() {
  Graph g;
  auto x = g.input({6, 6, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3})));
  g.output(linear(flatten(x), {.units = 4}));
  return Model(std::move(g), Rng(1));
}

// Images [1] whose value is the class that a table of logits takes them for.
Dataset numbered(std::initializer_list<std::int32_t> labels, int classes) {
  const auto n = static_cast<std::int64_t>(labels.size());
  Tensor<float> x({n, 1});
  for (std::int64_t i = 0; i < n; ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  return Dataset(x, Tensor<std::int32_t>({n}, labels), classes, "numbered");
}

}  // namespace

TEST_CASE("accuracy, loss and confusion come from the logits") {
  const Tensor<float> table({4, 3}, {2, 1, 0, 0, 3, 0, 0, 0, 1, 5, 0, 0});
  const auto logits = [&](const Tensor<float>& x) {
    Tensor<float> y({x.shape()[0], 3});
    auto out = y.edit();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] =
          table[static_cast<std::int64_t>(x[static_cast<std::int64_t>(i / 3)]) * 3 + static_cast<std::int64_t>(i % 3)];
    }
    return y;
  };
  const Evaluation e = evaluate_logits(logits, numbered({0, 1, 2, 2}, 3), {.batch = 3});
  CHECK(e.images == 4);
  CHECK(e.correct == 3);
  CHECK(e.accuracy == 0.75);
  CHECK(e.confusion.at(2, 0) == 1);
  CHECK(e.confusion.total() == 4);
  const auto lse = [](double a, double b, double c) { return std::log(std::exp(a) + std::exp(b) + std::exp(c)); };
  CHECK(e.loss == Approx((lse(2, 1, 0) - 2 + lse(0, 3, 0) - 3 + lse(0, 0, 1) - 1 + lse(5, 0, 0)) / 4));
}

TEST_CASE("ties go to the lowest class") {
  const float values[] = {1, 3, 3, 2};
  CHECK(argmax(values) == 1);
  const float equal[] = {0, 0};
  CHECK(argmax(equal) == 0);
}

TEST_CASE("an evaluation does not depend on the batch size or the thread count, bit for bit") {
  const Model m = network();
  const Dataset data = noise_images(301, 4);
  set_threads(1);
  const Evaluation whole = evaluate(m, data, {.batch = 301});
  set_threads(2);
  for (const std::int64_t batch : {1, 7, 64, 128, 1000}) {
    const Evaluation e = evaluate(m, data, {.batch = batch});
    CHECK(e.loss == whole.loss);
    CHECK(e.correct == whole.correct);
    CHECK(e.confusion == whole.confusion);
  }
  set_threads(0);
}

TEST_CASE("an evaluation leaves the model alone") {
  const Model m = network();
  const Model before = m;
  (void)evaluate(m, noise_images(20, 4));
  for (const auto& b : m.buffers()) CHECK(b.value.data() == before.buffer(b.name).data());
}

TEST_CASE("what cannot be evaluated is refused") {
  const Dataset data = numbered({0, 1}, 2);
  const auto constant = [](float value, const Shape& shape) {
    return [=](const Tensor<float>&) { return Tensor<float>::filled(shape, value); };
  };
  CHECK_THROWS_WITH(evaluate_logits(constant(0, {2, 2}), data, {.batch = 0}), ContainsSubstring("batch is 0"));
  CHECK_THROWS_WITH(evaluate_logits(constant(0, {2}), data), ContainsSubstring("wants logits [2,classes]"));
  CHECK_THROWS_WITH(evaluate_logits(constant(0, {3, 2}), data), ContainsSubstring("the model made [3,2]"));
  CHECK_THROWS_WITH(evaluate_logits(constant(0, {2, 1}), data), ContainsSubstring("has 2 classes, the model 1"));
  CHECK_THROWS_WITH(evaluate_logits(constant(std::numeric_limits<float>::quiet_NaN(), {2, 2}), data),
                    ContainsSubstring("a logit of image 0 is nan"));
}

TEST_CASE("a confusion matrix prints as a table with recalls") {
  Confusion c(2);
  for (int i = 0; i < 3; ++i) c.add(0, 0);
  c.add(0, 1);
  c.add(1, 1);
  CHECK(c.recall(0) == 0.75);
  CHECK(Confusion(3).recall(2) == 0.0);
  CHECK(c.str() ==
        "      0     1  recall\n"
        "0     3     1   75.00\n"
        "1     0     1  100.00\n");
  const std::vector<std::string> names{"shirt", "bag"};
  CHECK(c.str(names) ==
        "       shir   bag  recall\n"
        "shirt     3     1   75.00\n"
        "bag       0     1  100.00\n");
  CHECK_THROWS_WITH(c.str(std::vector<std::string>{"one"}), ContainsSubstring("2 classes need as many names, got 1"));
  CHECK_THROWS_WITH(c.add(0, 2), ContainsSubstring("class 0 taken for 2, there are 2 classes"));
}

}  // namespace evaluate_test
