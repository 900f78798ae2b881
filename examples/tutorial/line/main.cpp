// Tutorial 1: a tape, and a line fitted with it.   tutorial_line [FOLDER of the picture]

#include "../plot.hpp"

#include <stet/stet.hpp>

#include <cmath>

using namespace stet;

int main(int argc, char** argv) {
  // 40 points near the line y = 2 x - 1.
  Rng rng(1);
  Tensor<float> x(Shape{40, 1}), y(Shape{40, 1});
  for (std::size_t i = 0; i < 40; ++i) {
    const double at = rng.uniform(-1.0, 1.0);
    x.edit()[i] = static_cast<float>(at);
    y.edit()[i] = static_cast<float>(2 * at - 1 + 0.2 * rng.normal());
  }

  Parameter slope{Tensor<float>::zeros({1, 1})}, offset{Tensor<float>::zeros({1})};
  for (int step = 0; step <= 60; ++step) {
    slope.clear_gradient();
    offset.clear_gradient();
    Tape tape;
    const auto line = linear(tape.constant(x), tape.parameter(slope), tape.parameter(offset));
    const auto loss = mse(line, tape.constant(y));
    tape.backward(loss);  // the gradients are in slope.gradient and offset.gradient
    if (step % 20 == 0) {
      fmt::print("step {:2}: loss {:.3f}, slope {:.2f}, its gradient of size {:.2f}\n", step, loss.value()[0],
                 slope.value[0], std::abs(slope.gradient[0]));
    }
    slope.value.edit()[0] -= 0.2f * slope.gradient[0];
    offset.value.edit()[0] -= 0.2f * offset.gradient[0];
  }
  fmt::print("y = {:.2f} x {:+.2f}\n", slope.value[0], offset.value[0]);

  tutorial::Plot plot(-1, 1, -4, 2, "40 points and the line that was fitted");
  tutorial::Points points;
  for (std::int64_t i = 0; i < 40; ++i) points.emplace_back(x[i], y[i]);
  plot.dots(points, "#888");
  const double a = static_cast<double>(slope.value[0]), b = static_cast<double>(offset.value[0]);
  plot.line({{-1, b - a}, {1, b + a}}, "#0b5cad");
  plot.save((argc > 1 ? std::string(argv[1]) : ".") + "/line.svg");
}
