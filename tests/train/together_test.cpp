// Several processes train one model: the same bits for any number of them and of threads, refusals, failures.

#include <stet/core/parallel.hpp>
#include <stet/data/augment.hpp>
#include <stet/data/mixup.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/part_meeting.hpp>
#include <stet/train/part_tree.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/thread_communicator.hpp"

#include <cmath>
#include <set>
#include <vector>

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

TEST_CASE("Whatever has parts is the same for any number of processes", "[train]") {
  std::vector<float> w(45, 1.0f);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i % 3 == 0 ? 0.0f : 0.25f * static_cast<float>(i % 5 + 1);
  const Dataset plain = random_dataset({6, 6, 1}, 45, 4, 3), weighed = plain.with_weights(Tensor<float>(Shape{45}, w));
  const auto one_end = [](const auto& start, const Dataset& data, const FitOptions& o) {
    std::set<std::uint64_t> ends;
    for (const int ranks : {1, 3}) ends.insert(together(ranks, 1, start, data, o));
    return ends.size() == 1;
  };
  FitOptions o = options();
  o.epochs = 2;
  SECTION("learned scales of four bits") { REQUIRE(one_end(calibrated_model(network(), recipes::w4a4_lsq(), plain), plain, o)); }
  SECTION("schemes that are simulated") {
    Recipe recipe = recipes::int8();
    recipe.weights = AdditivePowersOfTwo(4);
    REQUIRE(one_end(calibrated_model(network(), recipe, plain), plain, o));
  }
  SECTION("weights of samples, some of them 0, and of classes") {
    o.loss = CrossEntropyLoss{.class_weights = {1, 2, 3, 4}};
    REQUIRE(one_end(network(), weighed, o));
  }
  SECTION("augmentation that mixes") {
    o.augment = {AddNoise{}, Mixup{}};
    REQUIRE(one_end(network(), weighed, o));
  }
  SECTION("sums in any order: all processes have the same model") {
    o.sums = SumOrder::any;
    o.batch = 3;  // fewer samples than processes
    (void)together(4, 1, network(), plain, o);
  }
}

namespace {

// What the first step learns: loss and all gradients.
struct FirstStep {
  double loss = 0;
  std::vector<float> gradients{};
};
template <class M>
FirstStep first_step(const M& start, const Dataset& data, FitOptions o, Communicator* comm) {
  M model = start;
  FirstStep first;
  o.comm = comm;
  o.on_gradients = [&](const StepReport& step) {
    if (step.step != 0) return;
    first.loss = step.loss;
    for (const ParameterRef& p : parameter_refs(model)) {
      first.gradients.insert(first.gradients.end(), p.parameter->gradient.span().begin(), p.parameter->gradient.span().end());
    }
  };
  (void)fit(model, data, o);
  return first;
}
// How far the first step in parts is from that of the whole batch, relative to the norm of the gradients.
template <class M>
double distance(const M& start, const Dataset& data, const FitOptions& o) {
  const FirstStep whole = first_step(start, data, o, nullptr);
  FirstStep parts;
  const auto errors = on_ranks(2, [&](Communicator& comm) {
    const FirstStep own = first_step(start, data, o, &comm);
    if (comm.rank() == 0) parts = own;
  });
  for (const std::string& error : errors) REQUIRE(error.empty());
  REQUIRE(parts.gradients.size() == whole.gradients.size());
  double difference = std::fabs(parts.loss - whole.loss), norm = std::fabs(whole.loss);
  REQUIRE(difference <= 1e-6 * norm);
  difference = norm = 0;
  for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
    difference += std::pow(static_cast<double>(parts.gradients[i] - whole.gradients[i]), 2);
    norm += std::pow(static_cast<double>(whole.gradients[i]), 2);
  }
  REQUIRE(norm > 0);
  return std::sqrt(difference / norm);
}

Model without_dropout() {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3})));
  x = max_pool(x + relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3}))));
  g.output(linear(flatten(x), {.units = 4}));
  return {std::move(g), Rng(1)};
}

}  // namespace

TEST_CASE("A step in parts has the loss and the gradients of the whole batch", "[train]") {
  std::vector<float> w(40, 1.0f);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i < 12 ? 0.0f : 0.25f * static_cast<float>(i % 5 + 1);
  const Dataset plain = random_dataset({6, 6, 1}, 40, 4, 3), weighed = plain.with_weights(Tensor<float>(Shape{40}, w));
  FitOptions o = quiet_fit({.epochs = 1, .batch = 40, .optimizer = Adam{.lr = 1e-3}, .part = 7});
  REQUIRE(distance(without_dropout(), plain, o) < 1e-5);
  REQUIRE(distance(without_dropout(), weighed, o) < 1e-5);
  FitOptions by_class = o;
  by_class.loss = CrossEntropyLoss{.class_weights = {1, 2, 3, 4}};
  REQUIRE(distance(without_dropout(), weighed, by_class) < 1e-5);
  const auto of_recipe = [&](Recipe recipe, double freeze_at) {
    recipe.schedule = {.quantize_at = 0, .freeze_ranges_at = freeze_at, .freeze_batch_norm_at = freeze_at};
    return distance(calibrated_model(without_dropout(), recipe, plain), plain, o);
  };
  REQUIRE(of_recipe(recipes::int8(), 1.0) < 1e-4);
  REQUIRE(of_recipe(recipes::int8_per_tensor(), 1.0) < 1e-4);
  REQUIRE(of_recipe(recipes::int8(), 0.0) < 1e-4);
  REQUIRE(of_recipe(recipes::w4a4_lsq(), 1.0) < 1e-4);
}

TEST_CASE("Sums over parts do not depend on who has them", "[train]") {
  for (const std::size_t length : {std::size_t{3}, std::size_t{5000}}) {
    for (std::int64_t parts = 1; parts <= 11; ++parts) {
      std::vector<float> first;
      for (int ranks = 1; ranks <= 5; ++ranks) {
        std::vector<std::vector<float>> ends(static_cast<std::size_t>(ranks));
        const auto errors = on_ranks(ranks, [&](Communicator& comm) {
          const detail::PartTree tree(parts, ranks);
          const Chunk run = tree.run_of(comm.rank());
          std::vector<std::vector<float>> own(static_cast<std::size_t>(std::max<std::int64_t>(1, run.size())), std::vector<float>(length));
          std::vector<std::span<float>> arrays;
          for (std::size_t k = 0; k < own.size(); ++k) {
            Rng rng(static_cast<std::uint64_t>(run.first) + k);
            for (float& v : own[k]) v = static_cast<float>(std::exp(4 * rng.normal()) * rng.normal());
            arrays.emplace_back(own[k]);
          }
          detail::sum_in_order<float>(tree, comm, arrays);
          ends[static_cast<std::size_t>(comm.rank())] = own[0];
        });
        for (const std::string& error : errors) REQUIRE(error.empty());
        if (first.empty()) first = ends[0];
        for (const auto& end : ends) REQUIRE(end == first);
      }
    }
  }
}

TEST_CASE("Training together refuses what cannot be the same, and ends everywhere", "[train]") {
  const Dataset data = random_dataset({6, 6, 1}, 45, 4, 3);
  const auto errors_of = [&](auto change) {
    return on_ranks(3, [&](Communicator& comm) {
      Model model = network();
      FitOptions o = options();
      o.comm = &comm;
      change(comm.rank(), model, o);
      (void)fit(model, data, o);
    });
  };
  for (const std::string& error : errors_of([](int rank, Model&, FitOptions& o) { o.seed = rank == 1 ? 7 : 8; })) {
    REQUIRE_THAT(error, ContainsSubstring("must do the same, and 1 differs from process 0"));
  }
  REQUIRE_THAT(errors_of([](int rank, Model&, FitOptions& o) { o.part = rank == 1 ? 7 : 8; })[1],
               ContainsSubstring("process 0 has 'batch 20, in parts of 8', process 1 'batch 20, in parts of 7'"));
  for (const std::string& error : errors_of([](int rank, Model& model, FitOptions&) { model = rank == 2 ? Model(network().graph(), Rng(9)) : model; })) {
    REQUIRE_THAT(error, ContainsSubstring("2 differs"));
  }
  // A callback of one process alone: where it asks all, the others would not answer; where it changes the model, models part.
  for (const std::string& error : errors_of([](int rank, Model&, FitOptions& o) {
         if (rank == 0) o.stop_when = [](const EpochReport&) { return false; };
       })) {
    REQUIRE_THAT(error, ContainsSubstring("1, 2 differ"));
  }
  for (const std::string& error : errors_of([](int rank, Model&, FitOptions& o) {
         if (rank == 1) o.stop_in_epoch = [](const StepReport&) { return false; };
       })) {
    REQUIRE_THAT(error, ContainsSubstring("1 differs"));
  }
  for (const std::string& error : errors_of([](int rank, Model& model, FitOptions& o) {
         o.on_step = [rank, &model](const StepReport&) {
           if (rank == 2) model.parameters()[0].parameter.value.edit()[0] += 1.0f;
         };
       })) {
    REQUIRE_THAT(error, ContainsSubstring("models that are trained together must do the same, and 2 differs"));
  }
  const auto asked = [&](auto change) {
    return on_ranks(2, [&](Communicator& comm) {
      Model model = network();
      EvaluateOptions o{.batch = 15, .comm = &comm};
      Dataset own = data;
      change(comm.rank(), model, own, o);
      (void)evaluate(model, own, o);
    });
  };
  for (const std::string& error : asked([](int rank, Model& model, Dataset&, EvaluateOptions&) {
         if (rank == 1) model.parameters()[0].parameter.value.edit()[0] += 1.0f;
       })) {
    REQUIRE_THAT(error, ContainsSubstring("evaluate: processes that answer together must do the same, and 1 differs"));
  }
  for (const std::string& error : asked([](int rank, Model&, Dataset& own, EvaluateOptions&) { own = rank == 1 ? own.slice(0, 44) : own; })) {
    REQUIRE_THAT(error, ContainsSubstring("process 0 has '45 samples'") || ContainsSubstring("1 differs"));
  }
  for (const std::string& error : asked([](int rank, Model&, Dataset&, EvaluateOptions& o) { o.batch = rank == 1 ? 45 : 15; })) {
    REQUIRE_THAT(error, ContainsSubstring("1 differs"));
  }
  for (const std::string& error : errors_of([](int, Model&, FitOptions& o) { o.part = 0; })) REQUIRE_THAT(error, ContainsSubstring("part is 0 samples"));
  const auto thrown = errors_of([](int rank, Model&, FitOptions& o) {
    o.on_step = [rank](const StepReport&) {
      if (rank == 1) fail(Errc::range, "enough");
    };
  });
  for (const std::string& error : thrown) REQUIRE_THAT(error, ContainsSubstring("enough"));
  // One process asks for the end: all end there, with the same report.
  std::vector<std::int64_t> stopped(3);
  const auto none = on_ranks(3, [&](Communicator& comm) {
    Model model = network();
    FitOptions o = options();
    o.comm = &comm;
    o.stop_in_epoch = [&](const StepReport& step) { return comm.rank() == 2 && step.step == 4; };
    stopped[static_cast<std::size_t>(comm.rank())] = fit(model, data, o).stopped_step;
  });
  for (const std::string& error : none) REQUIRE(error.empty());
  REQUIRE(stopped == std::vector<std::int64_t>{4, 4, 4});
  // Ranges that observers of values would choose from the steps are none of parts.
  const auto uncalibrated = on_ranks(2, [&](Communicator& comm) {
    Recipe recipe = recipes::int8();
    recipe.schedule.quantize_at = 0.5;
    QatModel model = prepare(network(), recipe);
    FitOptions o = options();
    o.comm = &comm;
    (void)fit(model, data, o);
  });
  for (const std::string& error : uncalibrated) REQUIRE_THAT(error, ContainsSubstring("with options.comm: ") && ContainsSubstring("call calibrate"));
}

TEST_CASE("Parts that do not run the same operators end with an error and do not wait", "[train]") {
  ThreadWorld world(1);
  ThreadCommunicator comm(world, 0);
  const auto meeting_error = [&](auto part) -> std::string {
    detail::PartMeeting meeting(detail::PartTree(3, 1), comm, false);
    try {
      meeting.run(part);
    } catch (const Error& e) {
      return e.what();
    }
    return "none";
  };
  REQUIRE_THAT(meeting_error([&](std::size_t i, BatchParts& parts) {
                 std::vector<double> sums(i == 1 ? 2 : 1);
                 parts.combine(sums, {});
               }),
               ContainsSubstring("bring"));
  REQUIRE_THAT(meeting_error([&](std::size_t i, BatchParts& parts) {
                 std::vector<double> sums(1);
                 for (std::size_t k = 0; k <= i; ++k) parts.combine(sums, {});
               }),
               ContainsSubstring("one of them ended"));
  REQUIRE_THAT(meeting_error([&](std::size_t i, BatchParts& parts) {
                 std::vector<double> sums(1);
                 if (i == 2) fail(Errc::range, "of its own");
                 parts.combine(sums, {});
               }),
               ContainsSubstring("of its own"));
}

}  // namespace together_test
