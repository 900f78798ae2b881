// Bilinear interpolation: positions, values and gradient, the codes of each target's rule, training and files.

#include <stet/model/check.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/ops/resize_bilinear.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/on_targets.hpp"
#include "support/tensors.hpp"

namespace resize_bilinear_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::ResizeBilinear;

namespace {

constexpr Coordinates all_coordinates[] = {Coordinates::half_pixel, Coordinates::align_corners, Coordinates::asymmetric};

// An image made larger, smaller, and to odd sizes; each way of counting.
Model network() {
  Graph g;
  auto x = relu(conv2d(g.input({6, 5, 3}), {.filters = 5, .kernel = 3, .stride = 2}).named("stem")).named("act");
  x = resize_bilinear(x, {6, 6}).named("twice");
  x = resize_bilinear(conv2d(x, {.filters = 4}).named("mix"), {11, 5}, Coordinates::align_corners).named("corners");
  x = resize_bilinear(x, {4, 9}, Coordinates::asymmetric).named("legacy") + resize_bilinear(x, {4, 9}).named("small");
  g.output(linear(global_average_pool(x), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

// A position as ONNX writes it, in long double.
long double place_of(std::int64_t i, std::int64_t in, std::int64_t out, Coordinates c) {
  const auto n = static_cast<long double>(in), m = static_cast<long double>(out), v = static_cast<long double>(i);
  const long double place = c == Coordinates::half_pixel               ? (v + 0.5L) * n / m - 0.5L
                            : c == Coordinates::asymmetric || out == 1 ? v * n / m
                                                                       : v * (n - 1) / (m - 1);
  return std::clamp<long double>(place, 0, n - 1);
}

}  // namespace

TEST_CASE("positions lie where their formulas say", "[operators]") {
  for (const Coordinates c : all_coordinates) {
    for (std::int64_t in = 1; in <= 12; ++in) {
      for (std::int64_t out = 1; out <= 40; ++out) {
        const auto positions = sample_positions(in, out, c);
        REQUIRE(positions.size() == static_cast<std::size_t>(out));
        for (std::int64_t i = 0; i < out; ++i) {
          const SamplePosition& p = positions[static_cast<std::size_t>(i)];
          CHECK(std::fabs(static_cast<double>(static_cast<long double>(p.lo) + p.fraction() - place_of(i, in, out, c))) < 1e-12);
          CHECK((p.hi == p.lo + 1 || (p.hi == p.lo && p.lo == in - 1 && p.rest == 0)));
        }
      }
    }
  }
  CHECK_THROWS_WITH(sample_positions(0, 4, Coordinates::half_pixel), ContainsSubstring("0 samples cannot be resized to 4"));
}

TEST_CASE("bilinear interpolation of a plane is that plane, and its gradient is the true one", "[operators]") {
  // torch.nn.functional.interpolate(torch.arange(6.).reshape(1, 1, 2, 3), size=(3, 4), mode="bilinear")
  const Tensor<double> x(Shape{1, 2, 3, 1}, std::vector<double>{0, 1, 2, 3, 4, 5});
  const Tensor<double> y = resize_bilinear_forward(x, Interpolation({2, 3, 1}, 3, 4, Coordinates::half_pixel));
  const double wanted[] = {0, 0.625, 1.375, 2, 1.5, 2.125, 2.875, 3.5, 3, 3.625, 4.375, 5};
  for (std::int64_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(wanted[i]).margin(1e-12));
  for (const Coordinates c : all_coordinates) {
    for (const Pair to : {Pair(7, 5), Pair(2, 9), Pair(1, 1), Pair(6, 8)}) {
      const Interpolation i({3, 4, 2}, to.height, to.width, c);
      const auto report = testing::check_gradient([&](auto v) { return resize_bilinear(v, i); }, {uniform({2, 3, 4, 2}, 3)});
      INFO(report.str());
      CHECK(report.ok());
    }
  }
  Graph g;
  const auto value = g.input({4, 4, 2});
  CHECK(graph::attributes(g.node(resize_bilinear(value, {3, 9}, Coordinates::asymmetric).id()).op) == "asymmetric");
  CHECK_THROWS_WITH(resize_bilinear(value, {0, 2}), ContainsSubstring("4x4 cannot become 0x2"));
  CHECK_THROWS_WITH(resize_bilinear(flatten(value), {2, 2}), ContainsSubstring("wants an image"));
}

TEST_CASE("codes are those of each rule in 128-bit arithmetic", "[operators][bits]") {
  Rng rng(4);
  for (const Target& target : targets::all) {
    for (int trial = 0; trial < 120; ++trial) {
      const Coordinates c = all_coordinates[trial % 3];
      const Shape image{draw(rng, 1, 9), draw(rng, 1, 9), draw(rng, 1, 40)};
      const std::int64_t height = draw(rng, 1, 20), width = draw(rng, 1, 20);
      Tensor<std::int8_t> x(image.batched(2));
      for (std::int8_t& q : x.edit())
        q = static_cast<std::int8_t>(chance(rng, 0.2) ? (chance(rng, 0.5) ? -128 : 127) : draw(rng, -128, 127));
      const integer::ResizeParameters p = integer::make_resize(target, image, height, width, c);
      Tensor<std::int8_t> y(Shape{2, height, width, image[2]});
      integer::resize_bilinear(x, p, y.edit());
      // Weights stay near the exact ones: half a step of the rule, and what rounded distances drift.
      const int bits = integer::weight_bits(target.resize);
      const double step = std::ldexp(1.0, -bits), drift = bits == 10 ? 0.5 * static_cast<double>(height) : 0.0;
      const auto exact = sample_positions(image[0], height, c);
      for (std::size_t i = 0; i < exact.size(); ++i) {
        const double place = p.rows[i].lo + (p.rows[i].hi > p.rows[i].lo ? step * p.rows[i].weight : 0.0),
                     wanted = static_cast<double>(exact[i].lo) + exact[i].fraction();
        CHECK(std::fabs(place - wanted) <= step * (0.51 + drift));
      }
      for (std::int64_t i = 0; i < y.size(); ++i) {
        const std::int64_t k = i % image[2], w = i / image[2] % width, h = i / image[2] / width % height, n = i / image[2] / width / height;
        const auto &r = p.rows[static_cast<std::size_t>(h)], &s = p.columns[static_cast<std::size_t>(w)];
        const auto at = [&](std::int64_t a, std::int64_t b) {
          return static_cast<__int128>(x[((n * image[0] + a) * image[1] + b) * image[2] + k]);
        };
        const __int128 one = __int128{1} << bits, whole = one * one;
        const __int128 sum = (at(r.lo, s.lo) * (one - s.weight) + at(r.lo, s.hi) * s.weight) * (one - r.weight) +
                             (at(r.hi, s.lo) * (one - s.weight) + at(r.hi, s.hi) * s.weight) * r.weight;
        // The code nearest to sum / whole, ties by the rule: twice the distance against one step.
        const __int128 twice = 2 * (sum - y[i] * whole);
        CHECK((twice >= -whole && twice <= whole));
        if (twice == whole || twice == -whole) {
          if (target.resize == integer::ResizeRule::float_11_half_up) CHECK(twice == -whole);
          if (target.resize == integer::ResizeRule::fixed_10_half_away) CHECK((twice > 0) == (sum < 0));
          if (target.resize == integer::ResizeRule::exact_8_half_even) CHECK(y[i] % 2 == 0);
        }
      }
    }
  }
}

TEST_CASE("bilinear interpolation trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  check_codes_on_targets(network());
}

TEST_CASE("positions that the reference kernel rounds to behind the image are refused before training", "[operators]") {
  Graph g;
  auto x = resize_bilinear(conv2d(g.input({1, 4, 2}), {.filters = 2, .kernel = 1}), {290, 4}, Coordinates::asymmetric).named("tall");
  g.output(linear(global_average_pool(x), {.units = 2}));
  const Model model(std::move(g), Rng(1));
  CHECK_THROWS_WITH(prepare(model, recipe_of(targets::tflite_reference)),
                    ContainsSubstring("tall (resize_bilinear): resizes 1 lines to 290") && ContainsSubstring("resize in two steps"));
  CHECK_NOTHROW(prepare(model, recipe_of(targets::litert_default)));
  CHECK_THROWS_WITH(integer::make_resize(targets::tflite_micro, {1, 4, 2}, 290, 4, Coordinates::asymmetric),
                    ContainsSubstring("behind the last sample"));
  // Tables of C have the micro runtime's arithmetic whatever the target.
  const TemporaryDirectory dir;
  CHECK_THROWS_WITH(save_c_weights(dir.path("m.c"), integers_of(model, recipe_of(targets::litert_default))), ContainsSubstring("tall"));
}

TEST_CASE("bilinear interpolation comes back from files", "[operators]") {
  const Model model = network();
  const auto kept = [](const Model& loaded) { CHECK(count_kind(loaded, "resize_bilinear") == 4); };
  check_tflite_floats(model, kept);
  check_onnx_floats(model, kept);
  const Tensor<float> x = random_images({6, 5, 3}, 3, 5);
  const IntegerModel integers = integers_of(model);
  check_tflite_codes(integers, x);
  CHECK_THAT(c_text(integers), ContainsSubstring("STET_RESIZE_BILINEAR, \"twice\""));
  TfliteOptions options{.format = TfliteFormat::int16x8};
  options.ranges = observe_ranges(model, drawn_data(model));
  CHECK(tflite::describe(model, options).operators.size() > 8);
  // Resize where its weights are exact in float, else products with matrices: never between DequantizeLinear and QuantizeLinear.
  const onnx::ModelInfo info = onnx::decode(onnx_bytes(integers_of(model, recipe_of(targets::onnxruntime))), "m");
  const auto count = [&](std::string_view type) {
    return std::ranges::count_if(info.nodes, [&](const onnx::NodeInfo& n) { return n.op_type == type; });
  };
  CHECK(count("Resize") == 1);
  CHECK(count("MatMul") == 6);
  CHECK(count("Round") == 4);
}

}  // namespace resize_bilinear_test
