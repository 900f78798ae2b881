// Arrays of one's own, from FP32 to int8: rows of a table, time series or images in .npy files, with classes or with real
// numbers as answers.

#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "arrays.hpp"
#include "options.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/stet.hpp>

namespace example {

namespace {

using namespace stet;

int run(const Options& o) {
  set_threads(o.threads);
  const Dataset train = load_arrays(o.train_x, o.train_y), test = load_arrays(o.test_x, o.test_y);
  // What a model is worth: accuracy of classes, else the share of the variance that is explained.
  const char* const metric = train.has_labels() ? "accuracy" : "R squared";
  const auto worth = [&](const auto& model) {
    return test.has_labels() ? evaluate(model, test).accuracy : evaluate(model, test, r_squared());
  };
  Model model(network(train, o.width), Rng(o.seed));
  say("{}", table(model.graph()));
  const Recipe recipe = recipes::int8();
  require(check(model, recipe).ok(), Errc::unsupported, "the network cannot become integers: {}", check(model, recipe));

  const RunFolder folder(o.out, "arrays", o.values, {"int8.tflite", "int8.x.npy", "int8.y.npy", "results.csv"},
                         o.begin);
  FitOptions options{.epochs = o.epochs,
                     .batch = o.batch,
                     .optimizer = Adam{.lr = o.lr},
                     .schedule = Cosine{},
                     .seed = o.seed,
                     .title = "fp32"};
  fit(model, train, options);
  Model control = model;
  options.epochs = o.qat_epochs;
  options.optimizer = Adam{.lr = o.lr / 10};
  options.title = "fp32, continued";
  fit(control, train, options);

  QatModel qat = prepare(model, recipe);
  calibrate(qat, train);
  const double quantized = worth(Engine(convert(qat)));
  options.title = "qat";
  say_warnings(fit(qat, train, options).warnings);
  const IntegerModel integers = convert(qat);
  const Engine engine(integers);

  std::string rows = formatted("model,{}\n", metric);
  say("\n{:<26}{:>12}\n", "", metric);
  const auto row = [&](const char* name, double value) {
    say("{:<26}{:>12.4f}\n", name, value);
    rows += formatted("{},{:.6f}\n", name, value);
  };
  row("fp32", worth(model));
  row("fp32_continued", worth(control));
  row("ptq_int8", quantized);
  row("qat_forward", worth(qat));
  row("qat_int8_engine", worth(engine));
  const Tensor<float> x = test.batch(0, test.size()).x;
  const Tensor<float> forward = predict(qat, test), deployed = predict(engine, test);
  std::int64_t different = 0;
  for (std::int64_t i = 0; i < forward.size(); ++i) different += forward[i] == deployed[i] ? 0 : 1;
  say("{} of {} outputs differ between training forward and engine\n", different, forward.size());

  // For tests/models/judge_codes.py too: the inputs, and the codes that a runtime must give for them.
  save_tflite(folder.file("int8.tflite"), integers, {.float_input = true});
  save_npy(folder.file("int8.x.npy"), x);
  save_npy(folder.file("int8.y.npy"), engine.run(x).codes);
  write_file_atomically(folder.file("results.csv"), std::string_view(rows));
  folder.finish();
  say("int8.tflite and results.csv are in {}/.\n", o.out);
  return different == 0 ? 0 : 1;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("arrays", [&] { return example::run(example::read_options(argc, argv)); });
}
