// What ends a run before its last epoch, and the log of its epochs.
#include <stet/io/json_reader.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/log.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <sstream>

namespace stop_and_log_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = relu(batch_norm(linear(g.input({6}), {.units = 12})));
  g.output(linear(x, {.units = 3}));
  return {std::move(g), Rng(4)};
}

FitOptions options(const Dataset& validation) {
  FitOptions o = quiet_fit({.epochs = 8, .batch = 16, .optimizer = Adam{.lr = 0.05}});
  o.validation = &validation;
  o.early_stop.restore_best = true;
  return o;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

template <class M>
void check_stop(const M& start) {
  const TemporaryDirectory directory;
  const Dataset data = random_dataset({6}, 64, 3, 1), validation = random_dataset({6}, 64, 3, 9);
  FitOptions o = options(validation);
  o.checkpoint = directory.path("run.checkpoint");
  o.stop_when = [](const EpochReport& e) { return e.epoch == 4; };
  std::vector<double> losses;
  std::vector<State> states;
  M model = start;
  o.on_epoch = [&](const EpochReport& e) {
    losses.push_back(e.validation_loss);
    states.push_back(state_of(model));
  };
  const FitReport report = fit(model, data, o);
  CHECK(report.epochs.size() == 5);
  CHECK(report.stopped_early);
  CHECK(report.stopped_by_callback);
  const auto best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  CHECK(report.best_epoch == best);
  CHECK(report.restored_epoch == best);
  CHECK(state_of(model) == states[static_cast<std::size_t>(best)]);
  CHECK_THAT(report.str(), ContainsSubstring("stopped after epoch 5: stop_when asked for it") &&
                               ContainsSubstring(formatted("the model is that of epoch {}", best + 1)));
  // Resumed, the run is at its end, whatever stop_when would say now.
  const State stopped = state_of(model);
  M again = start;
  o.on_epoch = nullptr;
  o.stop_when = nullptr;
  o.resume = true;
  const FitReport resumed = fit(again, data, o);
  CHECK(resumed.epochs.size() == 5);
  CHECK(resumed.stopped_by_callback);
  CHECK(state_of(again) == stopped);
}

}  // namespace

TEST_CASE("a callback ends a run as early stop does", "[train]") {
  check_stop(network());
  check_stop(calibrated_model(network(), recipes::int8(), random_dataset({6}, 64, 3, 1)));
}

TEST_CASE("a callback ends a run within an epoch", "[train]") {
  const TemporaryDirectory directory;
  const Dataset data = random_dataset({6}, 64, 3, 1), validation = random_dataset({6}, 64, 3, 9);
  const QatModel start = calibrated_model(network(), recipes::int8(), data);
  FitOptions o = options(validation);
  o.checkpoint = directory.path("run.checkpoint");
  o.log = directory.path("log.csv");
  o.stop_in_epoch = [](const StepReport& s) { return s.step == 9; };  // of 4 in an epoch
  std::vector<State> states;
  QatModel model = start;
  int steps = 0;
  o.on_step = [&](const StepReport&) { ++steps; };
  o.on_epoch = [&](const EpochReport&) { states.push_back(state_of(model)); };
  const FitReport report = fit(model, data, o);
  CHECK(steps == 10);
  CHECK(report.epochs.size() == 2);
  CHECK(report.stopped_step == 9);
  CHECK(report.stopped_early);
  CHECK(report.stopped_by_callback);
  REQUIRE(report.restored_epoch >= 0);
  CHECK(state_of(model) == states[static_cast<std::size_t>(report.restored_epoch)]);
  CHECK_THAT(report.str(), ContainsSubstring("stopped after step 10 of the run: stop_in_epoch asked for it"));
  CHECK(lines(read_text(o.log)).size() == 3);
  // It is at its end, and the best epoch comes from the checkpoint.
  const State stopped = state_of(model);
  o.resume = true;
  o.on_epoch = nullptr;
  o.stop_in_epoch = nullptr;
  QatModel again = start;
  const FitReport resumed = fit(again, data, o);
  CHECK(steps == 10);
  CHECK(resumed.stopped_step == 9);
  CHECK(state_of(again) == stopped);

  // Without restore_best, and before any epoch was done, the model is as the step left it.
  FitOptions plain = quiet_fit({.epochs = 3, .batch = 16});
  plain.stop_in_epoch = [](const StepReport& s) { return s.step == 1; };
  Model cut = network(), whole = network();
  CHECK(fit(cut, data, plain).epochs.empty());
  State after;
  plain.stop_in_epoch = nullptr;
  plain.on_step = [&](const StepReport& s) {
    if (s.step == 1) after = state_of(whole);
  };
  fit(whole, data, plain);
  CHECK(state_of(cut) == after);
  o = options(validation);
  o.stop_in_epoch = [](const StepReport& s) { return s.step == 1; };
  Model first = network();
  const FitReport none = fit(first, data, o);
  CHECK(none.restored_epoch == -1);
  CHECK(state_of(first) != state_of(network()));
}

TEST_CASE("a report says why a run ended", "[train]") {
  const Dataset data = random_dataset({6}, 64, 3, 1), validation = random_dataset({6}, 64, 3, 9);
  FitOptions o = options(validation);
  o.early_stop = {.patience = 1, .min_delta = 100};
  Model model = network();
  const FitReport patience = fit(model, data, o);
  CHECK(patience.stopped_early);
  CHECK_FALSE(patience.stopped_by_callback);
  CHECK(patience.restored_epoch == -1);
  CHECK_THAT(patience.str(), ContainsSubstring("validation did not become better") && !ContainsSubstring("the model is that"));
  o.early_stop = {};
  o.epochs = 2;
  const FitReport whole = fit(model, data, o);
  CHECK_FALSE(whole.stopped_early);
  CHECK_THAT(whole.str(), !ContainsSubstring("stopped"));
}

TEST_CASE("a log has every epoch once, resumed or not", "[train]") {
  const Dataset data = random_dataset({6}, 64, 3, 1), validation = random_dataset({6}, 64, 3, 9);
  for (const char* ending : {".csv", ".jsonl"}) {
    INFO(ending);
    const TemporaryDirectory directory;
    FitOptions o = options(validation);
    o.title = "a \"quoted\", title";
    o.epochs = 4;
    o.log = directory.write(std::string("log") + ending, "of another run\n");
    o.checkpoint = directory.path("run.checkpoint");
    o.stop_after = 3;
    Model model = network();
    fit(model, data, o);
    const std::string first = read_text(o.log);
    const std::size_t heads = ending == std::string(".csv") ? 1 : 0;
    CHECK(lines(first).size() == 3 + heads);
    CHECK(first.find("another run") == std::string::npos);
    o.resume = true;
    o.stop_after = 0;
    Model other = network();
    const FitReport report = fit(other, data, o);
    const std::string second = read_text(o.log);
    CHECK(second.substr(0, first.size()) == first);
    CHECK(lines(second).size() == 4 + heads);
    CHECK(second == (heads == 1 ? log_csv(report, o.title) : log_json_lines(report, o.title)));
  }
}

TEST_CASE("what a log says reads back", "[train]") {
  FitReport report;
  report.metric = "R squared";
  report.epochs.push_back({.epoch = 0, .loss = 0.1, .accuracy = 0.5, .lr = 1e-3, .losses = {0.25, 2.0}});
  report.epochs.push_back({.epoch = 1, .loss = 1.0 / 3, .accuracy = std::numeric_limits<double>::quiet_NaN(), .losses = {0.5, 1.0}});
  const std::vector<std::string> json = lines(log_json_lines(report, "q\"at"));
  REQUIRE(json.size() == 2);
  const Json one = parse_json(json[1]);
  CHECK(one.at("title").as_string() == "q\"at");
  CHECK(one.at("metric").as_string() == "R squared");
  CHECK(one.at("loss").as_double() == 1.0 / 3);
  CHECK(one.at("epoch").as_double() == 2);
  CHECK(one.at("accuracy").kind() == Json::Kind::null);
  CHECK(one.at("loss_1").as_double() == 1.0);
  const std::vector<std::string> csv = lines(log_csv(report, "q\"at"));
  REQUIRE(csv.size() == 3);
  CHECK(csv[0] == "title,epoch,loss,accuracy,validation_loss,validation_accuracy,validation_metric,learning_rate,oscillating,seconds,loss_0,loss_1");
  CHECK(csv[1] == "\"q\"\"at\",1,0.1,0.5,,,,0.001,,0,0.25,2");
  CHECK(csv[2].substr(0, 28) == "\"q\"\"at\",2,0.3333333333333333");
  CHECK(log_csv({}).empty());
}

TEST_CASE("logs that cannot be written are refused before the first step", "[train]") {
  const TemporaryDirectory directory;
  const Dataset data = random_dataset({6}, 64, 3, 1);
  const auto refused = [&](const std::string& log, const std::string& title, const char* why) {
    FitOptions o = quiet_fit({.epochs = 1});
    o.log = log;
    o.title = title;
    Model model = network();
    CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring(why));
    CHECK(state_of(model) == state_of(network()));
  };
  refused(directory.path("log.txt"), "", "ends neither in .csv nor in .jsonl");
  refused(directory.path("none/log.csv"), "", "none");
  refused(directory.path("log.jsonl"), "\xff", "not UTF-8");
  CHECK(directory.files() == 0);
}

}  // namespace stop_and_log_test
