#include <stet/passes/smooth.hpp>

#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>

#include "../../benchmarks/planted_causes.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/spread_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace smooth_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

Dataset images(const Shape& shape, std::uint64_t seed) {
  return {stet_test::random_images(shape, 20, seed), Tensor<std::int32_t>::zeros({20}), 2, "random"};
}

}  // namespace

TEST_CASE("smoothing does not change the float network by a bit") {
  int smoothed = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Model model(stet_test::NetworkGenerator(seed, {.large = seed % 2 == 0}).run(), Rng(seed));
    stet_test::spread_parameters(model, seed);
    const Shape shape = model.graph().node(model.graph().inputs()[0]).shape;
    const Dataset data = images(shape, seed);
    SmoothReport report;
    const Model other = smooth(model, data, {.alpha = 0.25 * static_cast<double>(seed % 5)}, &report);
    const Tensor<float> x = stet_test::random_images(shape, 5, seed + 1000);
    CHECK(stet_test::same_bits(infer(model, x), infer(other, x)));
    smoothed += report.channels.empty() ? 0 : 1;
  }
  CHECK(smoothed > 8);
}

TEST_CASE("at alpha one half values and the weights that read them meet, at one values are alike, at zero weights") {
  Graph g;
  auto x = g.input({6, 6, 2});
  x = relu(conv2d(x, {.filters = 8, .kernel = 3}).named("first")).named("values");
  g.output(conv2d(x, {.filters = 3, .kernel = 1}).named("second"));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 3);
  const Dataset data = images({6, 6, 2}, 1);
  for (const double alpha : {0.0, 0.5, 1.0}) {
    INFO(alpha);
    SmoothReport report;
    const Model other = smooth(model, data, {.alpha = alpha}, &report);
    std::vector<float> v(8, 0.0f), w(8, 0.0f);
    (void)infer(other, data.batch(0, 20).x, {.observe = [&](int node, const Tensor<float>& t) {
                  if (other.graph().node(node).name != "values") return;
                  for (std::int64_t i = 0; i < t.size(); ++i) v[static_cast<std::size_t>(i % 8)] = std::max(v[static_cast<std::size_t>(i % 8)], t[i]);
                }});
    const Tensor<float>& weights = other.parameter("second.weight").value;
    for (std::int64_t i = 0; i < weights.size(); ++i) w[static_cast<std::size_t>(i % 8)] = std::max(w[static_cast<std::size_t>(i % 8)], std::fabs(weights[i]));
    for (std::size_t c = 0; c < 8; ++c) {
      if (v[c] == 0) continue;  // a ReLU that never opens
      if (alpha == 0.5) CHECK((v[c] / w[c] <= 2.0f && v[c] / w[c] >= 0.5f));
      if (alpha == 1.0) CHECK((v[c] <= 1.5f && v[c] >= 0.7f));
      if (alpha == 0.0) CHECK((w[c] <= 1.5f && w[c] >= 0.7f));
    }
    REQUIRE(report.channels.size() == 1);
    CHECK_THAT(report.str(), ContainsSubstring("first -> second: largest channel / median of the values"));
    CHECK_THAT(report.str(), ContainsSubstring("second is left as it is: it is an output of the network"));
    if (alpha == 1.0) CHECK(report.channels[0].values_after < report.channels[0].values_before);
    if (alpha == 0.0) CHECK(report.channels[0].weights_after < report.channels[0].weights_before);
  }
}

TEST_CASE("smooth refuses an impossible alpha and values that are no numbers") {
  Model model(example::make_network("plain"), Rng(1));
  const Dataset data = images({28, 28, 1}, 1);
  CHECK_THROWS_WITH(smooth(model, data, {.alpha = 1.5}), ContainsSubstring("alpha is 1.5"));
  CHECK_THROWS_WITH(smooth(model, data, {.alpha = std::numeric_limits<double>::quiet_NaN()}), ContainsSubstring("from 0 to 1"));
  CHECK_THROWS_WITH(smooth(model, data, {.data = {.batch = 0}}), ContainsSubstring("batch must be positive"));
  model.parameter("batch_norm_1.gamma").value.edit()[0] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(smooth(model, data), Error);
}

TEST_CASE("a channel that is zero on all data stays") {
  Graph g;
  auto x = g.input({4, 4, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 2}));
  Model model(std::move(g), Rng(2));
  model.parameter("batch_norm_1.gamma").value.edit()[1] = 0;
  const Model other = smooth(model, images({4, 4, 2}, 1));
  const Tensor<float>&was = model.parameter("linear_1.weight").value, &is = other.parameter("linear_1.weight").value;
  for (std::int64_t i = 1; i < was.size(); i += 4) CHECK(was[i] == is[i]);
}

}  // namespace smooth_test
