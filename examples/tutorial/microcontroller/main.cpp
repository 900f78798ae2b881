// Tutorial 7: a quantized network as a C program for a microcontroller, compared with the engine.   tutorial_microcontroller

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/file.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/stet.hpp>

#include <cstdlib>

using namespace stet;

namespace {

// What stands for the device here: samples from the standard input, codes to the standard output.
constexpr const char* host = R"(#include "figures/figures.h"
#include <stdio.h>

int main(void) {
  static float in[FIGURES_INPUTS], out[FIGURES_OUTPUTS];
  while (fread(in, sizeof in, 1, stdin) == 1) {
    if (figures(in, out) != 0) return 1;
    fwrite(out, sizeof out, 1, stdout);
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
  fmt::print("{}", memory.str());
}
