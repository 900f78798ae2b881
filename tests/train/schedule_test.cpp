// Schedules and the text of the progress bar.
#include <stet/train/progress.hpp>
#include <stet/train/schedule.hpp>

#include "support/golden.hpp"

#include <csignal>
#include <cstdio>

#include <unistd.h>

namespace schedule_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("the cosine schedule follows PyTorch", "[train]") {
  int cases = 0;
  for (const auto& c : load_golden("ops")) {
    if (!c.name.starts_with("schedule_cosine")) continue;
    ++cases;
    const double initial = c.params.at("initial"), floor = c.params.at("floor");
    const std::int64_t period = c.params.at("period");
    std::vector<double> with_period, whole_run;
    for (std::int64_t t = 0; t <= period; ++t) {
      with_period.push_back(initial * Cosine{.floor = floor / initial, .period = period}.at(t, 1000));
      whole_run.push_back(initial * Cosine{.floor = floor / initial}.at(t, period));
    }
    check_golden(c, "rates", with_period);
    check_golden(c, "rates", whole_run);
  }
  CHECK(cases == 2);
}

TEST_CASE("schedules start at one and end where they say", "[train]") {
  CHECK(AnySchedule().at(7, 10) == 1.0);
  CHECK(AnySchedule(Constant{}).at(0, 1) == 1.0);
  CHECK(AnySchedule(Cosine{.floor = 0.1}).at(0, 50) == 1.0);
  CHECK(Cosine{.floor = 0.1}.at(50, 50) == 0.1);
  CHECK(Cosine{.floor = 0.1, .period = 5}.at(49, 50) == 0.1);
  const AnySchedule steps = StepDecay{.every = 10, .factor = 0.5};
  CHECK(steps.at(0, 40) == 1.0);
  CHECK(steps.at(9, 40) == 1.0);
  CHECK(steps.at(10, 40) == 0.5);
  CHECK(steps.at(39, 40) == 0.125);
}

TEST_CASE("warm-up rises linearly and then hands over", "[train]") {
  const AnySchedule s = Warmup{.steps = 4, .start = 0.0, .then = Cosine{}};
  CHECK(s.at(0, 14) == Approx(0.2));
  CHECK(s.at(3, 14) == Approx(0.8));
  CHECK(s.at(4, 14) == 1.0);
  CHECK(s.at(9, 14) == Approx(0.5));
  double last = 0;
  for (std::int64_t t = 0; t <= 4; ++t) {
    CHECK(s.at(t, 14) > last);
    last = s.at(t, 14);
  }
  CHECK(AnySchedule(Warmup{.steps = 100}).at(9, 10) < 1.0);
}

TEST_CASE("a user's schedule works without registration", "[train]") {
  struct Linear {
    double at(std::int64_t step, std::int64_t total) const {
      return 1 - static_cast<double>(step) / static_cast<double>(total);
    }
  };
  static_assert(Schedule<Linear>);
  CHECK(AnySchedule(Linear{}).at(5, 10) == 0.5);
}

TEST_CASE("schedules refuse steps outside of the run and empty periods", "[train]") {
  CHECK_THROWS_WITH(AnySchedule().at(10, 10), ContainsSubstring("step 10 is outside of a run of 10"));
  CHECK_THROWS_WITH(AnySchedule().at(-1, 10), ContainsSubstring("step -1"));
  CHECK_THROWS_WITH(AnySchedule(StepDecay{}).at(0, 10), ContainsSubstring("every is 0"));
}

TEST_CASE("durations read like a clock", "[train]") {
  CHECK(format_duration(8.6) == "9 s");
  CHECK(format_duration(187) == "3:07");
  CHECK(format_duration(3765) == "1:02:45");
  CHECK(format_duration(-1) == "0 s");
}

TEST_CASE("a progress line shows where the work stands", "[train]") {
  ProgressState p{.title = "fp32", .epoch = 1, .epochs = 4, .step = 50, .steps = 100};
  CHECK(format_progress(p, 10) == "fp32  epoch 2/4 [#####.....]");
  p.loss = 0.25;
  p.accuracy = 0.9125;
  p.seconds = 30;
  CHECK(format_progress(p, 10) == "fp32  epoch 2/4 [#####.....]  loss 0.2500  accuracy 91.25 %  50 s left");
  CHECK(format_progress(p, 0) == "fp32  epoch 2/4  50 %  loss 0.2500  accuracy 91.25 %  50 s left");
  p.from = 0.25;  // resumed: an eighth of the work took 30 s, five eighths are left
  CHECK_THAT(format_progress(p, 0), ContainsSubstring("  2:30 left"));
  p.epoch = 3;
  p.step = 100;
  CHECK(format_progress(p, 4) == "fp32  epoch 4/4 [####]  loss 0.2500  accuracy 91.25 %  30 s");
  CHECK(format_progress({.steps = 0}, 4) == "epoch 1/1 [####]  0 s");
}

namespace {
std::string shown(ProgressMode mode) {
  std::FILE* file = std::tmpfile();
  {
    Progress progress("run", 1, 100, mode, file);
    for (std::int64_t step = 1; step <= 100; ++step) progress.update(0, step, 1.0, 0.5);
    progress.finish_epoch(0, 0.5, 0.75, "test 75 %");
  }
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  CHECK(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  return text;
}
}  // namespace

TEST_CASE("away from a terminal there is a line per tenth and one per epoch", "[train]") {
  const std::string text = shown(ProgressMode::automatic);
  CHECK(std::count(text.begin(), text.end(), '\n') == 10);
  CHECK_THAT(text, ContainsSubstring("run  epoch 1/1  10 %"));
  CHECK_THAT(text, ContainsSubstring("run  epoch 1/1 100 %  loss 0.5000  accuracy 75.00 %"));
  CHECK_THAT(text, ContainsSubstring("test 75 %\n"));
  CHECK_THAT(text, !ContainsSubstring("\r"));
}

TEST_CASE("the bar rewrites one line and ends it with the epoch", "[train]") {
  const std::string text = shown(ProgressMode::bar);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.front() == '\r');
  CHECK(text.back() == '\n');
}

TEST_CASE("quiet progress writes nothing", "[train]") {
  CHECK(shown(ProgressMode::quiet).empty());
  CHECK_THROWS_AS(Progress("x", 1, 1, ProgressMode::quiet, nullptr), Error);
}

namespace {
// What a run shows on a stream that takes nothing; the process ends by a signal or an exception if that is not borne.
void show_on(std::FILE* stream, ProgressMode mode) {
  Progress progress("run", 2, 10, mode, stream);
  for (std::int64_t step = 1; step <= 10; ++step) progress.update(0, step, 1.0, 0.5);
  progress.finish_epoch(0, 0.5, 0.75, "test 75 %");
  progress.update(1, 10, 1.0, 0.5);
}
}  // namespace

TEST_CASE("progress that nobody can see ends nothing: full disk, closed stream, closed pipe", "[train]") {
  for (const ProgressMode mode : {ProgressMode::bar, ProgressMode::lines}) {
    std::FILE* const full = std::fopen("/dev/full", "w");
    REQUIRE(full != nullptr);
    CHECK_NOTHROW(show_on(full, mode));
    std::fclose(full);

    std::FILE* const closed = std::tmpfile();
    ::close(fileno(closed));
    CHECK_NOTHROW(show_on(closed, mode));
    std::fclose(closed);

    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    ::close(ends[0]);
    std::FILE* const pipe = ::fdopen(ends[1], "w");
    CHECK_NOTHROW(show_on(pipe, mode));  // SIGPIPE has its default here: the test program would be gone
    sigset_t pending;
    ::sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
    std::signal(SIGPIPE, SIG_IGN);  // for what stdio still holds
    std::fclose(pipe);
    std::signal(SIGPIPE, SIG_DFL);
  }
}

}  // namespace schedule_test
