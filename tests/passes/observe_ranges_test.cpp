// Ranges of a float model's values on data, and the 16-bit files that need them.
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <stet/io/save_tflite.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/observe_ranges.hpp>

#include <algorithm>
#include <vector>

namespace observe_ranges_test {

using namespace stet;
using namespace stet_test;

TEST_CASE("observed ranges are the extremes of every node over all data, whatever the batch") {
  const Model m = random_model(11);
  const Dataset data = random_dataset(input_shape(m), 23, 2, 5);
  const ActivationRanges whole = observe_ranges(m, data, {.batch = 23});
  const ActivationRanges parts = observe_ranges(m, data, {.batch = 4});
  REQUIRE(whole.of_node.size() == m.graph().nodes().size());
  CHECK(whole.of_node == parts.of_node);
  const auto x = data.batch(0, 23).x.span();
  CHECK(whole.of_node[0].lo == *std::min_element(x.begin(), x.end()));
  CHECK(whole.of_node[0].hi == *std::max_element(x.begin(), x.end()));
  const Tensor<float> y = infer(m, data.batch(0, 23).x);
  const Range out = whole.of_node[static_cast<std::size_t>(m.graph().outputs()[0])];
  CHECK(out.lo == *std::min_element(y.span().begin(), y.span().end()));
  CHECK(out.hi == *std::max_element(y.span().begin(), y.span().end()));
  CHECK_FALSE(tflite_bytes(m, {.format = TfliteFormat::int16x8, .ranges = whole}).empty());
}

TEST_CASE("a batch must have images") {
  const Model m = random_model(11);
  CHECK_THROWS_AS(observe_ranges(m, random_dataset(input_shape(m), 4, 2, 5), {.batch = 0}), Error);
}

}  // namespace observe_ranges_test
