// Writes the report of a small planted case: what screenshots.sh looks at, and where the picture of README comes from.
//   report_page FILE [wide|frontier]
// The case: drawn images, a network of two convolutions with a branch, calibrated on pixels of 0 to 255, trained quantized for
// two epochs. `wide`: a made-up network that is wider than any page, with names that are too long. `frontier`: a made-up frontier of mixed
// precision, of layers with long names.

#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/html.hpp>
#include <stet/diagnose/html_precision.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/diagnose/report_text.hpp>
#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

#include <string>

using namespace stet;

namespace {

Dataset bytes_of(const Dataset& data) {
  Batch b = data.batch(0, data.size());
  for (float& v : b.x.edit()) v *= 255;
  return {b.x, b.labels, data.classes(), data.name() + ", pixels of 0 to 255"};
}

Diagnosis planted() {
  const DatasetSplit data = make_shapes(1, 2000, 2400);
  Graph g;
  auto x = g.input({28, 28, 1});
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
  const auto y = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .padding = Padding::same(), .bias = false})));
  x = relu(batch_norm(conv2d(x + y, {.filters = 16, .kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  Model fp32(std::move(g), Rng(1));
  (void)fit(fp32, data.train, {.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet});

  const Dataset validation = data.test.first(1200), test = data.test.slice(1200, 2400);
  FitOptions training{.epochs = 2, .optimizer = Adam{.lr = 1e-4}, .schedule = Cosine{}, .progress = ProgressMode::quiet};
  Model control = fp32;
  (void)fit(control, data.train, training);
  QatModel qat = prepare(fp32, recipes::int8());
  const Dataset wrong = bytes_of(data.train.first(1000));
  calibrate(qat, wrong);
  training.validation = &validation;
  const FitReport history = fit(qat, data.train, training);

  Question q{.fp32 = fp32, .recipe = recipes::int8(), .qat = &qat, .control = &control, .calibration = wrong, .train = data.train, .validation = validation};
  q.fit = training;
  q.history = &history;
  Diagnosis d = diagnose(q);
  if (d.cause() != nullptr) d.proofs.push_back(prove(q, *d.cause(), {.seeds = 3, .test = test}));
  return d;
}

// Sixteen values side by side under one, and words without a space to break at.
Diagnosis wide() {
  Diagnosis d;
  d.verdict = Verdict::worse;
  d.sentence = "QAT on the deployed integers is 4.10 points below its control, 95 % interval -5.20 to -3.00: worse";
  d.data = std::string(80, 'd');
  d.models = {{"fp32", "FP32 checkpoint with a name that nobody would give to anything", 0.91, 0.3, std::nullopt, ""}, {"ptq", std::string(90, 'm'), 0.5, 1.5, PairedDifference{100, 0, 41, -41, -50, -32, 0, 1.2}, "fp32"}};
  d.waterfall = d.models;
  for (int i = 0; i < 18; ++i) {
    DiagnosedNode n;
    n.node = formatted("a_module.with.a.long.path.branch_{}.conv2d", i);
    n.kind = i == 0 ? "input" : i == 17 ? "concat" : "conv2d";
    if (i > 0 && i < 17) n.inputs = {0};
    for (int k = 1; i == 17 && k < 17; ++k) n.inputs.push_back(k);
    n.weight_bits = n.activation_bits = 8;
    n.low = -123456.789;
    n.high = 123456.789;
    n.least = -1e6;
    n.most = 1e6;
    n.p999 = 9e5;
    n.loss_alone = 0.1 * i;
    n.histogram = {1, 10, 1000, 100000, 1000, 10, 1};
    d.nodes.push_back(n);
  }
  Cause c;
  c.title = std::string(120, 't');
  c.what = std::string(300, 'w');
  c.cure = std::string(200, 'c');
  c.id = std::string(100, 'i');
  c.evidence = {{"a measure of many words that take much room", std::string(60, 'n'), 1e9, "between one number and another", true}};
  d.causes = {c};
  d.evidence = c.evidence;
  for (int i = 0; i < 5; ++i) d.interventions.push_back({"id", std::string(70, 'v'), "", 0.9, 0.3, 0.2 * i, 0.25 * i, i == 4, 1});
  FitReport history;
  for (int e = 0; e < 40; ++e) history.epochs.push_back({e, 2.0 / (e + 1), 1 - 1.0 / (e + 2), 2.1 / (e + 1), 1 - 1.1 / (e + 2), 1});
  history.warnings = {std::string(300, 'x')};
  d.history = history;
  d.proofs = {{std::string(90, 'p'), {{1, 0.91, 0.91, 0.5, 0.909, d.models[1].against, d.models[1].against, d.models[1].against}}, 0.99}};
  d.recipe_code = "Recipe r = recipes::int8();  // " + std::string(200, 'r');
  return d;
}

PrecisionFrontier made_up_frontier() {
  std::vector<LayerSensitivity> layers;
  for (int i = 0; i < 14; ++i) {
    LayerSensitivity l{formatted("backbone.stage{}.block.with_a_long_name.conv{}", i / 4, i), 500 * (i + 1), 10000, 8, {}, {}};
    for (const int bits : {8, 4, 3, 2}) {
      l.schemes.push_back(symmetric(bits));
      l.loss.push_back(bits == 8 ? 0.0 : 0.3 / (i + 1) / (bits - 1.5));
    }
    layers.push_back(l);
  }
  PrecisionFrontier f = precision_frontier(layers, {8, 4, 3, 2});
  for (std::size_t i = 0; i < f.choices.size(); i += f.choices.size() / 9) {
    f.choices[i].measured_loss = 0.3 + f.choices[i].loss;
    f.choices[i].measured_accuracy = 0.91 - 0.1 * f.choices[i].loss;
  }
  return f;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (argc > 2 && std::string(argv[2]) == "frontier") {
    const PrecisionFrontier f = made_up_frontier();
    save_html(argv[1], f);
    fmt::print("{}", f.str());
    return 0;
  }
  const Diagnosis d = argc > 2 ? wide() : planted();
  save_html(argv[1], d);
  fmt::print("{}\n", d.str());
  return d.verdict == Verdict::worse ? 0 : 1;
}
