#include <stet/passes/absorb_high_bias.hpp>

#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace absorb_high_bias_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// A batch norm whose channels 0 and 2 stay far above 0 on images of the test, with statistics of the generator's own.
void lift(Model& model, const std::string& norm) {
  Tensor<float>&gamma = model.parameter(norm + ".gamma").value, &beta = model.parameter(norm + ".beta").value;
  for (const std::size_t c : {std::size_t{0}, std::size_t{2}}) {
    gamma.edit()[c] = 0.05f;
    beta.edit()[c] = 2.0f + static_cast<float>(c);
  }
}

float largest(const Model& model, const std::string& value, const Tensor<float>& x, std::int64_t channel) {
  float most = 0;
  (void)infer(model, x, {.observe = [&](int node, const Tensor<float>& v) {
                if (model.graph().node(node).name != value) return;
                for (std::int64_t i = channel; i < v.size(); i += v.shape().back()) most = std::max(most, v[i]);
              }});
  return most;
}

void check_same(const Model& a, const Model& b, const Tensor<float>& x) {
  const Tensor<float> y = infer(a, x), z = infer(b, x);
  for (std::int64_t i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - z[i]) <= 2e-5f * std::max(1.0f, std::fabs(y[i])));
}

}  // namespace

TEST_CASE("an offset goes through ReLU and pools into what reads them, and the function stays") {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false})).named("lifted")).named("values");
  const auto pooled = average_pool(max_pool(x, {.size = 2}), {.size = 2});
  const auto a = relu(batch_norm(conv2d(x, {.filters = 3, .kernel = 3, .padding = Padding::valid(), .bias = false}).named("normed")).named("behind"));
  const auto b = conv2d(pooled, {.filters = 3, .kernel = 1}).named("biased");
  const auto c = linear(flatten(pooled), {.units = 2}).named("flat");
  g.output(add(add(linear(flatten(a), {.units = 2}), linear(flatten(b), {.units = 2})), c));
  Model model(std::move(g), Rng(1));
  lift(model, "lifted");
  AbsorbReport report;
  const Model other = absorb_high_bias(model, {}, &report);
  const Tensor<float> y = stet_test::random_images({8, 8, 2}, 10, 1);
  check_same(model, other, y);
  REQUIRE(report.absorbed.size() == 1);
  CHECK(report.absorbed[0].consumers == std::vector<std::string>{"biased", "flat", "normed"});
  CHECK(report.absorbed[0].channels == 2);
  CHECK(report.absorbed[0].largest == Approx(4.0 - 0.15));
  CHECK(report.left.empty());
  for (const std::int64_t channel : {0, 2}) CHECK(largest(other, "values", y, channel) < 0.5f * largest(model, "values", y, channel));
  CHECK(largest(other, "values", y, 1) == largest(model, "values", y, 1));
  CHECK_THAT(report.str(), ContainsSubstring("lifted -> biased, flat, normed: offsets of 2 channels absorbed, the largest 3.85"));
}

TEST_CASE("what would not stay the same is left alone and named") {
  struct Refused {
    graph::Value (*behind)(graph::Value);
    const char* said;
  };
  const std::vector<Refused> all{
      {[](graph::Value v) { return conv2d(relu6(v), {.filters = 2, .kernel = 1}); }, "lifted keeps the offsets of 2 channels: relu6_1 (relu6) reads it, not a ReLU"},
      {[](graph::Value v) { return conv2d(relu(v), {.filters = 2, .kernel = 3}); }, "(conv2d) reads it with padding"},
      {[](graph::Value v) { return conv2d(relu(v), {.filters = 2, .kernel = 2, .padding = Padding::of(0, 1, 0, 1)}); }, "(conv2d) reads it with padding"},
      {[](graph::Value v) { return depthwise_conv2d(relu(v), {.kernel = 3}); }, "(depthwise_conv2d) reads it with padding"},
      {[](graph::Value v) { return conv2d(relu(v), {.filters = 2, .kernel = 1, .bias = false}); }, "has neither batch norm nor bias"},
      {[](graph::Value v) {
         const auto r = relu(v);
         return add(r, conv2d(r, {.filters = 4, .kernel = 1}));
       },
       "add_1 (add) does not pass an offset on"},
      {[](graph::Value v) { return relu(v); }, "it is an output of the network"},
      {[](graph::Value v) { return conv2d(average_pool(relu(v), {.size = 3, .stride = 1, .padding = Padding::same(), .count_padding = true}), {.filters = 2, .kernel = 1}); },
       "average_pool_1 (average_pool) does not pass an offset on"},
  };
  for (const Refused& r : all) {
    INFO(r.said);
    Graph g;
    const auto x = batch_norm(conv2d(g.input({8, 8, 2}), {.filters = 4, .kernel = 3, .bias = false})).named("lifted");
    g.output(r.behind(x));
    Model model(std::move(g), Rng(1));
    lift(model, "lifted");
    AbsorbReport report;
    const Model other = absorb_high_bias(model, {}, &report);
    CHECK(report.absorbed.empty());
    REQUIRE(report.left.size() == 1);
    CHECK_THAT(report.left[0], ContainsSubstring(r.said));
    const Tensor<float> y = stet_test::random_images({8, 8, 2}, 3, 1);
    CHECK(stet_test::same_bits(infer(model, y), infer(other, y)));
  }
}

TEST_CASE("where no channel has an offset nothing is said or done, and options must make sense") {
  Graph g;
  const auto x = relu(batch_norm(conv2d(g.input({8, 8, 2}), {.filters = 4, .kernel = 3, .bias = false})));
  g.output(conv2d(x, {.filters = 2, .kernel = 1}));
  const Model model(std::move(g), Rng(1));
  AbsorbReport report;
  (void)absorb_high_bias(model, {}, &report);
  CHECK(report.str().empty());
  CHECK_THROWS_WITH(absorb_high_bias(model, {.deviations = -1}), ContainsSubstring("must be finite and not negative"));
}

}  // namespace absorb_high_bias_test
