// Identities: every option of a recipe, of what it holds and of a graph shows, and content is told apart by its hash.
#include <stet/graph/builder.hpp>
#include <stet/lab/soft_estimators.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/pact_estimator.hpp>
#include <stet/qat/pact_range.hpp>
#include <stet/qat/tqt_range.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/block_scheme.hpp>
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/float_scheme.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/quant/ternary_scheme.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/identity.hpp>
#include <stet/train/sgd.hpp>

#include "support/catch.hpp"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace identity_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

template <class Any, class... Values>
void all_differ(const Values&... values) {
  std::set<std::string> texts;
  (texts.insert(Any(values).describe()), ...);
  for (const std::string& text : texts) UNSCOPED_INFO(text);
  CHECK(texts.size() == sizeof...(values));
  std::set<std::string> again;
  (again.insert(Any(values).describe()), ...);
  CHECK(texts == again);
}

struct UnnamedEstimator {
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept&, const QParams&) const { return {dy}; }
  static constexpr bool needs_input = false, needs_mask = false;
};

using Build = std::function<graph::Value(graph::Value)>;
std::string text_of(const Build& build, const Shape& input = {8, 8, 4}) {
  Graph g;
  g.output(build(g.input(input)));
  return graph::describe(g);
}

}  // namespace

TEST_CASE("every field of a recipe is part of its description") {
  const std::vector<std::function<void(Recipe&)>> changes{
      [](Recipe&) {},
      [](Recipe& r) { r.name = "other"; },
      [](Recipe& r) { r.weights = symmetric(7); },
      [](Recipe& r) { r.weights = symmetric(8, false); },
      [](Recipe& r) { r.weights = symmetric(8, true, WeightRange::mse); },
      [](Recipe& r) { r.linear_weights = symmetric(7, false); },
      [](Recipe& r) { r.linear_weights = symmetric(8); },
      [](Recipe& r) { r.linear_weights = symmetric(8, false, WeightRange::mse); },
      [](Recipe& r) { r.activations = Int8Activation(7); },
      [](Recipe& r) { r.end_bits = 8; },
      [](Recipe& r) { r.depthwise_bits = 8; },
      [](Recipe& r) { r.learned_weights = lsq(); },
      [](Recipe& r) { r.learned_weights = TqtRange(); },
      [](Recipe& r) { r.learned_weights = LsqRange({.gradient_scale = GradientScale::none}); },
      [](Recipe& r) { r.learned_activations = lsq(); },
      [](Recipe& r) { r.learned_activations = PactRange(); },
      [](Recipe& r) { r.scale_lr_factor = 0.1; },
      [](Recipe& r) { r.weight_estimator = EwgsEstimator(0.1); },
      [](Recipe& r) { r.weight_estimator = EwgsEstimator(0.2); },
      [](Recipe& r) { r.activation_estimator = Ste{}; },
      [](Recipe& r) { r.weights = Ternary{}; },
      [](Recipe& r) { r.activations = Ternary{}; },
      [](Recipe& r) { r.calibration_observer = MseObserver{}; },
      [](Recipe& r) { r.calibration_observer = MedianObserver<>{}; },
      [](Recipe& r) { r.training_observer = MinMaxObserver{}; },
      [](Recipe& r) { r.training_observer = MovingAverageObserver(Granularity::per_tensor(), 0.1f); },
      [](Recipe& r) { r.schedule.quantize_at = 0.1; },
      [](Recipe& r) { r.schedule.freeze_ranges_at = 0.1; },
      [](Recipe& r) { r.schedule.freeze_batch_norm_at = 0.1; },
      [](Recipe& r) { r.target = targets::onnxruntime; },
      [](Recipe& r) { r.target.add = integer::AddRule::three_roundings; },  // mixed, under the old name
      [](Recipe& r) { r.overrides = {{"a", symmetric(4), {}}}; },
      [](Recipe& r) { r.overrides = {{"b", symmetric(4), {}}}; },
      [](Recipe& r) { r.overrides = {{"a", {}, Int8Activation(4)}}; },
      [](Recipe& r) { r.overrides = {{"a", {}, Int8Activation(5)}}; },
  };
  std::set<std::string> texts;
  for (const auto& change : changes) {
    Recipe r;
    change(r);
    texts.insert(r.describe());
    CHECK(r.describe() == Recipe(r).describe());
  }
  CHECK(texts.size() == changes.size());
}

TEST_CASE("observers, estimators, schemes and optimizers are described with their options") {
  const Granularity channels = Granularity::per_channel(0), other = Granularity::per_channel(1);
  all_differ<AnyObserver>(MovingAverageObserver(), MovingAverageObserver(channels), MovingAverageObserver(other),
                          MovingAverageObserver(Granularity::per_tensor(), 0.02f), MinMaxObserver(),
                          MinMaxObserver(channels), LastBatchObserver(), HistogramObserver(), HistogramObserver(channels),
                          HistogramObserver(Granularity::per_tensor(), Grid::int8(), 1024), MseObserver(),
                          MseObserver(Granularity::per_tensor(), Grid::int8(), false, 1024), PercentileObserver(),
                          PercentileObserver(Granularity::per_tensor(), 99.9), MeanSigmaObserver(),
                          MeanSigmaObserver(Granularity::per_tensor(), 3), EntropyObserver());
  all_differ<AnyEstimator>(Ste{}, ClippedSte{}, ClippedSte{ClipMask::raw_inclusive}, EwgsEstimator(0.1),
                           EwgsEstimator(0.2), PactEstimator{}, TanhEstimator(2), TanhEstimator(3), DsqEstimator(0.2),
                           DsqEstimator(0.3), SigmoidEstimator(2), SigmoidEstimator(3), UnnamedEstimator{});
  all_differ<AnyScheme>(Int8PerTensor{}, Int8PerChannel(0), Int8PerChannel(1), IntN(8), IntN(7), IntN(7, channels), MseIntN(7, channels), MseIntN(6, channels),
                        WideIntN(7), Int8Activation(), Int8Activation(4), PowerOfTwoScales(), PowerOfTwoScales(4),
                        PowerOfTwoScales(8, {}, PowerOfTwo::nearest), AdditivePowersOfTwo(4),
                        AdditivePowersOfTwo(5), AdditivePowersOfTwo(4, channels), AdditivePowersOfTwo(4, {}, false),
                        Ternary{}, Ternary(channels), Binary{}, Binary(channels), MxInt8{},
                        MxFloat<FloatFormat::fp8_e4m3()>{}, MxFloat<FloatFormat::fp6_e2m3()>{},
                        FloatScheme<FloatFormat::fp8_e4m3()>{}, FloatScheme<FloatFormat::fp8_e4m3()>(channels),
                        FloatScheme<FloatFormat{4, 3, FloatSpecials::none, true}>{},
                        StochasticRounding(IntN(7), 1), StochasticRounding(IntN(7), 2), StochasticRounding(IntN(6), 1));
  all_differ<AnyOptimizer>(Adam{}, Adam{.lr = 1}, Adam{.beta1 = 0.5}, Adam{.beta2 = 0.5}, Adam{.eps = 1},
                           Adam{.weight_decay = 1}, AdamW{}, AdamW{.lr = 1}, AdamW{.weight_decay = 1}, Sgd{},
                           Sgd{.lr = 1}, Sgd{.momentum = 0.5}, Sgd{.momentum = 0.5, .dampening = 0.5},
                           Sgd{.momentum = 0.5, .nesterov = true}, Sgd{.weight_decay = 1});
  CHECK(AnyEstimator(UnnamedEstimator{}).describe().find("UnnamedEstimator") != std::string::npos);
}

TEST_CASE("every attribute of an operator is part of a graph's description") {
  const std::vector<Build> builds{
      [](auto x) { return relu(x); },
      [](auto x) { return relu(x).named("other"); },
      [](auto x) { return relu6(x); },
      [](auto x) { return leaky_relu(x, {.alpha = 0.1f}); },
      [](auto x) { return leaky_relu(x, {.alpha = 0.10000001f}); },
      [](auto x) { return dropout(x, {.rate = 0.1f}); },
      [](auto x) { return dropout(x, {.rate = 0.2f}); },
      [](auto x) { return batch_norm(x); },
      [](auto x) { return batch_norm(x, {.eps = 1e-3f}); },
      [](auto x) { return batch_norm(x, {.momentum = 0.2f}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3}); },
      [](auto x) { return conv2d(x, {.filters = 8, .kernel = 3}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = {3, 1}}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .dilation = 2}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .groups = 2}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .bias = false}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .padding = Padding::of(1, 1, 1, 1)}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .padding = Padding::of(0, 2, 1, 1)}); },
      [](auto x) { return conv2d(x, {.filters = 4, .kernel = 3, .stride = 2}); },
      [](auto x) { return depthwise_conv2d(x, {.kernel = 3}); },
      [](auto x) { return depthwise_conv2d(x, {.kernel = 3, .multiplier = 2}); },
      [](auto x) { return max_pool(x, {.size = 3, .stride = 2}); },
      [](auto x) { return max_pool(x, {.size = 2, .stride = 2, .padding = Padding::same()}); },
      [](auto x) { return max_pool(x, {.size = 2, .stride = 2}); },
      [](auto x) { return average_pool(x, {.size = 2, .stride = 2}); },
      [](auto x) { return average_pool(x, {.size = 2, .stride = 2, .count_padding = true}); },
      [](auto x) { return mean(x, {0, 1}); },
      [](auto x) { return mean(x, {0, 1}, true); },
      [](auto x) { return concat({x, x}, 0); },
      [](auto x) { return concat({x, x}, 1); },
      [](auto x) { return transpose(x, {1, 0, 2}); },
      [](auto x) { return transpose(x, {0, 1, 2}); },
      [](auto x) { return reshape(x, {64, 1, 4}); },
      [](auto x) { return pad(x, {1, 1, 1, 1}); },
      [](auto x) { return pad(x, {0, 2, 1, 1}); },
  };
  std::set<std::string> texts;
  for (const Build& build : builds) texts.insert(text_of(build));
  CHECK(texts.size() == builds.size());
  CHECK(text_of(builds[0]) == text_of(builds[0]));
  CHECK(text_of(builds[0]) != text_of(builds[0], {8, 8, 5}));
  // Inputs and outputs count, too.
  const auto join = [](bool swapped, bool two) {
    Graph g;
    const auto x = g.input({4}), y = g.input({4});
    const auto z = swapped ? y - x : x - y;
    g.output(z);
    if (two) g.output(x);
    return graph::describe(g);
  };
  CHECK(std::set{join(false, false), join(true, false), join(false, true)}.size() == 3);
}

TEST_CASE("a model's identity is its graph and its recipe, and all differences are shown") {
  Graph g;
  g.output(linear(g.input({4}), {.units = 2}));
  const Model model(g, Rng(1));
  CHECK(identity(model) == Identity{{"graph", graph::describe(g)}});
  const Identity four = identity(QatModel(model, recipes::w4a4_lsq())), two = identity(QatModel(model, recipes::w2a2_lsq()));
  REQUIRE(four.size() == 2);
  CHECK(four[0] == two[0]);
  CHECK(differences(four[1].second, two[1].second) ==
        "name: w4a4_lsq, wanted name: w2a2_lsq; weights: 4 bits, least error per channel of axis 0, codes -7..7, wanted "
        "weights: 2 bits, least error per channel of axis 0, codes -1..1; linear weights: 4 bits, least error per channel of "
        "axis 0, codes -7..7, wanted linear weights: 2 bits, least error per channel of axis 0, codes -1..1; activations: 4 "
        "bits, affine per tensor, codes -128..-113, wanted activations: 2 bits, affine per tensor, codes -128..-125");
  CHECK(differences(four[1].second, four[1].second).empty());
  CHECK(differences("a\n", "a\nb\n") == "nothing, wanted b");
  CHECK(differences("a\nc\n", "a\nb\nc\n") == "nothing, wanted b");
  CHECK(differences("a\nb\nc\n", "a\nc\n") == "b, wanted nothing");
  std::string many, others;
  for (int i = 0; i < 20; ++i) {
    many += fmt::format("a{}\n", i);
    others += fmt::format("b{}\n", i);
  }
  CHECK_THAT(differences(many, others), ContainsSubstring("a11, wanted b11 (and 8 lines more)"));
  const std::string rules = differences(describe(targets::tflite_reference), describe(targets::onnxruntime));
  CHECK_THAT(rules, ContainsSubstring("target's convolution: double_rounding, wanted target's convolution: "));
  CHECK(enumerator_name(integer::AddRule::three_roundings) == "three_roundings");
  CHECK(enumerator_name(static_cast<integer::AddRule>(9)) == "9");
}

TEST_CASE("content is told apart by its hash") {
  Graph g;
  g.output(linear(batch_norm(g.input({4})), {.units = 2}));
  const Model model(g, Rng(1));
  CHECK(content_hash(model) == content_hash(Model(g, Rng(1))));
  CHECK(content_hash(model) != content_hash(Model(g, Rng(2))));
  Model moved = model;
  moved.buffers()[0].value.edit()[0] += 1e-6f;
  CHECK(content_hash(model) != content_hash(moved));

  const auto data = [](std::uint8_t pixel, std::int32_t label, float divisor, const char* name) {
    return Dataset(Tensor<std::uint8_t>({3, 2}, {1, 2, 3, 4, 5, pixel}), Tensor<std::int32_t>({3}, {0, 1, label}), 3, name,
                   divisor);
  };
  const Dataset one = data(6, 2, 255, "one");
  CHECK(content_hash(one) == content_hash(data(6, 2, 255, "another name")));
  CHECK(content_hash(one) != content_hash(data(7, 2, 255, "one")));
  CHECK(content_hash(one) != content_hash(data(6, 1, 255, "one")));
  CHECK(content_hash(one) != content_hash(data(6, 2, 128, "one")));
  CHECK(content_hash(one) != content_hash(one.first(2)));
  CHECK(content_hash(one.first(2)) == content_hash(data(7, 2, 255, "one").first(2)));
  const Dataset floats(Tensor<float>({2, 2}, {1, 2, 3, 4}), Tensor<std::int32_t>({2}, {0, 1}), 2, "f");
  CHECK(content_hash(floats) == content_hash(Dataset(Tensor<float>({2, 2}, {1, 2, 3, 4}), Tensor<std::int32_t>({2}, {0, 1}), 2, "g")));
  CHECK(content_hash(floats.slice(1, 2)) != content_hash(floats.slice(0, 1)));
}

}  // namespace identity_test
