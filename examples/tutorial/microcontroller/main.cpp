// Tutorial 7: a quantized network as a C program for a microcontroller, compared with the engine.   tutorial_microcontroller

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/file.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/stet.hpp>

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace stet;

namespace {

// Stands for the firmware here: codes of images from the standard input, codes of scores to the standard output.
constexpr std::string_view firmware = R"(
#include "figures.h"
#include <stdio.h>

int main(void) {
  static int8_t pixels[FIGURES_INPUTS], scores[FIGURES_OUTPUTS];
  while (fread(pixels, sizeof pixels, 1, stdin) == 1) {
    if (figures_codes(pixels, scores) != 0) return 1;
    if (fwrite(scores, sizeof scores, 1, stdout) != 1) return 2;
  }
  return 0;
}
)";

}  // namespace

int main() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu(batch_norm(depthwise_conv2d(x, {.kernel = 3, .stride = 2})));
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 1})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));
  const DatasetSplit data = make_shapes(1, 2000, 1000);
  FitOptions options{.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet};
  fit(model, data.train, options);

  Recipe recipe = recipes::int8();
  recipe.target = targets::tflite_micro;  // no floating point between the two ends
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data.train);
  options.epochs = 2;
  options.optimizer = Adam{.lr = 1e-4};
  fit(qat, data.train, options);
  const IntegerModel integers = convert(qat);
  fmt::print("float {:.1f} %, integers {:.1f} %\n", 100 * evaluate(model, data.test).accuracy,
             100 * evaluate(qat, data.test).accuracy);

  const ProgramMemory memory = save_c_program("figures", integers);
  fmt::print("\n{}\n", memory.str());

  const Engine engine(integers);
  const Affine pixel = engine.values()[static_cast<std::size_t>(engine.inputs()[0])].codes;
  fmt::print("the code q of a pixel means {:.6f} * (q - {})\n", pixel.scale, pixel.zero_point);
  const Tensor<float> images = data.test.batch(0, 1000).x;
  std::string bytes;
  for (const float value : images.span()) bytes += static_cast<char>(std::lround(255 * value) - 128);
  write_file_atomically("figures/images", std::string_view(bytes));
  write_file_atomically("figures/firmware.c", firmware);

  if (std::system("command -v ${CC:-cc} > /dev/null") != 0) {
    fmt::print("there is no C compiler here: compile figures/*.c where there is one\n");
    return 0;
  }
  if (std::system("cd figures && ${CC:-cc} -std=c99 -Wall -Wextra -O2 firmware.c figures.c -o firmware") != 0) return 1;
  if (std::system("cd figures && ./firmware < images > scores") != 0) return 1;
  const std::vector<std::uint8_t> scores = read_file("figures/scores");
  const QTensor computed = engine.run(images);
  const auto count = static_cast<std::size_t>(computed.codes.size());
  require(scores.size() == count, Errc::io, "the C program wrote {} codes instead of {}", scores.size(), count);
  int different = 0;
  for (std::size_t i = 0; i < count; ++i) {
    different += static_cast<std::int8_t>(scores[i]) != computed.codes.span()[i] ? 1 : 0;
  }
  fmt::print("{} of {} codes of the C program differ from the engine's\n", different, count);
}
