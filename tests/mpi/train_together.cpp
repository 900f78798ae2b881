// A run of fit over the processes that mpirun started, for mpi.sh: prints what came of it, the same in every process or an error.
//   train_together CHECKPOINT [OPTION VALUE]...
// Options: resume 1, replace 1, threads N, order any, timeout SECONDS, epochs N, pause SECONDS (after every step, for those who kill);
// and for one process: other_data RANK, throws RANK, hangs RANK (in the middle of the run).

#include <stet/mpi.hpp>
#include <stet/stet.hpp>

#include "support/networks.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <unistd.h>

namespace {

using namespace stet;

Model network() {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))).named("first");
  const auto y = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3}))).named("second");
  x = dropout(max_pool(x + y), {.rate = 0.1f});
  g.output(linear(flatten(x), {.units = 4}).named("head"));
  return {std::move(g), Rng(1)};
}

int run(const std::string& checkpoint, std::map<std::string, std::string> given) {
  const auto number = [&](const char* name, double otherwise) {
    return given.contains(name) ? std::atof(given[name].c_str()) : otherwise;
  };
  const auto is_here = [&](const char* name, const Communicator& comm) {
    return static_cast<int>(number(name, -1)) == comm.rank();
  };
  Communicator* const comm = mpi::world({.timeout = number("timeout", 60)});
  set_threads(static_cast<int>(number("threads", 1)));

  // The last step of an epoch has 5 samples in 2 parts, fewer than processes.
  const Dataset train = stet_test::random_dataset({6, 6, 1}, 45, 4, is_here("other_data", *comm) ? 99 : 3);
  const Dataset validation = stet_test::random_dataset({6, 6, 1}, 30, 4, 4);
  Recipe recipe = recipes::int8();
  recipe.schedule = {.quantize_at = 0.25, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.75};
  QatModel model = prepare(network(), recipe);
  calibrate(model, train);

  FitOptions o = stet_test::quiet_fit({.epochs = static_cast<int>(number("epochs", 8)),
                                       .batch = 20,
                                       .optimizer = Adam{.lr = 1e-2},
                                       .schedule = Cosine{},
                                       .clip_norm = 1.0});
  o.validation = &validation;
  o.augment = {AddNoise{}};
  o.checkpoint = checkpoint;
  o.resume = number("resume", 0) > 0;
  o.replace = number("replace", 0) > 0;
  o.comm = comm;
  o.part = 3;
  o.sums = given["order"] == "any" ? SumOrder::any : SumOrder::fixed;
  o.on_step = [&](const StepReport& step) {
    if (number("pause", 0) > 0) usleep(static_cast<useconds_t>(1e6 * number("pause", 0)));
    if (step.step != 10) return;
    if (is_here("throws", *comm)) fail(Errc::range, "a callback of one process threw");
    while (is_here("hangs", *comm)) pause();
  };
  const FitReport report = fit(model, train, o);
  std::string end = detail::describe_start(model);
  for (const EpochReport& e : report.epochs)
    end += fmt::format("{} {} {} {}\n", e.loss, e.accuracy, e.validation_loss, e.validation_accuracy);
  const Evaluation together = evaluate(model, validation, {.batch = 7, .comm = comm}),
                   alone = evaluate(model, validation);
  require(together.loss == alone.loss && together.correct == alone.correct, Errc::state,
          "processes evaluate otherwise than one");
  detail::require_same(*comm, end);
  if (comm->rank() == 0) fmt::print("{:016x}\n", Hash64().text(end).value());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::map<std::string, std::string> options;
    for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
    return run(argv[1], options);
  } catch (const std::exception& e) {
    std::fputs(fmt::format("train_together: {}\n", e.what()).c_str(), stderr);
    return 1;
  }
}
