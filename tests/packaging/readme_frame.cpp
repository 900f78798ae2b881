// What the fragments of README.md leave out: a tensor, a weight, labels, spans. In the order in which they stand there.
#include <stet/io/load_onnx.hpp>
#include <stet/stet.hpp>

#include <cstdio>
#include <vector>

using namespace stet;

namespace {

bool on_the_tape() {
  const Tensor<float> x = Tensor<float>::filled({2, 3}, 0.5f);
  const Tensor<std::int32_t> labels(Shape{2}, std::vector<std::int32_t>{0, 1});
  Parameter w{Tensor<float>::filled({4, 3}, 0.25f)};
#include "fragment_1.inc"
  return w.gradient.shape() == w.value.shape();
}

[[maybe_unused]] void of_another_framework() {
#include "fragment_2.inc"
}

bool on_spans() {
  const std::vector<float> x{-1.0f, 0.26f, 2.0f}, dy{1.0f, 1.0f, 1.0f};
  std::vector<float> y(3), dx(3);
#include "fragment_3.inc"
  return y[2] == 2.0f && dx[1] == 1.0f;
}

}  // namespace

int main() {
  const bool tape = on_the_tape(), spans = on_spans();
  std::printf("README's fragments: tape %s, spans %s\n", tape ? "runs" : "FAILS", spans ? "run" : "FAIL");
  return tape && spans ? 0 : 1;
}
