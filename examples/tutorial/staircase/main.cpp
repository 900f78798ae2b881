// Tutorial 2: fake quantization is a staircase, and what goes through it backward.   tutorial_staircase [FOLDER]

#include "../plot.hpp"

#include <stet/stet.hpp>

using namespace stet;

namespace {

// How far a quantized number gets towards 0.7 in 100 steps, from 0.1.
template <class Estimator>
void learn(const char* name, const QParams& p, const Estimator& estimator) {
  Parameter w{Tensor<float>::filled({1}, 0.1f)};
  const Tensor<float> wanted = Tensor<float>::filled({1}, 0.7f);
  for (int step = 0; step < 100; ++step) {
    w.clear_gradient();
    Tape tape;
    tape.backward(mse(fake_quantize(tape.parameter(w), p, estimator), tape.constant(wanted)));
    w.value.edit()[0] -= 0.05f * w.gradient[0];
  }
  fmt::print("{}: w = {:.3f}, quantized {:.3f}\n", name, w.value[0], fake_quantize(w.value, p)[0]);
}

// What calculus says: the derivative of a staircase is 0 wherever there is one.
struct TrueDerivative {
  static constexpr bool needs_input = false, needs_mask = false;
  static ClipMask mask() { return ClipMask::rounded_inclusive; }
  static Pulled pull(const Tensor<float>& dy, const Kept&, const QParams&) {
    return {Tensor<float>::zeros(dy.shape())};
  }
};

}  // namespace

int main(int argc, char** argv) {
  const QParams p = choose_qparams(Range{-1.0f, 1.0f}, Grid::narrow(3), {.symmetric = true});
  fmt::print("codes {}..{}, scale {:.4f}\n", p.grid.lo, p.grid.hi, p.scale[0]);

  // 301 numbers from -1.5 to 1.5 through the staircase, and a gradient of 1 back through it.
  Tensor<float> x(Shape{301});
  for (std::size_t i = 0; i < 301; ++i) x.edit()[i] = (static_cast<float>(i) - 150.0f) / 100.0f;
  Tape tape;
  const auto real = tape.variable(x);
  const auto stairs = fake_quantize(real, p, ClippedSte{});
  tape.backward(stairs, Tensor<float>::filled(x.shape(), 1.0f));
  const Tensor<float> gradient = tape.gradient(real);
  for (const std::int64_t i : {150, 170, 190, 240, 280}) {
    fmt::print("x = {:.1f}: quantized {:.3f}, gradient {:.0f}\n", x[i], stairs.value()[i], gradient[i]);
  }

  learn("true derivative ", p, TrueDerivative{});
  learn("straight through", p, ClippedSte{});

  tutorial::Plot plot(-1.5, 1.5, -1.5, 1.5, "3 bits: the staircase, and the gradient that is used");
  tutorial::Points identity, steps, gradients;
  for (std::int64_t i = 0; i < 301; ++i) {
    identity.emplace_back(x[i], x[i]);
    steps.emplace_back(x[i], stairs.value()[i]);
    gradients.emplace_back(x[i], gradient[i]);
  }
  plot.line(identity, "#bbb", "x");
  plot.line(steps, "#0b5cad", "fake_quantize(x)");
  plot.line(gradients, "#c0392b", "gradient of ClippedSte");
  plot.save((argc > 1 ? std::string(argv[1]) : ".") + "/staircase.svg");
}
