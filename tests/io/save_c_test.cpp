// C sources: they compile as strict C99, and plain loops over their tables make the codes of the engine.

#include <stet/engine/engine.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/tflite/encode.hpp>

#include "every_operator.hpp"
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

int run(const std::string& command) { return std::system(command.c_str()); }

const std::string strict = "gcc -std=c99 -pedantic -Wall -Wextra -Wconversion -Wsign-conversion -Wcast-qual -Werror ";

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
