// Quantization-aware training in a loop of one's own (own_loop.hpp): a regression on drawn images, from float to
// integers, every code compared.

#include "own_loop.hpp"

#include "../common/run_program.hpp"
#include "../common/say.hpp"

namespace {

int body() {
  using namespace own_loop;
  const Spots data = draw_spots(2048, 1), test = draw_spots(512, 2);

  Model model = network(1);
  train(model, data, 6, 3e-3);

  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, unlabelled(data));
  const double ptq = mean_distance(Engine(convert(qat)), test);
  train(qat, data, 4, 1e-3);
  train(model, data, 4, 1e-3);  // as long in float, for comparison

  const CheckReport report = check(qat);
  example::say("{}", report);
  const IntegerModel integers = convert(qat);
  const CodeComparison codes = compare_codes(qat, integers, test);
  const double real = mean_distance(model, test), trained = mean_distance(qat, test);
  const double deployed = mean_distance(Engine(integers), test);
  example::say("mean distance: float {:.4f}, int8 without training {:.4f}, trained {:.4f}, in the engine {:.4f}\n", real,
               ptq, trained, deployed);
  example::say("{} of {} codes differ\n", codes.different, codes.compared);
  const bool good = codes.different == 0 && deployed < 0.15 && deployed < 1.15 * real &&
                    report.count(Severity::warning) == 0 && report.ok();
  if (!good) example::say("FAILED: no code may differ, nothing be warned of, and integers be as good as floats\n");
  return good ? 0 : 1;
}

}  // namespace

int main() { return example::run_program("own_loop", body); }
