// AdaRound: the gradient of soft rounding against finite differences, its laws on rows and on drawn networks, and that the
// codes which were learned are those that run.

#include <stet/core/parallel.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/ada_round.hpp>
#include <stet/passes/ada_round_codes.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_windows.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/passes/soft_rounded_rows.hpp>
#include <stet/quant/scheme.hpp>

#include "support/catch.hpp"
#include "support/layer_errors.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <string>

namespace ada_round_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Tensor<float> drawn(std::int64_t rows, std::int64_t columns, std::uint64_t seed, double spread) {
  Rng rng(seed);
  Tensor<float> x(Shape{rows, columns});
  for (std::int64_t r = 0; r < rows; ++r) {
    const double common = 2 * rng.normal();  // columns depend on each other, as neighbouring pixels do
    for (std::int64_t c = 0; c < columns; ++c) x.edit()[static_cast<std::size_t>(r * columns + c)] = static_cast<float>(spread * (common + rng.normal()));
  }
  return x;
}

// What the steps themselves make of drawn columns.
RoundingGoal goal_of(const Tensor<float>& steps, std::int64_t samples, Activation activation, std::uint64_t seed) {
  const std::int64_t rows = steps.shape()[0], depth = steps.shape()[1];
  RoundingGoal goal{drawn(samples, depth, seed, 1.0), Tensor<float>(Shape{samples, rows}), {{}, {}, activation}};
  for (std::int64_t r = 0; r < rows; ++r) {
    goal.output.scale.push_back(0.1f + 0.05f * static_cast<float>(r));
    goal.output.bias.push_back(0.2f * static_cast<float>(r % 3) - 0.1f);
  }
  for (std::int64_t n = 0; n < samples; ++n) {
    for (std::int64_t r = 0; r < rows; ++r) {
      float y = 0;
      for (std::int64_t d = 0; d < depth; ++d) y += steps[r * depth + d] * goal.columns[n * depth + d];
      goal.wanted.edit()[static_cast<std::size_t>(n * rows + r)] = goal.output(y, static_cast<std::size_t>(r));
    }
  }
  return goal;
}
double error_of(const RoundingGoal& goal, const Tensor<std::int8_t>& codes, std::int64_t row) {
  const std::int64_t rows = codes.shape()[0], depth = codes.shape()[1];
  double sum = 0;
  for (std::int64_t n = 0; n < goal.columns.shape()[0]; ++n) {
    double y = 0;
    for (std::int64_t d = 0; d < depth; ++d) y += static_cast<double>(codes[row * depth + d]) * static_cast<double>(goal.columns[n * depth + d]);
    const double e = static_cast<double>(goal.output(static_cast<float>(y), static_cast<std::size_t>(row)) - goal.wanted[n * rows + row]);
    sum += e * e;
  }
  return sum;
}
Tensor<std::int8_t> nearest(const Tensor<float>& v, const Grid& grid) {
  Tensor<std::int8_t> q(v.shape());
  for (std::int64_t i = 0; i < v.size(); ++i) {
    q.edit()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(std::clamp(std::nearbyint(v[i]), static_cast<float>(grid.lo), static_cast<float>(grid.hi)));
  }
  return q;
}
bool floor_or_ceil(float v, int code, const Grid& grid) {
  return code == std::clamp(static_cast<int>(std::floor(v)), grid.lo, grid.hi) || code == std::clamp(static_cast<int>(std::ceil(v)), grid.lo, grid.hi);
}

AdaRoundOptions quick(bool asymmetric = true) {
  return {.learning = {.iterations = 100, .batch = 64, .lr = 0.1}, .windows = 1024, .asymmetric = asymmetric, .progress = ProgressMode::quiet};
}

// Squared error of every layer's output, batch norm and activation included, with the codes that a model has, on the codes
// that its layers read; against the float model, or against the layer's own float weights.
std::map<std::string, double> output_errors(const QatModel& input, const QatModel& before, const QatModel& coded, const Dataset& data, bool asymmetric, bool relative = false) {
  std::map<std::string, double> errors;
  Model original = before.model();
  for (const Unit& unit : input.units()) {
    if (!unit.has_weights()) continue;
    const detail::LayerSteps w = detail::layer_steps(before, unit), q = detail::layer_steps(coded, unit);
    double sum = 0, signal = 0;
    detail::for_inputs(input, unit, data, {}, [&](const Batch& batch, const QTensor& x) {
      const detail::LayerColumns columns(unit.op(), x.codes.shape(), w.steps.shape());
      const detail::LayerMatrix& m = columns.matrix();
      const LayerOutput out = detail::layer_output(before, unit, w, static_cast<double>(x.params.scale[0]));
      const Tensor<float> wanted = detail::float_values(original, unit, std::span(&batch.x, 1));
      std::vector<float> row(static_cast<std::size_t>(m.depth));
      for (std::int64_t g = 0; g < m.groups; ++g) {
        for (std::int64_t r = 0; r < columns.rows(); ++r) {
          columns.read(x, g, r, 1, row.data());
          for (std::int64_t o = 0; o < m.outputs; ++o) {
            double y = 0, own = 0;
            for (std::int64_t d = 0; d < m.depth; ++d) {
              y += std::nearbyint(static_cast<double>(q.steps[m.offset(g, o, d)])) * static_cast<double>(row[static_cast<std::size_t>(d)]);
              own += static_cast<double>(w.steps[m.offset(g, o, d)]) * static_cast<double>(row[static_cast<std::size_t>(d)]);
            }
            const auto c = static_cast<std::size_t>(m.channel(g, o));
            const float want = asymmetric ? wanted[r * m.groups * m.outputs + m.channel(g, o)] : out(static_cast<float>(own), c);
            const double e = static_cast<double>(out(static_cast<float>(y), c) - want);
            sum += e * e;
            signal += static_cast<double>(want) * static_cast<double>(want);
          }
        }
      }
    });
    errors[input.node_name(unit.node)] = relative ? sum / (signal + 1e-12) : sum;
  }
  return errors;
}

}  // namespace

TEST_CASE("soft rounding begins at the weight, reaches both codes, and knows its slopes") {
  for (const double part : {0.01, 0.3, 0.5, 0.77, 0.99}) CHECK(soft_round(soft_round_start(part)) == Approx(part));
  CHECK(soft_round(-6.0) == 0.0);
  CHECK(soft_round(6.0) == 1.0);
  CHECK(soft_round_slope(0.0) == 0.0);
  CHECK(soft_round_slope(1.0) == 0.0);
  for (const double v : {-2.0, -0.4, 0.0, 1.3}) {
    CHECK(soft_round_slope(soft_round(v)) == Approx((soft_round(v + 1e-6) - soft_round(v - 1e-6)) / 2e-6).epsilon(1e-6));
  }
  for (const double beta : {2.0, 7.5, 20.0}) {
    CHECK(RoundingCost<double>(0.5, beta).value == 1.0);
    CHECK(RoundingCost<double>(0.0, beta).value == 0.0);
    CHECK(RoundingCost<double>(1.0, beta).value == 0.0);
    for (const double h : {0.1, 0.45, 0.8}) {
      const double slope = (RoundingCost<double>(h + 1e-6, beta).value - RoundingCost<double>(h - 1e-6, beta).value) / 2e-6;
      CHECK(RoundingCost<double>(h, beta).slope == Approx(slope).epsilon(1e-5).margin(1e-8));
    }
  }
}

TEST_CASE("the gradient of the soft roundings' loss is that of finite differences") {
  const std::int64_t rows = 5, depth = 7, samples = 40;
  for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
    const Tensor<float> steps = drawn(rows, depth, 3, 2.5);
    RoundingGoal goal = goal_of(steps, samples, activation, 4);
    for (float& s : goal.output.scale) s *= 4;  // so that 6 is reached
    detail::SoftRoundedRows<double> soft(depth, steps.data(), Grid::narrow(3), goal.output);
    for (std::int64_t r = 0; r < rows; ++r) soft.set_weight(r, 0.5 + static_cast<double>(r));
    const std::vector<double> x(goal.columns.span().begin(), goal.columns.span().end()), y(goal.wanted.span().begin(), goal.wanted.span().end());
    const detail::RoundingBatch<double> batch{samples, x.data(), y.data(), rows};
    std::vector<double> du(static_cast<std::size_t>(rows * depth)), ignored(du.size());
    Rng rng(5);
    for (double& u : soft.u()) u += 0.5 * rng.normal();
    int moved = 0;
    for (const detail::CostWeight<double> cost : {detail::CostWeight<double>{}, detail::CostWeight<double>{0.4, 5.0}}) {
      (void)soft.loss(batch, cost, du);
      for (std::size_t i = 0; i < du.size(); ++i) {
        const double was = soft.u()[i];
        soft.u()[i] = was + 1e-6;
        const double above = soft.loss(batch, cost, ignored);
        soft.u()[i] = was - 1e-6;
        const double below = soft.loss(batch, cost, ignored);
        soft.u()[i] = was;
        INFO("weight " << i << ", lambda " << cost.lambda);
        CHECK(du[i] == Approx((above - below) / 2e-6).epsilon(1e-4).margin(1e-6));
        moved += du[i] != 0 ? 1 : 0;
      }
    }
    CHECK(moved > 20);
  }
}

TEST_CASE("learned roundings end between the best of all and the nearest codes") {
  const Grid grid = Grid::narrow(4);
  double best_sum = 0, found_sum = 0, nearest_sum = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Tensor<float> steps = drawn(2, 8, seed, 1.0);
    const Activation activation = seed % 2 == 0 ? Activation::relu : Activation::none;
    const RoundingGoal goal = goal_of(steps, 200, activation, seed + 20);
    const Tensor<std::int8_t> plain = nearest(steps, grid), found = ada_round_codes(goal, steps, grid, {.batch = 50});
    for (std::int64_t i = 0; i < steps.size(); ++i) CHECK(floor_or_ceil(steps[i], found[i], grid));
    for (std::int64_t r = 0; r < 2; ++r) {
      double best = error_of(goal, plain, r);
      Tensor<std::int8_t> q = plain;
      for (int up = 0; up < 256; ++up) {
        for (std::int64_t d = 0; d < 8; ++d) {
          const float v = steps[r * 8 + d];
          q.edit()[static_cast<std::size_t>(r * 8 + d)] = static_cast<std::int8_t>(std::clamp(static_cast<int>(std::floor(v)) + (up >> d & 1), grid.lo, grid.hi));
        }
        best = std::min(best, error_of(goal, q, r));
      }
      const double mine = error_of(goal, found, r);
      CHECK(mine <= error_of(goal, plain, r) * (1 + 1e-6));
      CHECK(mine >= best * (1 - 1e-6));
      best_sum += best;
      found_sum += mine;
      nearest_sum += error_of(goal, plain, r);
    }
  }
  INFO("best " << best_sum << ", found " << found_sum << ", nearest " << nearest_sum);
  CHECK(found_sum < best_sum + 0.25 * (nearest_sum - best_sum));
}

TEST_CASE("weights that are codes or lie beyond the grid stay, and bad goals are refused") {
  const Grid grid = Grid::narrow(3);
  const Tensor<float> steps({1, 6}, {2.0f, -1.0f, 3.7f, -5.2f, 0.4f, 2.6f});
  const RoundingGoal goal = goal_of(steps, 30, Activation::none, 1);
  const Tensor<std::int8_t> codes = ada_round_codes(goal, steps, grid, {.iterations = 50, .lr = 0.2});
  CHECK(codes[0] == 2);
  CHECK(codes[1] == -1);
  CHECK(codes[2] == 3);
  CHECK(codes[3] == -3);
  CHECK_THROWS_WITH(ada_round_codes(goal, Tensor<float>({1, 5}, {1, 2, 3, 4, 5}), grid), ContainsSubstring("needs columns [N,D]"));
  RoundingGoal bad = goal;
  bad.output.bias.clear();
  CHECK_THROWS_WITH(ada_round_codes(bad, steps, grid), ContainsSubstring("needs 1 scales and biases, got 1 and 0"));
  bad = goal;
  bad.wanted.edit()[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(ada_round_codes(bad, steps, grid), ContainsSubstring("must be finite"));
}

TEST_CASE("outputs of layers of drawn networks lose no more than with the nearest codes, and what was learned is deployed") {
  set_warning_handler([](const std::string&) {});
  int layers = 0;
  double parts = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Model model = random_model(seed, {.large = seed > 6});
    const Dataset data = images_for(model);
    for (const bool per_channel : {true, false}) {
      const bool asymmetric = seed % 2 == 0;
      INFO("seed " << seed << ", per channel " << per_channel << ", asymmetric " << asymmetric);
      const QatModel before = calibrated_model(model, recipe_of(4, per_channel), data);
      QatModel after = before;
      ada_round(after, data, quick(asymmetric));
      const std::map<std::string, double> learned = output_errors(after, before, after, data, asymmetric), plain = output_errors(after, before, before, data, asymmetric);
      for (const auto& [name, error] : learned) {
        INFO(name);
        CHECK(error <= plain.at(name) * (1 + 1e-5) + 1e-9);
        parts += plain.at(name) > 0 ? error / plain.at(name) : 1.0;
        ++layers;
      }
      for (const Unit& unit : after.units()) {
        if (!unit.has_weights()) continue;
        INFO(after.node_name(unit.node));
        const detail::LayerSteps was = detail::layer_steps(before, unit), is = detail::layer_steps(after, unit);
        CHECK(is.scale == was.scale);
        bool right = true;
        for (std::int64_t i = 0; i < is.steps.size(); ++i) {
          const std::int64_t c = is.channel.index(i);
          if (!is.factor.empty() && is.factor[static_cast<std::size_t>(c)] == 0.0f) continue;
          const float code = std::nearbyint(is.steps[i]);
          right = right && std::fabs(is.steps[i] - code) < 1e-3f && floor_or_ceil(was.steps[i], static_cast<int>(code), is.grid);
        }
        CHECK(right);
      }
      CHECK(deployed_equals_forward(after, data));
    }
  }
  INFO(parts / layers);
  CHECK(parts / layers < 0.95);  // random weights, 48 images of noise and few steps leave little to gain
  set_warning_handler(nullptr);
}

TEST_CASE("a layer's output is what the float network makes, but for eight bits") {
  for (const std::uint64_t seed : {1, 4, 5}) {
    const Model model = random_model(seed);
    const Dataset data = images_for(model);
    const QatModel qat = calibrated_model(model, recipes::int8_per_tensor(), data);
    for (const auto& [name, error] : output_errors(qat, qat, qat, data, true, true)) {
      INFO(name);
      CHECK(error < 0.01);
    }
  }
}

TEST_CASE("learned roundings depend on the seed and not on the number of threads") {
  const Model model = random_model(2, {.large = true});
  const Dataset data = images_for(model);
  const QatModel before = calibrated_model(model, recipe_of(3, true), data);
  const auto rounded = [&](int count, std::uint64_t seed) {
    QatModel q = before;
    AdaRoundOptions o = quick();
    o.windows = 60;
    o.data.seed = seed;
    set_threads(count);
    ada_round(q, data, o);
    set_threads(0);
    return state_of(q);
  };
  const State one = rounded(1, 1);
  CHECK(rounded(3, 1) == one);
  CHECK(rounded(1, 1) == one);
  CHECK_FALSE(rounded(1, 2) == one);
}

TEST_CASE("kept and learned scales stay where they are, and only named layers change") {
  Graph g;
  g.output(linear(flatten(relu(batch_norm(conv2d(g.input({6, 6, 2}), {.filters = 3, .kernel = 3}).named("first")))), {.units = 4}).named("second"));
  const Model model(std::move(g), Rng(1));
  const Dataset data = images_for(model);
  for (const Recipe& recipe : {recipe_of(4, true, WeightRange::mse), recipe_of(4, false), recipes::w4a4_lsq()}) {
    const QatModel before = calibrated_model(model, recipe, data);
    QatModel after = before;
    AdaRoundOptions o = quick();
    o.data.layers = {"second"};
    ada_round(after, data, o);
    for (const Unit& unit : after.units()) {
      if (unit.has_weights()) CHECK(detail::layer_steps(after, unit).scale == detail::layer_steps(before, unit).scale);
    }
    CHECK(same_bits(after.model().parameter("first.weight").value, before.model().parameter("first.weight").value));
    CHECK_FALSE(same_bits(after.model().parameter("second.weight").value, before.model().parameter("second.weight").value));
    CHECK(deployed_equals_forward(after, data));
  }
}

TEST_CASE("ada_round is a pass of quantize and shows how far it is") {
  const Model model = random_model(5);
  const Dataset data = images_for(model);
  QatModel by_hand = calibrated_model(model, recipe_of(4, true), data);
  ada_round(by_hand, data, quick());
  const QatModel passed = calibrated(model, recipe_of(4, true), data, {.passes = {passes::ada_rounded(quick())}});
  CHECK(same_bits(infer(passed, data.batch(0, 7).x), infer(by_hand, data.batch(0, 7).x)));
  CHECK(format_progress({.title = "ada_round", .step = 5, .steps = 10, .count_epochs = false}, 0).find("epoch") == std::string::npos);
}

TEST_CASE("what ada_round cannot work with is refused before anything is changed") {
  const Model model = random_model(3);
  const Dataset data = images_for(model);
  QatModel bare = prepare(model, recipe_of(4, true));
  CHECK_THROWS_WITH(ada_round(bare, data), ContainsSubstring("ada_round") && ContainsSubstring("call calibrate"));
  QatModel qat = calibrated_model(model, recipe_of(4, true), data);
  const State before = state_of(qat);
  Dataset gone = images_for(model);
  const Dataset elsewhere = std::move(gone);  // what is left is empty
  CHECK_THROWS_WITH(ada_round(qat, gone), ContainsSubstring("ada_round") && ContainsSubstring("data set is empty"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.data = {.batch = 0}}), ContainsSubstring("positive batch"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.data = {.layers = {"nobody"}}}), ContainsSubstring("no layer with integer weights is named nobody; there are"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.windows = 0}), ContainsSubstring("windows is 0"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.iterations = 0}}), ContainsSubstring("at least 1 iteration"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.batch = 0}}), ContainsSubstring("batch of 1"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.lr = 0}}), ContainsSubstring("lr is 0"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.lambda = -1}}), ContainsSubstring("lambda is -1"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.beta_from = 2, .beta_to = 3}}), ContainsSubstring("beta goes from 2 to 3"));
  CHECK_THROWS_WITH(ada_round(qat, data, {.learning = {.warm_up = std::numeric_limits<double>::quiet_NaN()}}), ContainsSubstring("warm_up is"));
  CHECK(state_of(qat) == before);
  QatModel binary = calibrated_model(model, recipe_of(1, true), data);
  CHECK_THROWS_WITH(ada_round(binary, data), ContainsSubstring("whose codes are no steps"));
  Recipe inputs;  // scales per input channel have no kernel
  inputs.linear_weights = IntN(8, Granularity::per_channel(1));
  QatModel simulated = calibrated_model(model, inputs, data);
  CHECK_THROWS_WITH(ada_round(simulated, data), ContainsSubstring("ada_round") && ContainsSubstring("simulates"));
}

}  // namespace ada_round_test
