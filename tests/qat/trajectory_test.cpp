// Twenty steps of quantization-aware training on the tape, against the same steps in PyTorch.
#include <stet/ops/activation.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/moving_average_observer.hpp>
#include <stet/train/sgd.hpp>

#include <cstdint>
#include <vector>

#include "ops/nchw.hpp"

namespace trajectory_test {

using namespace stet;
using stet_test::tensor;

namespace {

// Values of one step out of an array [step, ...].
template <class T>
Tensor<T> at_step(const Tensor<T>& all, std::int64_t step) {
  const Shape shape = all.shape().unbatched();
  return {shape, all.span().subspan(static_cast<std::size_t>(step * shape.elements()),
                                    static_cast<std::size_t>(shape.elements()))};
}

// What the golden set records of the activations, in the order of its arrays: [step, input and hidden].
struct Activations {
  std::vector<float> lo, hi, scale;
  std::vector<std::int32_t> zero_point;

  QParams observe(MovingAverageObserver& observer, const Tensor<float>& x, const Grid& grid, float eps) {
    observer.observe(x);
    const Range range = observer.ranges()[0];
    const QParams p = choose_qparams(range, grid, {.eps = eps});
    lo.push_back(range.lo);
    hi.push_back(range.hi);
    scale.push_back(p.scale[0]);
    zero_point.push_back(p.zero_point[0]);
    return p;
  }
};

}  // namespace

TEST_CASE("twenty training steps on the tape follow those of PyTorch", "[qat]") {
  const std::vector<GoldenCase> cases = load_golden("trajectory");
  REQUIRE(cases.size() == 1);
  const GoldenCase& c = cases[0];
  const Grid weight_grid =
      Grid::range(c.params.at("weight_quant_min").get<int>(), c.params.at("weight_quant_max").get<int>());
  const Grid grid = Grid::range(c.params.at("act_quant_min").get<int>(), c.params.at("act_quant_max").get<int>());
  const auto eps = c.params.at("eps").get<float>();
  const auto steps = c.params.at("steps").get<std::int64_t>();
  const auto xs = tensor<float>(c.inputs("x"));
  const auto labels = tensor<std::int32_t>(c.inputs("labels"));

  Parameter w1{tensor<float>(c.inputs("initial_w1"))}, b1{tensor<float>(c.inputs("initial_b1"))};
  Parameter w2{tensor<float>(c.inputs("initial_w2"))}, b2{tensor<float>(c.inputs("initial_b2"))};
  const std::vector<ParameterRef> parameters{{&w1, "w1"}, {&b1, "b1"}, {&w2, "w2"}, {&b2, "b2"}};
  OptimizerState optimizer(
      Sgd{.lr = c.params.at("learning_rate").get<double>(), .momentum = c.params.at("momentum").get<double>()},
      parameters);
  const auto constant = c.params.at("averaging_constant").get<float>();
  MovingAverageObserver input(Granularity::per_tensor(), constant), hidden(Granularity::per_tensor(), constant);

  Activations activations;
  std::vector<float> loss_0_9, loss_10_19, w1_scale, w2_scale;
  for (std::int64_t step = 0; step < steps; ++step) {
    Tape tape;
    const auto weight = [&](Parameter& w, std::vector<float>& scales) {
      const QParams p = weight_qparams(w.value, Granularity::per_channel(0), weight_grid);
      scales.insert(scales.end(), p.scale.begin(), p.scale.end());
      return fake_quantize(tape.parameter(w), p);
    };
    const auto activation = [&](const Var<Tensor<float>>& x, MovingAverageObserver& observer) {
      return fake_quantize(x, activations.observe(observer, x.value(), grid, eps));
    };
    const auto x = activation(tape.constant(at_step(xs, step)), input);
    const auto h = relu(linear(x, weight(w1, w1_scale), tape.parameter(b1)));
    const auto logits = linear(activation(h, hidden), weight(w2, w2_scale), tape.parameter(b2));
    const auto loss = softmax_cross_entropy(logits, at_step(labels, step));
    (step < 10 ? loss_0_9 : loss_10_19).push_back(loss.value()[0]);
    clear_gradients(parameters);
    tape.backward(loss);
    optimizer.step(parameters);
  }

  check_golden(c, "loss_0_9", loss_0_9);
  check_golden(c, "loss_10_19", loss_10_19);
  check_golden(c, "act_min", activations.lo);
  check_golden(c, "act_max", activations.hi);
  check_golden(c, "act_scale", activations.scale);
  check_golden(c, "act_zero_point", activations.zero_point);
  check_golden(c, "w1_scale", w1_scale);
  check_golden(c, "w2_scale", w2_scale);
  check_golden(c, "final_w1", w1.value.span());
  check_golden(c, "final_b1", b1.value.span());
  check_golden(c, "final_w2", w2.value.span());
  check_golden(c, "final_b2", b2.value.span());
}

}  // namespace trajectory_test
