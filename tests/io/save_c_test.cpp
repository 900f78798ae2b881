// C sources: they compile as strict C99, and plain loops over their tables make the codes of the engine.

#include <stet/core/random.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/tflite/encode.hpp>

#include "support/catch.hpp"
#include "temporary_directory.hpp"

#include <cstdlib>
#include <map>

namespace save_c_test {

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
namespace op = graph::op;

namespace {

// Builds an integer model with drawn constants.
struct Builder {
  IntegerModel model;
  Rng rng;

  explicit Builder(std::uint64_t seed) : rng(seed) { model.target = targets::tflite_micro; }

  const IntegerValue& operator[](int v) const { return model.values[static_cast<std::size_t>(v)]; }
  int node(const std::string& name, graph::Operator o, std::vector<int> inputs, const Shape& shape, Affine codes,
           Activation activation = Activation::none, LayerConstants constants = {}) {
    const auto out = static_cast<int>(model.values.size());
    model.values.push_back({name, shape, codes});
    model.nodes.push_back({name, std::move(o), std::move(inputs), out, activation, std::move(constants)});
    return out;
  }
  int same(const std::string& name, graph::Operator o, std::vector<int> inputs, const Shape& shape) {
    const Affine codes = (*this)[inputs[0]].codes;
    return node(name, std::move(o), std::move(inputs), shape, codes);
  }
  LayerConstants constants(const Shape& weights, std::int64_t outputs, bool per_channel) {
    LayerConstants c{Tensor<std::int8_t>(weights), {}, Tensor<std::int32_t>(Shape{outputs})};
    for (std::int8_t& q : c.weights.edit()) q = static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127);
    for (std::int32_t& q : c.bias.edit()) q = static_cast<std::int32_t>(rng.below(4001)) - 2000;
    for (std::int64_t i = 0; i < (per_channel ? outputs : 1); ++i) {
      c.weight_scale.push_back(static_cast<float>(0.002 + 0.01 * rng.uniform()));
    }
    return c;
  }
};

// Every operator once, with odd sizes, groups, dilation, asymmetric padding and activations.
IntegerModel every_operator(std::uint64_t seed) {
  Builder b(seed);
  constexpr auto none = Activation::none;
  const int x = b.node("input", op::Input{{7, 6, 4}}, {}, {7, 6, 4}, {0.02f, -3});
  const int conv = b.node("conv",
                          op::Conv2D{.filters = 6,
                                     .kernel = {3, 2},
                                     .stride = {2, 1},
                                     .padding = Padding::of(0, 2, 1, 0),
                                     .dilation = {1, 2},
                                     .groups = 2},
                          {x}, {4, 5, 6}, {0.05f, -90}, Activation::relu6, b.constants({6, 3, 2, 2}, 6, true));
  const int deep = b.node("deep", op::DepthwiseConv2D{.kernel = 3, .multiplier = 2}, {conv}, {4, 5, 12}, {0.06f, 11}, none,
                          b.constants({1, 3, 3, 12}, 12, seed % 2 == 0));
  const int deeper = b.node("deeper", op::DepthwiseConv2D{.kernel = 1}, {deep}, {4, 5, 12}, {0.03f, -20}, none,
                            b.constants({1, 1, 1, 12}, 12, true));
  const int sum = b.node("sum", op::Add{}, {deep, deeper}, {4, 5, 12}, {0.05f, -100}, Activation::relu);
  const int rest = b.node("rest", op::Sub{}, {sum, deeper}, {4, 5, 12}, {0.04f, 3});
  const int product = b.node("product", op::Mul{}, {sum, rest}, {4, 5, 12}, {0.07f, -77}, Activation::relu6);
  const int high =
      b.same("high", op::MaxPool{.size = {2, 3}, .stride = {1, 2}, .padding = Padding::same()}, {product}, {4, 3, 12});
  const int middle = b.same("middle", op::AveragePool{.size = {3, 2}, .stride = {1, 2}, .padding = Padding::same()},
                            {product}, {4, 3, 12});
  const int both = b.same("both", op::Concat{1}, {high, middle}, {4, 6, 12});
  const int deepest = b.same("both.channels", op::Concat{2}, {both, both}, {4, 6, 24});
  const int padded = b.same("padded", op::Pad{1, 0, 2, 1}, {deepest}, {5, 9, 24});
  const int turned = b.same("turned", op::Transpose{{1, 0, 2}}, {padded}, {9, 5, 24});
  const int cut = b.same("cut", op::Relu{}, {turned}, {9, 5, 24});
  const int reshaped = b.same("reshaped", op::Reshape{{45, 1, 24}}, {cut}, {45, 1, 24});
  const int mean = b.node("mean", op::GlobalAveragePool{}, {reshaped}, {24}, {0.01f, -30});
  const int logits = b.node("logits", op::Linear{.units = 5}, {mean}, {5}, {0.08f, 7}, none, b.constants({5, 24}, 5, seed % 3 == 0));
  const int leaky = b.node("leaky", op::LeakyRelu{0.1f}, {logits}, {5}, {0.05f, -40});
  const int swish = b.node("swish", op::HardSwish{}, {leaky}, {5}, {0.04f, -60});
  const int tanh = b.node("tanh", op::Tanh{}, {swish}, {5}, {1.0f / 128.0f, 0});
  const int sigmoid = b.node("sigmoid", op::Sigmoid{}, {tanh}, {5}, {1.0f / 256.0f, -128});
  // Operands that are repeated.
  const int gate = b.node("gate", op::GlobalAveragePool{true}, {product}, {1, 1, 12}, {0.02f, 5});
  const int narrow = b.same("narrow", op::MaxPool{.size = {4, 1}}, {product}, {1, 5, 12});
  const int gated = b.node("gated", op::Mul{}, {gate, product}, {4, 5, 12}, {0.06f, -40});
  const int lifted = b.node("lifted", op::Add{}, {gated, narrow}, {4, 5, 12}, {0.07f, -30}, Activation::relu);
  const int lowered = b.node("lowered", op::Sub{}, {narrow, lifted}, {4, 5, 12}, {0.09f, 20});
  const int part = b.same("part", op::Slice{2, 3, 8}, {b.same("rows", op::Slice{0, 1, 4}, {lowered}, {3, 5, 12})}, {3, 5, 5});
  b.same("every_second", op::Slice{1, 0, 5, 2}, {b.same("backwards", op::Slice{2, 4, -1, -1}, {part}, {3, 5, 5})}, {3, 3, 5});
  b.same(
      "most", op::Extremum{true},
      {lowered, b.same("least", op::Extremum{false}, {lowered, b.same("column", op::Slice{1, 2, 3}, {lowered}, {4, 1, 12})}, {4, 5, 12})},
      {4, 5, 12});
  const int larger = b.same("larger", op::Upsample{{2, 3}}, {part}, {6, 15, 5});
  b.same("wider", op::PadChannels{1, 2}, {larger}, {6, 15, 8});
  const int smooth = b.same("smooth", op::ResizeBilinear{7, 10}, {part}, {7, 10, 5});
  b.same("corners", op::ResizeBilinear{4, 23, Coordinates::align_corners}, {smooth}, {4, 23, 5});
  b.model.outputs = {sigmoid};
  return b.model;
}

int run(const std::string& command) { return std::system(command.c_str()); }

const std::string strict = "gcc -std=c99 -pedantic -Wall -Wextra -Werror ";

}  // namespace

TEST_CASE("plain loops over the C tables make the engine's codes of every value") {
  const TemporaryDirectory dir;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    INFO("seed " << seed);
    const IntegerModel model = every_operator(seed);
    const std::string source = dir.path("drawn.c"), program = dir.path("drawn");
    save_c_weights(source, model);
    REQUIRE(run(strict + "-c " + source + " -o " + dir.path("drawn.o")) == 0);
    REQUIRE(run(strict + "-DNETWORK=drawn '-DNETWORK_FILE=\"" + source + "\"' " + STET_TEST_DIR +
                "/io/c_network.c -o " + program) == 0);
    Rng rng(seed);
    Tensor<float> x(Shape{1, 7, 6, 4});
    for (float& v : x.edit()) v = static_cast<float>(rng.normal());
    std::map<int, std::string> wanted;
    const Engine engine(model);
    (void)engine.run(x, [&](int v, std::span<const std::int8_t> codes) {
      wanted[v] = std::string(reinterpret_cast<const char*>(codes.data()), codes.size());
    });
    const std::string in = dir.write("in", wanted.at(0));
    REQUIRE(run(program + " " + in + " " + dir.path("out")) == 0);
    const std::string made = read_text(dir.path("out"));
    std::size_t first = 0;
    for (const auto& [v, codes] : wanted) {
      INFO(model.values[static_cast<std::size_t>(v)].name);
      CHECK(made.substr(first, codes.size()) == codes);
      // A value on one code alone would compare nothing.
      CHECK(codes.find_first_not_of(codes[0]) != std::string::npos);
      first += codes.size();
    }
    CHECK(first == made.size());
  }
}

TEST_CASE("the C tables name the conventions of CMSIS-NN") {
  const TemporaryDirectory dir;
  save_c_weights(dir.path("a-net.weights.c"), every_operator(1));
  const std::string text = read_text(dir.path("a-net.weights.c"));
  CHECK_THAT(text, ContainsSubstring("const stet_network a_net = "));
  // input_offset = -z_in, output_offset = +z_out, stride {w, h}, padding {left, top}, dilation {w, h}, bounds
  CHECK_THAT(text, ContainsSubstring(
                       "cmsis_nn_conv_params a_net_1_conv_params = {3, -90, {1, 2}, {1, 0}, {2, 1}, {-90, 30}}"));
  CHECK_THAT(text, ContainsSubstring("cmsis_nn_fc_params a_net_16_logits_params = {30, 0, 7, {-128, 127}}"));
}

TEST_CASE("what the C tables cannot hold is one error that lists all nodes, before anything is written") {
  const TemporaryDirectory dir;
  IntegerModel model = every_operator(1);
  model.values[5].codes.scale = 1e-9f;                        // rest
  model.nodes[1].constants.weight_scale = {1e5f};             // conv
  model.nodes[11].op.get_if<op::Pad>()->top = 3;              // padded
  std::string text;
  try {
    save_c_weights(dir.path("net.c"), model);
  } catch (const Error& e) {
    text = e.what();
    CHECK(e.code() == Errc::unsupported);
  }
  CHECK_THAT(text, ContainsSubstring("conv: ") && ContainsSubstring("rest: ") && ContainsSubstring("padded: "));
  CHECK(dir.files() == 0);

  model = every_operator(1);
  model.nodes[3].inputs = {16};
  CHECK_THROWS_WITH(save_c_weights(dir.path("net.c"), model),
                    ContainsSubstring("deeper: reads value 16 before it is made"));
  CHECK(dir.files() == 0);
}

TEST_CASE("save_c_array writes the file's bytes, aligned, with the operators to register") {
  const TemporaryDirectory dir;
  tflite::ModelInfo info;
  info.tensors = {{.name = "x", .shape = {1, 2}}, {.name = "y", .shape = {1, 2}}, {.name = "z", .shape = {1, 2}}};
  const auto elementwise = [](tflite::Builtin code, std::vector<std::int32_t> in, std::int32_t out) {
    tflite::OperatorInfo o;
    o.code = code;
    o.inputs = std::move(in);
    o.outputs = {out};
    return o;
  };
  info.operators = {elementwise(tflite::Builtin::relu, {0}, 1), elementwise(tflite::Builtin::logistic, {1}, 2)};
  info.inputs = {0};
  info.outputs = {2};
  const std::vector<std::uint8_t> bytes = tflite::encode(info);
  save_c_array(dir.path("m.c"), "net", bytes);
  const std::string text = read_text(dir.path("m.c"));
  CHECK_THAT(text, ContainsSubstring("MicroMutableOpResolver<2>") && ContainsSubstring("resolver.AddRelu();") &&
                       ContainsSubstring("resolver.AddLogistic();"));
  const std::string check =
      dir.write("check.c", fmt::format("#include <stdio.h>\n#include <stdint.h>\n#include \"m.c\"\n"
                                       "int main(void) {{ if ((uintptr_t)g_net_model_data % 16) return 1;\n"
                                       "return fwrite(g_net_model_data, 1, g_net_model_data_size, stdout) != {}; }}\n",
                                       bytes.size()));
  for (const std::string compiler : {"gcc -std=c99", "gcc -std=c11", "g++ -x c++ -std=c++17"}) {
    INFO(compiler);
    REQUIRE(run(compiler + " -Wall -Wextra -Werror " + check + " -o " + dir.path("check")) == 0);
    REQUIRE(run(dir.path("check") + " > " + dir.path("bytes")) == 0);
    const std::string back = read_text(dir.path("bytes"));
    CHECK(back == std::string(bytes.begin(), bytes.end()));
  }
  CHECK_THROWS_WITH(save_c_array(dir.path("n.c"), "a name", bytes), ContainsSubstring("'a name' is no C identifier"));
  CHECK_THROWS_AS(save_c_array(dir.path("n.c"), "net", std::span(bytes).first(20)), Error);
}

}  // namespace save_c_test
