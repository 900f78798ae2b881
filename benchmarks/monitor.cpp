// What the monitor of fit costs: processor time of its looks beside that of the steps that it watches, over a whole run, batch 128.
// Steps and looks alternate, so noise of the machine hits both.
//   bench_monitor [steps] [networks, comma]

#include "examples/fashion_mnist/networks.hpp"

#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>
#include <stet/train/monitor.hpp>

#include <cstdlib>
#include <ctime>
#include <string>

namespace {

using namespace stet;

double seconds_of(std::clock_t from) { return static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC; }

void run(const std::string& network, const Recipe& recipe, const Dataset& data, std::int64_t total) {
  QatModel qat = prepare(Model(example::make_network(network), Rng(1)), recipe);
  calibrate(qat, data);
  const std::vector<ParameterRef> parameters = parameter_refs(qat);
  OptimizerState optimizer(Adam{.lr = 1e-4}, parameters);
  Monitor monitor(qat);
  double of_steps = 0, of_looks = 0;
  QatSteps steps(qat, total);
  while (steps.next()) {
    const std::int64_t first = steps.step() * 128 % (data.size() - 128);
    const Batch batch = data.batch(first, first + 128);
    std::clock_t start = std::clock();
    {
      Tape tape;
      clear_gradients(parameters);
      Rng rng(1);
      tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x, Mode::training, {.rng = &rng}), batch.labels));
      optimizer.step(parameters);
    }
    of_steps += seconds_of(start);
    start = std::clock();
    monitor.after_step({.step = steps.step(), .steps = total, .lr = 1e-4}, batch.x);
    of_looks += seconds_of(start);
  }
  fmt::print("{:<10} {:<9} {} steps: {:.2f} ms a step, monitor {:.2f} % of it\n", network, recipe.name, total, 1e3 * of_steps / static_cast<double>(total),
             100 * of_looks / of_steps);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoi(argv[1]) : 400;
  const std::string networks = argc > 2 ? argv[2] : "plain,separable,residual";
  set_warning_handler([](const std::string&) {});
  const Dataset data = make_shapes(1, 6000, 10).train;
  for (std::size_t from = 0; from < networks.size();) {
    const std::size_t to = std::min(networks.find(',', from), networks.size());
    for (const Recipe& recipe : {recipes::int8(), recipes::w4a4_lsq()}) run(networks.substr(from, to - from), recipe, data, steps);
    from = to + 1;
  }
}
