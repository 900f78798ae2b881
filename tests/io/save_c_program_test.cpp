// C programs: they compile as strict C99, make the engine's codes of every value, and refuse as a whole what they cannot hold.

#include <stet/engine/engine.hpp>
#include <stet/io/save_c_program.hpp>

#include "c_program.hpp"
#include "every_operator.hpp"
#include "support/catch.hpp"
#include "temporary_directory.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

namespace save_c_program_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
namespace op = graph::op;

namespace {

// Every value that a node makes is an output.
IntegerModel with_all_outputs(IntegerModel model) {
  model.outputs.clear();
  for (const IntegerNode& node : model.nodes) {
    if (!graph::is<op::Input>(node.op)) model.outputs.push_back(node.output);
  }
  return model;
}

std::string error_of(const std::string& path, const IntegerModel& model) {
  try {
    save_c_program(path, model);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a C program makes the engine's codes and reals of every value") {
  const TemporaryDirectory dir;
  for (const Target& target : {targets::tflite_micro, targets::tflite_reference, targets::litert_default}) {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      INFO(target.name << ", seed " << seed);
      const IntegerModel model = with_all_outputs(every_operator(seed, target));
      const std::string folder = dir.path("drawn" + std::to_string(seed));
      save_c_program(folder, model);
      const CProgram c(folder, model, dir.path("run"),
                       seed == 1   ? "-O1"
                       : seed == 2 ? fast_c
                                   : "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all");
      REQUIRE(c.compiles());
      Rng rng(seed);
      Tensor<float> x(Shape{5, 7, 6, 4});
      for (float& v : x.edit()) v = static_cast<float>(rng.normal());
      // Ties of the input's rounding.
      for (std::size_t i = 0; i < 40; ++i) x.edit()[i] = (static_cast<float>(i) - 20.5f) * 0.02f;
      const ProgramEnds wanted = engine_ends(model, {x});
      CHECK(c.run(samples_of({x})) == wanted.reals);
      CHECK(c.run(wanted.input_codes) == wanted.codes);
    }
  }
}

TEST_CASE("a C program of several inputs and outputs takes and gives them in turn, and knows narrow grids") {
  const TemporaryDirectory dir;
  IntegerBuilder b(7);
  const Grid narrow{-128, -113};  // 4 bits
  const int image = b.node("image", op::Input{{2, 3, 2}}, {}, {2, 3, 2}, {0.25f, -128, narrow});
  const int row = b.node("row", op::Input{{4}}, {}, {4}, {0.05f, 3});
  const int flat = b.same("flat", op::Reshape{{12}}, {image}, {12});
  const int left = b.node("left", op::Linear{.units = 3}, {flat}, {3}, {0.2f, 1}, Activation::none, b.constants({3, 12}, 3, true));
  const int right = b.node("right", op::Linear{.units = 3}, {row}, {3}, {0.1f, -5}, Activation::none, b.constants({3, 4}, 3, false));
  const int sum = b.node("sum", op::Add{}, {left, right}, {3}, {0.2f, 0}, Activation::relu);
  b.model.outputs = {sum, right, image};
  save_c_program(dir.path("two"), b.model);
  const CProgram c(dir.path("two"), b.model, dir.path("run"));
  REQUIRE(c.compiles());
  Rng rng(3);
  std::vector<Tensor<float>> x{Tensor<float>(Shape{9, 2, 3, 2}), Tensor<float>(Shape{9, 4})};
  for (Tensor<float>& t : x) {
    for (float& v : t.edit()) v = static_cast<float>(3 * rng.normal());
  }
  ProgramEnds wanted = engine_ends(b.model, x);
  CHECK(c.run(samples_of(x)) == wanted.reals);
  CHECK(c.run(wanted.input_codes) == wanted.codes);

  wanted.input_codes[0] = -112;
  (void)c.run(wanted.input_codes);
  CHECK(c.status() != 0);
  x[1].edit()[2] = NAN;
  (void)c.run(samples_of(x));
  CHECK(c.status() != 0);
}

TEST_CASE("sums of half a step round as the target says in a C program too") {
  // A linear layer with the weight 1 and a factor of exactly 1/2 meets a tie with every odd code.
  for (const Target& target : {targets::tflite_micro, targets::tflite_reference, targets::litert_default}) {
    INFO(target.name);
    const TemporaryDirectory dir;
    IntegerBuilder b(1, target);
    const int x = b.node("x", op::Input{{4}}, {}, {4}, {0.5f, 0});
    LayerConstants one = b.constants({4, 4}, 4, false);
    one.weight_scale = {0.25f};
    for (std::size_t i = 0; i < 16; ++i) one.weights.edit()[i] = i % 5 == 0 ? 1 : 0;
    for (std::int32_t& q : one.bias.edit()) q = 0;
    const int y = b.node("y", op::Linear{.units = 4}, {x}, {4}, {0.25f, 0}, Activation::none, one);
    b.model.outputs = {y};
    save_c_program(dir.path("half"), b.model);
    const CProgram c(dir.path("half"), b.model, dir.path("run"));
    REQUIRE(c.compiles());
    Tensor<float> all(Shape{64, 4});
    for (std::size_t i = 0; i < 256; ++i) all.edit()[i] = 0.5f * (static_cast<float>(i) - 128.0f);
    const ProgramEnds wanted = engine_ends(b.model, {all});
    CHECK(c.run(wanted.input_codes) == wanted.codes);
  }
}

TEST_CASE("with STET_WITH_CMSIS_NN a C program calls functions of CMSIS-NN with their arguments") {
  const TemporaryDirectory dir;
  const std::string flags = "-O1 -DSTET_WITH_CMSIS_NN -I" STET_TEST_DIR "/io/cmsis_stand_in";
  for (const std::uint64_t seed : {1u, 2u}) {
    INFO("seed " << seed);
    const IntegerModel model = with_all_outputs(every_operator(seed));
    save_c_program(dir.path("net"), model);
    const CProgram c(dir.path("net"), model, dir.path("run"), flags);
    REQUIRE(c.compiles());
    Rng rng(seed);
    Tensor<float> x(Shape{3, 7, 6, 4});
    for (float& v : x.edit()) v = static_cast<float>(rng.normal());
    const ProgramEnds wanted = engine_ends(model, {x});
    CHECK(c.run(wanted.input_codes) == wanted.codes);
    CHECK(c.status() == 0);  // else none of them was called
  }
  // Rules that CMSIS-NN does not have are computed as without it.
  const IntegerModel model = with_all_outputs(every_operator(1, targets::litert_default));
  save_c_program(dir.path("net"), model);
  CHECK(read_text(dir.path("net/net.c")).find("arm_convolve") == std::string::npos);
}

TEST_CASE("a C program has no symbol but its two functions, and calls memcpy and memset alone") {
  const TemporaryDirectory dir;
  save_c_program(dir.path("net"), every_operator(1));
  REQUIRE(std::system((strict_c99 + "-O0 -fno-builtin -c " + dir.path("net/net.c") + " -o " + dir.path("net.o") + " && nm -g " + dir.path("net.o") + " > " +
                       dir.path("symbols")).c_str()) == 0);
  std::string symbols;
  std::istringstream lines(read_text(dir.path("symbols")));
  for (std::string line; std::getline(lines, line);) symbols += line.substr(17) + "\n";
  CHECK(symbols == "U memcpy\nU memset\nT net\nT net_codes\n");
}

TEST_CASE("two programs stand side by side, and halves of two do not go together") {
  const TemporaryDirectory dir;
  save_c_program(dir.path("one"), every_operator(1));
  save_c_program(dir.path("other"), every_operator(2));
  const std::string both = dir.write("both.c", "#include \"one/one.h\"\n#include \"other/other.h\"\n"
                                               "int main(void) { return one_codes == other_codes; }\n");
  CHECK(std::system((strict_c99 + both + " " + dir.path("one/one.c") + " " + dir.path("other/other.c") + " -o " + dir.path("both")).c_str()) == 0);
  const std::string old = read_text(dir.path("one/one.h"));
  save_c_program(dir.path("one"), every_operator(3));
  dir.write("one/one.h", old);
  CHECK(std::system((strict_c99 + "-c " + dir.path("one/one.c") + " -o " + dir.path("one.o") + " 2> " + dir.path("said")).c_str()) != 0);
  CHECK_THAT(read_text(dir.path("said")), ContainsSubstring("are of two programs: write both again"));
}

TEST_CASE("what a C program cannot hold is one error that lists all nodes, before anything is written") {
  const TemporaryDirectory dir;
  IntegerModel model = every_operator(1, targets::onnxruntime);
  std::string text = error_of(dir.path("net"), model);
  CHECK_THAT(text, ContainsSubstring("sum: ") && ContainsSubstring("rest: ") && ContainsSubstring("product: ") && ContainsSubstring("middle: "));
  CHECK_THAT(text, ContainsSubstring("tflite_micro and tflite_reference"));

  model = every_operator(1);
  model.nodes[1].constants.weight_scale = {1e5f};                                        // conv
  for (std::int32_t& q : model.nodes[2].constants.bias.edit()) q = 2147483600;          // deep
  model.nodes[11].op.get_if<op::Pad>()->top = 3;                                        // padded
  text = error_of(dir.path("net"), model);
  CHECK_THAT(text, ContainsSubstring("conv: ") && ContainsSubstring("deep: ") && ContainsSubstring("accumulators of channel 0") &&
                       ContainsSubstring("padded: "));

  model = every_operator(1);
  for (const std::string name : {"a-net", "1st", "int", "main", "stet_add", "_x", "NULL", "malloc", "alignas", "y0", "INT8_MAX", "int_least8_t"}) {
    INFO(name);
    CHECK_THAT(error_of(dir.path(name), model), ContainsSubstring("'" + name + "' is none in C"));
  }
  CHECK(dir.files() == 0);
  CHECK_THAT(error_of(dir.path("no/net"), model), ContainsSubstring("cannot make the folder") && ContainsSubstring("No such file"));
  CHECK_THAT(error_of("/dev/null/net", model), ContainsSubstring("Not a directory"));
  dir.write("file", "");
  CHECK_THAT(error_of(dir.path("file"), model), ContainsSubstring("file"));
}

TEST_CASE("the memory of a C program is counted per node and in all") {
  const TemporaryDirectory dir;
  const IntegerModel model = every_operator(1);
  const ProgramMemory m = save_c_program(dir.path("net"), model);
  CHECK(m.str() == c_program_memory(model).str());
  CHECK(m.arena == plan_memory(model).bytes);
  REQUIRE(m.rows.size() == model.nodes.size());
  // conv: 6 * 3 * 2 * 2 weights; bias, multiplier and shift of 6 outputs; the two structs.
  CHECK(m.rows[1].node == "conv");
  CHECK(m.rows[1].flash == 72 + 3 * 24 + 56 + 40);
  CHECK(m.rows[1].ram == 7 * 6 * 4 + 4 * 5 * 6);
  std::int64_t most = 0, flash = 0;
  for (const ProgramMemory::Row& r : m.rows) {
    most = std::max(most, r.ram);
    flash += r.flash;
  }
  CHECK(m.arena >= most);
  CHECK(m.flash() == flash);
  CHECK_THAT(m.str(), ContainsSubstring("conv ") && ContainsSubstring("with CMSIS-NN"));
  CHECK_THAT(read_text(dir.path("net/net.h")), ContainsSubstring("#define NET_ARENA_BYTES " + std::to_string(m.arena)));
}

}  // namespace save_c_program_test
