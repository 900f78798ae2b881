// GPTQ: the column update against the textbook form and against all roundings, laws on drawn networks, and that the codes
// which were chosen are those that run.

#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/gptq.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_columns.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/layer_errors.hpp"
#include "support/networks.hpp"

#include <Eigen/Cholesky>
#include <Eigen/LU>

#include <cmath>
#include <map>
#include <string>

namespace gptq_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Sums of products of correlated columns.
Tensor<double> hessian(std::int64_t depth, std::int64_t samples, std::uint64_t seed) {
  Rng rng(seed);
  Matrix x(samples, depth);
  for (std::int64_t i = 0; i < samples; ++i) {
    const double common = rng.normal();
    for (std::int64_t j = 0; j < depth; ++j) x(i, j) = common + rng.normal() * (1.0 + static_cast<double>(j % 3));
  }
  Tensor<double> h(Shape{depth, depth});
  Eigen::Map<Matrix>(h.edit().data(), depth, depth) = x.transpose() * x;
  return h;
}
Tensor<float> drawn_steps(std::int64_t rows, std::int64_t depth, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<float> v(Shape{rows, depth});
  for (float& x : v.edit()) x = static_cast<float>(2.5 * rng.normal());
  return v;
}
double error_of(const Tensor<double>& h, const Tensor<float>& v, const Tensor<std::int8_t>& q, std::int64_t row) {
  const std::int64_t depth = v.shape()[1];
  Eigen::VectorXd e(depth);
  for (std::int64_t j = 0; j < depth; ++j) e(j) = static_cast<double>(v[row * depth + j]) - static_cast<double>(q[row * depth + j]);
  return e.dot(Eigen::Map<const Matrix>(h.data(), depth, depth) * e);
}
Tensor<std::int8_t> nearest(const Tensor<float>& v, const Grid& grid) {
  Tensor<std::int8_t> q(v.shape());
  const auto to = q.edit();
  for (std::int64_t i = 0; i < v.size(); ++i) {
    const float r = std::clamp(std::nearbyint(v[i]), static_cast<float>(grid.lo), static_cast<float>(grid.hi));
    to[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(r);
  }
  return q;
}

// The form of the paper: the Cholesky factor of the inverse, columns from the first on.
std::vector<int> textbook(const Tensor<double>& h, const Tensor<float>& v, const Grid& grid, double damping) {
  const std::int64_t depth = v.shape()[1];
  Matrix damped = Eigen::Map<const Matrix>(h.data(), depth, depth);
  damped.diagonal().array() += damping * damped.diagonal().mean();
  const Matrix upper = Eigen::LLT<Matrix>(damped.inverse()).matrixU();
  std::vector<int> codes;
  for (std::int64_t r = 0; r < v.shape()[0]; ++r) {
    std::vector<double> w(static_cast<std::size_t>(depth));
    for (std::int64_t j = 0; j < depth; ++j) w[static_cast<std::size_t>(j)] = static_cast<double>(v[r * depth + j]);
    for (std::int64_t j = 0; j < depth; ++j) {
      const double now = w[static_cast<std::size_t>(j)];
      const double q = std::clamp(std::nearbyint(now), static_cast<double>(grid.lo), static_cast<double>(grid.hi));
      codes.push_back(static_cast<int>(q));
      for (std::int64_t k = j; k < depth; ++k) w[static_cast<std::size_t>(k)] -= (now - q) / upper(j, j) * upper(j, k);
    }
  }
  return codes;
}

}  // namespace

TEST_CASE("columns are rounded as the textbook's inverse rounds them") {
  const Grid grid = Grid::narrow(4);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Tensor<double> h = hessian(12, 60, seed);
    const Tensor<float> v = drawn_steps(5, 12, seed + 10);
    const Tensor<std::int8_t> found = gptq_codes(h, v, grid, {.activation_order = false}), plain = nearest(v, grid);
    const std::vector<int> wanted = textbook(h, v, grid, 0.01);
    for (std::int64_t r = 0; r < 5; ++r) {
      Tensor<std::int8_t> row = found;
      for (std::int64_t j = 0; j < 12; ++j) row.edit()[static_cast<std::size_t>(r * 12 + j)] = static_cast<std::int8_t>(wanted[static_cast<std::size_t>(r * 12 + j)]);
      // Where the textbook is worse than the nearest codes, these stay.
      const bool better = error_of(h, v, row, r) < error_of(h, v, plain, r);
      for (std::int64_t j = 0; j < 12; ++j) CHECK(found[r * 12 + j] == (better ? row : plain)[r * 12 + j]);
    }
  }
}

TEST_CASE("columns end between the best of all roundings and the nearest codes") {
  const Grid grid = Grid::narrow(3);
  double best_sum = 0, found_sum = 0, nearest_sum = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Tensor<double> h = hessian(5, 30, seed);
    Tensor<float> v = drawn_steps(1, 5, seed + 50);
    for (float& x : v.edit()) x *= 0.5f;  // few are clipped
    const double found = error_of(h, v, gptq_codes(h, v, grid), 0), plain = error_of(h, v, nearest(v, grid), 0);
    double best = plain;
    Tensor<std::int8_t> q(v.shape());
    for (int code = 0; code < 16807; ++code) {  // 7^5: all codes
      int rest = code;
      for (std::int8_t& c : q.edit()) {
        c = static_cast<std::int8_t>(rest % 7 - 3);
        rest /= 7;
      }
      best = std::min(best, error_of(h, v, q, 0));
    }
    CHECK(found <= plain);
    CHECK(found >= best * (1 - 1e-12));
    best_sum += best;
    found_sum += found;
    nearest_sum += plain;
  }
  INFO("best " << best_sum << ", found " << found_sum << ", nearest " << nearest_sum);
  CHECK(found_sum < 0.5 * (best_sum + nearest_sum));
}

TEST_CASE("columns that no data reach get their nearest codes, and dependent ones need damping") {
  Tensor<double> h = hessian(8, 40, 4);
  for (std::int64_t j = 0; j < 8; ++j) h.edit()[static_cast<std::size_t>(3 * 8 + j)] = h.edit()[static_cast<std::size_t>(j * 8 + 3)] = 0.0;
  const Tensor<float> v = drawn_steps(4, 8, 5);
  const Tensor<std::int8_t> q = gptq_codes(h, v, Grid::narrow(4)), plain = nearest(v, Grid::narrow(4));
  for (std::int64_t r = 0; r < 4; ++r) CHECK(q[r * 8 + 3] == plain[r * 8 + 3]);
  CHECK_THROWS_WITH(gptq_codes(hessian(8, 3, 1), v, Grid::narrow(4), {.damping = 0.0}), ContainsSubstring("raise damping"));
  CHECK_THROWS_WITH(gptq_codes(h, v, Grid::narrow(4), {.damping = -1.0}), ContainsSubstring("must not be negative"));
  CHECK_THROWS_WITH(gptq_codes(h, drawn_steps(4, 7, 5), Grid::narrow(4)), ContainsSubstring("needs a hessian [D,D]"));
}

TEST_CASE("layers of drawn networks lose no more than with the nearest codes, and deploy what was chosen") {
  set_warning_handler([](const std::string&) {});
  int smaller = 0, layers = 0;
  double parts = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Model model = random_model(seed, {.large = seed > 8});
    const Dataset data = images_for(model);
    for (const bool per_channel : {true, false}) {
      INFO("seed " << seed << ", per channel " << per_channel);
      const QatModel before = calibrated_model(model, recipe_of(4, per_channel), data);
      QatModel after = before;
      gptq(after, data);
      const std::map<std::string, double> chosen = product_errors(after, before, after, data),
                                          plain = product_errors(after, before, before, data);
      for (const auto& [name, error] : chosen) {
        INFO(name);
        CHECK(error <= plain.at(name) * (1 + 1e-6));
        smaller += error < 0.9 * plain.at(name) ? 1 : 0;
        parts += plain.at(name) > 0 ? error / plain.at(name) : 1.0;
        ++layers;
      }
      for (const Unit& unit : after.units()) {
        if (!unit.has_weights()) continue;
        INFO(after.node_name(unit.node));
        const detail::LayerSteps was = detail::layer_steps(before, unit), is = detail::layer_steps(after, unit);
        CHECK(is.scale == was.scale);  // though the largest weight may have become smaller
        bool on_grid = true;
        for (std::int64_t i = 0; i < is.steps.size(); ++i) {
          const std::int64_t c = is.channel.index(i);
          if (!is.factor.empty() && is.factor[static_cast<std::size_t>(c)] == 0.0f) continue;
          on_grid = on_grid && std::fabs(is.steps[i] - std::nearbyint(is.steps[i])) < 1e-3f;
        }
        CHECK(on_grid);
      }
      CHECK(deployed_equals_forward(after, data));
      QatModel again = before;
      gptq(again, data);
      CHECK(state_of(again) == state_of(after));
    }
  }
  CHECK(smaller > 20);
  INFO(parts / layers);
  CHECK(parts / layers < 0.85);  // of the error of nearest codes; 48 images of noise leave little to gain
  set_warning_handler(nullptr);
}

TEST_CASE("kept and learned scales of weights stay where they are") {
  const Model model = random_model(3);
  const Dataset data = images_for(model);
  for (const Recipe& recipe : {recipe_of(4, true, WeightRange::mse), recipes::w4a4_lsq()}) {
    const QatModel before = calibrated_model(model, recipe, data);
    QatModel after = before;
    gptq(after, data);
    for (const Unit& unit : after.units()) {
      if (unit.has_weights()) CHECK(detail::layer_steps(after, unit).scale == detail::layer_steps(before, unit).scale);
    }
    CHECK(deployed_equals_forward(after, data));
  }
}

TEST_CASE("a checkpoint keeps the scales that a pass fixed") {
  const TemporaryDirectory directory;
  const Model model = random_model(2);
  const Dataset data = images_for(model);
  QatModel saved = calibrated_model(model, recipe_of(3, true), data);
  gptq(saved, data);
  const std::string file = directory.path("model.safetensors");
  save_checkpoint(file, saved);
  QatModel loaded = prepare(model, recipe_of(3, true));
  load_checkpoint(file, loaded);
  CHECK(state_of(loaded) == state_of(saved));
  CHECK(same_bits(infer(loaded, data.batch(0, 5).x), infer(saved, data.batch(0, 5).x)));
}

TEST_CASE("only the named layers are rounded") {
  Graph g;
  g.output(linear(flatten(relu(conv2d(g.input({6, 6, 2}), {.filters = 3, .kernel = 3}).named("first"))), {.units = 4}).named("second"));
  const Model model(std::move(g), Rng(1));
  const Dataset data = images_for(model);
  QatModel qat = calibrated_model(model, recipe_of(4, true), data);
  const Tensor<float> first = qat.model().parameter("first.weight").value, second = qat.model().parameter("second.weight").value;
  gptq(qat, data, {.data = {.layers = {"second"}}});
  CHECK(same_bits(qat.model().parameter("first.weight").value, first));
  CHECK_FALSE(same_bits(qat.model().parameter("second.weight").value, second));
  CHECK_THROWS_WITH(gptq(qat, data, {.data = {.layers = {"third"}}}), ContainsSubstring("no layer with integer weights is named third; there are first, second"));
}

TEST_CASE("what gptq cannot work with is refused before anything is changed") {
  const Model model = random_model(3);
  const Dataset data = images_for(model);
  QatModel bare = prepare(model, recipe_of(4, true));
  CHECK_THROWS_WITH(gptq(bare, data), ContainsSubstring("gptq") && ContainsSubstring("call calibrate"));
  QatModel qat = calibrated_model(model, recipe_of(4, true), data);
  const State before = state_of(qat);
  Dataset gone = images_for(model);
  const Dataset elsewhere = std::move(gone);  // what is left is empty
  CHECK_THROWS_WITH(gptq(qat, data, {.data = {.batch = 0}}), ContainsSubstring("positive batch"));
  CHECK_THROWS_WITH(gptq(qat, data, {.data = {.images = -1}}), ContainsSubstring("positive batch"));
  CHECK_THROWS_WITH(gptq(qat, data, {.columns = {.damping = -0.1}}), ContainsSubstring("damping"));
  CHECK(state_of(qat) == before);
  CHECK_THROWS_WITH(gptq(qat, gone), ContainsSubstring("gptq") && ContainsSubstring("data set is empty"));
  CHECK_THROWS_WITH(gptq(qat, data, {.data = {.layers = {"nobody"}}}), ContainsSubstring("no layer with integer weights is named nobody; there are"));
  CHECK(state_of(qat) == before);
  QatModel binary = calibrated_model(model, recipe_of(1, true), data);
  CHECK_THROWS_WITH(gptq(binary, data), ContainsSubstring("whose codes are no steps"));
  Recipe inputs;  // scales per input channel have no kernel
  inputs.linear_weights = IntN(8, Granularity::per_channel(1));
  QatModel simulated = calibrated_model(model, inputs, data);
  const State was = state_of(simulated);
  CHECK_THROWS_WITH(gptq(simulated, data), ContainsSubstring("gptq") && ContainsSubstring("simulates"));
  CHECK(state_of(simulated) == was);
}

TEST_CASE("gptq is a pass of quantize") {
  const Model model = random_model(5);
  const Dataset data = images_for(model);
  const GptqOptions options{.data = {.images = 32}};
  QatModel by_hand = calibrated_model(model, recipe_of(4, true), data);
  gptq(by_hand, data, options);
  const QatModel passed = calibrated(model, recipe_of(4, true), data, {.passes = {passes::gptq_rounded(options)}});
  CHECK(same_bits(infer(passed, data.batch(0, 7).x), infer(by_hand, data.batch(0, 7).x)));
}

}  // namespace gptq_test
