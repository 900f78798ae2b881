// Several processes train one model: the same bits for any number of them and of threads, refusals, failures.

#include <stet/core/parallel.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/thread_communicator.hpp"

#include <set>

namespace together_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))).named("first");
  const auto y = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3}))).named("second");
  x = dropout(max_pool(x + y), {.rate = 0.1f});
  g.output(linear(flatten(x), {.units = 4}).named("head"));
  return {std::move(g), Rng(1)};
}

// 45 samples in batches of 20: the last step has 5, fewer parts than processes, and the last part of each step is not full.
FitOptions options() {
  return quiet_fit(
      {.epochs = 4, .batch = 20, .optimizer = Adam{.lr = 1e-2}, .schedule = Cosine{}, .clip_norm = 1.0, .part = 3});
}

// What a run makes of the model, in one number; all ranks must say the same.
template <class M>
std::uint64_t together(int ranks, int threads_each, const M& start, const Dataset& data, FitOptions o) {
  std::vector<std::string> ends(static_cast<std::size_t>(ranks));
  set_threads(threads_each);
  const std::vector<std::string> errors = on_ranks(ranks, [&](Communicator& comm) {
    M model = start;
    FitOptions own = o;
    own.comm = &comm;
    const FitReport report = fit(model, data, own);
    std::string end = detail::describe_start(model);
    for (const EpochReport& e : report.epochs)
      end += formatted("{} {} {} {}\n", e.loss, e.accuracy, e.validation_loss, e.validation_accuracy);
    ends[static_cast<std::size_t>(comm.rank())] = end;
  });
  set_threads(0);
  for (const std::string& error : errors) REQUIRE(error.empty());
  for (const std::string& end : ends) REQUIRE(end == ends[0]);
  return Hash64().text(ends[0]).value();
}

}  // namespace

TEST_CASE("Any number of processes and threads trains the same bits", "[train]") {
  const Dataset data = random_dataset({6, 6, 1}, 45, 4, 3), validation = random_dataset({6, 6, 1}, 30, 4, 4);
  FitOptions o = options();
  o.validation = &validation;
  SECTION("a quantized model through all its phases") {
    Recipe recipe = recipes::int8();
    recipe.schedule = {.quantize_at = 0.25, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.75};
    const QatModel start = calibrated_model(network(), recipe, data);
    std::set<std::uint64_t> ends;
    for (const int ranks : {1, 2, 3, 4}) ends.insert(together(ranks, 1, start, data, o));
    ends.insert(together(2, 2, start, data, o));
    REQUIRE(ends.size() == 1);
    o.part = 4;  // what the bits do depend on
    ends.insert(together(2, 1, start, data, o));
    REQUIRE(ends.size() == 2);
  }
  SECTION("a float model") {
    const Model start = network();
    std::set<std::uint64_t> ends;
    for (const int ranks : {1, 2, 3, 4}) ends.insert(together(ranks, 1, start, data, o));
    REQUIRE(ends.size() == 1);
  }
}

}  // namespace together_test
