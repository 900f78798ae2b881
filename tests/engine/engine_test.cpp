// The engine refuses models that do not fit before it runs them, and runs good ones without new memory.

#include <stet/core/pool.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <limits>
#include <memory>
#include <thread>

namespace engine_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// One operator of every kind that can be got wrong.
IntegerModel good_model() {
  Graph g;
  auto x = g.input({8, 6, 4});
  const auto conv = relu(conv2d(x, {.filters = 4, .kernel = 3})).named("conv_relu");
  auto y = depthwise_conv2d(conv, {.kernel = 3, .multiplier = 1}).named("depthwise");
  y = (y + conv).named("sum");
  y = concat({y, conv}, 2).named("join");
  y = max_pool(y).named("pool");
  y = pad(y, {.top = 1, .left = 2}).named("margin");
  y = transpose(y, {1, 0, 2}).named("turn");
  y = relu(y).named("clamp");
  y = reshape(y, {5, 5, 8}).named("same");
  y = global_average_pool(y).named("mean");
  g.output(linear(y, {.units = 3}).named("head"));
  return quantize(Model(std::move(g), Rng(1)), recipes::int8(), random_dataset({8, 6, 4}, 20, 3, 1));
}

IntegerNode& node(IntegerModel& m, std::string_view output) {
  for (IntegerNode& n : m.nodes) {
    if (m.values[static_cast<std::size_t>(n.output)].name == output) return n;
  }
  throw std::runtime_error("no such node");
}
IntegerValue& value(IntegerModel& m, std::string_view name) {
  return m.values[static_cast<std::size_t>(node(m, name).output)];
}

template <class F>
void refused(const char* what, Errc code, F change) {
  INFO(what);
  IntegerModel m = good_model();
  change(m);
  try {
    const Engine engine(m);
    FAIL("accepted");
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(e.code() == code);
  }
}

}  // namespace

TEST_CASE("a model that does not fit together is refused before it runs") {
  const IntegerModel good = good_model();
  REQUIRE_NOTHROW(Engine(good));
  using M = IntegerModel;
  refused("no output", Errc::state, [](M& m) { m.outputs.clear(); });
  refused("unknown output", Errc::state, [](M& m) { m.outputs = {99}; });
  refused("negative output", Errc::state, [](M& m) { m.outputs = {-1}; });
  refused("no input", Errc::state, [](M& m) { m.nodes.erase(m.nodes.begin()); });
  refused("an input of another shape than its value", Errc::shape, [](M& m) {
    m.values.push_back(m.values[0]);
    m.nodes.push_back({"again", graph::op::Input{{3}}, {}, static_cast<int>(m.values.size()) - 1});
  });
  refused("cycle", Errc::state, [](M& m) { node(m, "conv_relu").inputs = {node(m, "head").output}; });
  refused("reads itself", Errc::state, [](M& m) { node(m, "pool").inputs = {node(m, "pool").output}; });
  refused("unmade value", Errc::state, [](M& m) { std::swap(m.nodes[1], m.nodes[2]); });
  refused("written twice", Errc::state, [](M& m) { node(m, "depthwise").output = node(m, "conv_relu").output; });
  refused("missing value", Errc::state, [](M& m) { node(m, "pool").output = 99; });
  refused("too few inputs", Errc::shape, [](M& m) { node(m, "sum").inputs.pop_back(); });
  refused("too many inputs", Errc::shape, [](M& m) { node(m, "pool").inputs.push_back(0); });
  refused("concat of nothing", Errc::shape, [](M& m) { node(m, "join").inputs.clear(); });
  refused("Input in the middle", Errc::shape, [](M& m) { node(m, "pool").op = graph::op::Input{{4, 3, 8}}; });

  for (const char* name : {"conv_relu", "depthwise", "sum", "join", "pool", "margin", "turn", "clamp", "same", "mean", "head"}) {
    INFO(name);
    refused("wrong shape", Errc::shape, [&](M& m) { value(m, name).shape = {3, 3, 7}; });
    refused("no elements", Errc::shape, [&](M& m) { value(m, name).shape = {0}; });
    refused("scale 0", Errc::range, [&](M& m) { value(m, name).codes.scale = 0.0f; });
    refused("scale NaN", Errc::range, [&](M& m) { value(m, name).codes.scale = std::nanf(""); });
    refused("scale infinite", Errc::range, [&](M& m) { value(m, name).codes.scale = INFINITY; });
    refused("negative scale", Errc::range, [&](M& m) { value(m, name).codes.scale = -1.0f; });
    refused("zero point outside", Errc::range, [&](M& m) { value(m, name).codes.zero_point = 128; });
    refused("wide grid", Errc::range, [&](M& m) { value(m, name).codes.grid = {0, 255}; });
  }
  refused("rank without room for a batch", Errc::shape, [](M& m) { value(m, "head").shape = {3, 1, 1, 1, 1, 1}; });
  for (const char* name : {"join", "pool", "margin", "turn", "clamp", "same"}) {
    INFO(name);
    refused("another scale", Errc::range, [&](M& m) { value(m, name).codes.scale *= 2.0f; });
  }

  const auto conv = [](M& m) -> auto& { return node(m, "conv_relu").constants; };
  const auto attributes = [](M& m) -> auto& { return *node(m, "conv_relu").op.get_if<graph::op::Conv2D>(); };
  refused("bias length", Errc::shape, [&](M& m) { conv(m).bias = Tensor<std::int32_t>::zeros({5}); });
  refused("no bias", Errc::shape, [&](M& m) { conv(m).bias = {}; });
  refused("bias that overflows", Errc::range,
          [&](M& m) { conv(m).bias = Tensor<std::int32_t>::filled({4}, std::numeric_limits<std::int32_t>::max()); });
  refused("weight scales", Errc::shape, [&](M& m) { conv(m).weight_scale.pop_back(); });
  refused("weight scale 0", Errc::range, [&](M& m) { conv(m).weight_scale[2] = 0.0f; });
  refused("huge multiplier", Errc::unsupported, [&](M& m) { conv(m).weight_scale[2] = 1e9f; });
  refused("weights of other channels", Errc::shape, [&](M& m) { conv(m).weights = Tensor<std::int8_t>::zeros({4, 3, 3, 5}); });
  refused("flat weights", Errc::shape, [&](M& m) { conv(m).weights = Tensor<std::int8_t>::zeros({4, 36}); });
  refused("no weights", Errc::shape, [&](M& m) { conv(m).weights = {}; });
  refused("groups 0", Errc::shape, [&](M& m) { attributes(m).groups = 0; });
  refused("groups 3", Errc::shape, [&](M& m) { attributes(m).groups = 3; });
  refused("stride 0", Errc::range, [&](M& m) { attributes(m).stride = 0; });
  refused("negative padding", Errc::range, [&](M& m) { attributes(m).padding = Padding::of(-1); });
  refused("multiplier", Errc::shape,
          [](M& m) { node(m, "depthwise").op.get_if<graph::op::DepthwiseConv2D>()->multiplier = 2; });
  refused("concat axis", Errc::range, [](M& m) { node(m, "join").op.get_if<graph::op::Concat>()->axis = 3; });
  refused("negative concat axis", Errc::range, [](M& m) { node(m, "join").op.get_if<graph::op::Concat>()->axis = -1; });
  refused("other concat axis", Errc::shape, [](M& m) { node(m, "join").op.get_if<graph::op::Concat>()->axis = 0; });
  refused("negative pad", Errc::range, [](M& m) { node(m, "margin").op.get_if<graph::op::Pad>()->top = -1; });
  refused("axis twice", Errc::range, [](M& m) { node(m, "turn").op.get_if<graph::op::Transpose>()->axes = {0, 0, 2}; });
  refused("no axes", Errc::range, [](M& m) { node(m, "turn").op.get_if<graph::op::Transpose>()->axes = {}; });
  refused("unknown axis", Errc::range, [](M& m) { node(m, "turn").op.get_if<graph::op::Transpose>()->axes = {0, 1, 40}; });
  refused("window too large", Errc::shape, [](M& m) { node(m, "pool").op.get_if<graph::op::MaxPool>()->size = 9; });
  refused("window in the padding", Errc::shape, [](M& m) {
    auto& pool = *node(m, "pool").op.get_if<graph::op::MaxPool>();
    pool.padding = Padding::of(2, 0, 0, 0);
  });
}

TEST_CASE("an error names the node") {
  IntegerModel m = good_model();
  node(m, "head").constants.weight_scale = {1e9f};
  CHECK_THROWS_WITH(Engine(m), ContainsSubstring("engine: head: ") && ContainsSubstring("multiplier"));
  node(m, "head").constants.weight_scale = {-1.0f};
  CHECK_THROWS_WITH(Engine(m), ContainsSubstring("\n  head: weight scale 0 is -1, must be positive and finite"));
}

TEST_CASE("an input that does not fit is refused") {
  const Engine engine(good_model());
  CHECK(engine.input_shape() == Shape{8, 6, 4});
  for (const Shape& shape : {Shape{8, 6, 4}, Shape{2, 6, 8, 4}, Shape{2, 8, 6, 3}, Shape{0, 8, 6, 4}, Shape{}}) {
    INFO(shape.str());
    CHECK_THROWS_AS(engine.run(Tensor<float>::zeros(shape)), Error);
  }
  // Infinities would saturate and NaN has a code: neither would be seen in the logits.
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Tensor<float> x = Tensor<float>::zeros({1, 8, 6, 4});
    x.edit()[7] = bad;
    CHECK_THROWS_WITH(engine.run(x), ContainsSubstring("1 values are NaN or infinite, the first at index 7"));
  }
}

TEST_CASE("after the first batch the engine takes no memory from the system", "[bits]") {
  const Engine engine(good_model());
  const Tensor<float> x = random_images({8, 6, 4}, 16, 3);
  Tensor<float> y = infer(engine, x);
  const auto before = MemoryPool::instance().statistics();
  for (int i = 0; i < 20; ++i) y = infer(engine, x);
  CHECK(MemoryPool::instance().statistics().system_allocations == before.system_allocations);
  // A smaller batch lives in the same arena.
  (void)engine.run(random_images({8, 6, 4}, 3, 4));
  CHECK(same_bits(infer(engine, x), y));
}

TEST_CASE("copies of an engine run at the same time", "[bits]") {
  const Engine engine(good_model());
  const Tensor<float> x = random_images({8, 6, 4}, 5, 3), other = random_images({8, 6, 4}, 5, 4);
  const Tensor<float> wanted = infer(engine, x), second = infer(engine, other);
  auto original = std::make_unique<Engine>(engine);
  (void)infer(*original, x);
  const Engine copy = *original;
  Engine moved = std::move(*original);
  original.reset();
  bool good = true, also = true;
  const auto repeat = [](const Engine& e, const Tensor<float>& in, const Tensor<float>& out, bool& same) {
    for (int i = 0; i < 50; ++i) same = same && same_bits(infer(e, in), out);
  };
  std::thread thread([&] { repeat(copy, x, wanted, good); });
  repeat(moved, other, second, also);
  thread.join();
  CHECK(good);
  CHECK(also);
}

}  // namespace engine_test
