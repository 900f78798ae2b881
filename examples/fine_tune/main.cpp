// Fine-tunes a network from another framework on data of one's own: load, replace the head, train in FP32 and quantized, write all
// files.

#include "../common/export.hpp"
#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "data.hpp"
#include "options.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/stet.hpp>

#include <cstdlib>

namespace example {

namespace {

using namespace stet;

Model load_network(const Options& o) {
  const bool onnx = o.model.ends_with(".onnx");
  require(onnx || o.model.ends_with(".tflite"), Errc::unsupported, "{}: neither an .onnx nor a .tflite file", o.model);
  const ImportOptions options{.outputs = o.ends};
  Model model = onnx ? load_onnx(o.model, options) : load_tflite(o.model, options);  // without a softmax at the end
  const Graph& g = model.graph();
  require(g.inputs().size() == 1 && g.outputs().size() == 1, Errc::shape, "{}: has {} inputs and {} outputs; one of each is trained here (--end names an output)",
          o.model, g.inputs().size(), g.outputs().size());
  return model;
}

const graph::Node& output_of(const Graph& g) { return g.node(g.outputs()[0]); }

// The network for the answers of the data; `head` becomes the name of its last layer if it is new.
Model with_head(Model model, const Options& o, const Dataset& data, std::string& head) {
  const std::int64_t wanted = data.has_labels() ? data.classes() : data.target_shape().elements();
  if (o.new_head) model = replace_head(model, wanted, Rng(o.seed), &head);
  const Shape& scores = output_of(model.graph()).shape;
  require(scores.rank() == 1, Errc::shape, "{}: its output is {} per sample; it must be one number per class or target", o.model, scores);
  require(data.has_labels() ? scores[0] >= wanted : scores[0] == wanted, Errc::shape, "{}: makes {} outputs, the data have {} {}; --new-head replaces its last layer", o.model,
          scores[0], wanted, data.has_labels() ? "classes" : "targets");
  return model;
}

std::vector<Augmentation> augmentations(const std::vector<std::string>& texts) {
  std::vector<Augmentation> list;
  for (const std::string& text : texts) {
    const auto at = text.find('=');
    const std::string name = text.substr(0, at), value = at == std::string::npos ? "" : text.substr(at + 1);
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool given = !value.empty() && *end == '\0';
    require(name == "flip" ? at == std::string::npos : given, Errc::range, "--augment {}: wants flip, shift=PIXELS, noise=SIGMA or mixup=ALPHA", text);
    if (name == "flip") {
      list.emplace_back(RandomFlip{});
    } else if (name == "shift") {
      list.emplace_back(RandomShift{.pixels = static_cast<std::int64_t>(number)});
    } else if (name == "noise") {
      list.emplace_back(AddNoise{.sigma = number});
    } else if (name == "mixup") {
      list.emplace_back(Mixup{.alpha = number});
    } else {
      fail(Errc::range, "--augment {}: wants flip, shift=PIXELS, noise=SIGMA or mixup=ALPHA", text);
    }
  }
  return list;
}

Recipe recipe_of(const Options& o, const Graph& graph) {
  Recipe recipe = o.per_tensor ? recipes::int8_per_tensor() : recipes::int8();
  recipe.target = targets::by_name(o.target);
  recipe.keep_float_unsupported = o.keep_float_unsupported;
  const auto each = [&](const char* option, const std::string& pattern, auto&& add) {
    bool any = false;
    for (const graph::Node& node : graph.nodes()) {
      if (!fits_pattern(pattern, node.name) || !add(node)) continue;
      any = true;
    }
    require(any, Errc::range, "{} {}: fits no node that it can be said of; the table above names them", option, pattern);
  };
  for (const auto& [pattern, bits] : o.bits) {
    each("--bits", pattern, [&](const graph::Node& node) {
      if (!graph::has_weights(node.op)) return false;
      recipe.overrides.push_back({.node = node.name, .weights = AnyScheme(symmetric(bits, !o.per_tensor && !graph::is<graph::op::Linear>(node.op)))});
      return true;
    });
  }
  for (const std::string& pattern : o.keep_float) {
    each("--keep-float", pattern, [&](const graph::Node& node) {
      recipe.overrides.push_back({.node = node.name, .keep_float = true});
      return true;
    });
  }
  return recipe;
}

FitOptions fit_options(const Options& o, const RunFolder& folder, const std::string& title, int epochs, double lr) {
  FitOptions f{.epochs = epochs, .optimizer = Adam{.lr = lr}, .schedule = Cosine{}};
  f.batch = o.batch;
  f.seed = o.seed;
  f.augment = augmentations(o.augment);
  f.title = title;
  f.checkpoint = folder.file(title + ".checkpoint");
  f.log = folder.file(title + ".csv");
  f.resume = true;  // the folder has no checkpoint of another run
  return f;
}

// What a model is worth: accuracy of classes, else the share of the variance that is explained.
template <class M>
double worth(const M& model, const Dataset& test) {
  return test.has_labels() ? evaluate(model, test).accuracy : evaluate(model, test, r_squared());
}

// New head alone, then all that is not frozen.
void train_float(Model& model, const Options& o, const RunFolder& folder, const Dataset& train, const std::string& head) {
  if (o.head_epochs > 0) {
    freeze(model, "*");
    unfreeze(model, head);
    say_warnings(fit(model, train, fit_options(o, folder, "head", o.head_epochs, o.head_lr)).warnings);
    unfreeze(model);
  }
  for (const std::string& pattern : o.freeze) freeze(model, pattern);
  if (o.float_epochs > 0) say_warnings(fit(model, train, fit_options(o, folder, "fp32", o.float_epochs, o.float_lr)).warnings);
}

// The first reasons of a list of many.
std::string shortened(const std::string& text) {
  std::size_t end = 0;
  for (int line = 0; line < 3 && end != std::string::npos; ++line) end = text.find('\n', end + (line > 0 ? 1 : 0));
  return end == std::string::npos ? text : text.substr(0, end) + "\n  ...";
}

std::vector<std::string> own_files() {
  std::vector<std::string> names{"head.checkpoint", "fp32.checkpoint", "qat.checkpoint", "head.csv", "fp32.csv", "qat.csv", "fp32.safetensors",
                                 "qat.safetensors", "int8.safetensors", "classes.txt", "results.json"};
  const std::vector<std::string> exported = exported_files();
  names.insert(names.end(), exported.begin(), exported.end());
  return names;
}

int run(const Options& o) {
  set_threads(o.threads);
  Model model = load_network(o);
  const Shape input = model.graph().node(model.graph().inputs()[0]).shape;
  const Samples samples = load_samples(o.data, input, o.seed);
  const Dataset &train = samples.split.train, &test = samples.split.test;
  std::string head;
  model = with_head(std::move(model), o, train, head);
  say("{}{} training and {} test samples\n", table(model.graph()), train.size(), test.size());
  if (!samples.scaled.empty()) say("{}\n", samples.scaled);
  const Recipe recipe = recipe_of(o, model.graph());
  require(o.head_epochs == 0 || o.new_head, Errc::state, "--head-epochs is of a new head; say --new-head");
  (void)augmentations(o.augment);
  for (const std::string& pattern : o.freeze) {  // a name that fits nothing is said now
    Model tried = model;
    freeze(tried, pattern);
  }
  (void)prepare(model, recipe);  // what cannot become integers is reported here, before anything is trained
  const RunFolder folder(o.out, "fine_tune", o.values, own_files(), o.begin);  // and what cannot be written, here

  const double loaded = worth(model, test);
  train_float(model, o, folder, train, head);
  save_checkpoint(folder.file("fp32.safetensors"), model);
  QatModel qat = prepare(model, recipe);
  calibrate(qat, train, {.images = o.calibration});
  const IntegerModel ptq = convert(qat);
  double lr = o.lr;
  if (o.find_rate) {
    const LearningRateCurve curve = find_learning_rate(qat, train, fit_options(o, folder, "qat", o.epochs, o.lr));
    say("{}", curve.str());
    if (curve.suggested > 0) lr = curve.suggested;
  }
  say_warnings(fit(qat, train, fit_options(o, folder, "qat", o.epochs, lr)).warnings);
  const IntegerModel integers = convert(qat);
  save_checkpoint(folder.file("qat.safetensors"), qat);
  std::vector<std::string> left_out;
  write_or_leave_out(folder, "int8.safetensors", left_out, [&](const std::string& path) { save_integers(path, integers); });
  std::string classes;
  for (const std::string& name : samples.classes) classes += name + "\n";
  write_file_atomically(folder.file("classes.txt"), std::string_view(classes));

  const std::vector<RuntimeRow> rows = export_models(folder, {model, observe_ranges(model, train), ptq, integers}, test, left_out);
  const char* const metric = test.has_labels() ? "accuracy" : "R squared";
  nlohmann::ordered_json json;
  json["model"] = o.model;
  json["data"] = o.data.train;
  json["metric"] = metric;
  json["rows"] = nlohmann::ordered_json::array();
  say("\n{:<24}{:>12}\n", "", metric);
  const auto row = [&](const char* name, double value) {
    say("{:<24}{:>12.4f}\n", name, value);
    json["rows"].push_back({{"name", name}, {"value", value}});
  };
  row(o.new_head ? "with a fresh head, FP32" : "as loaded, FP32", loaded);
  row("FP32", worth(model, test));
  row("calibrated, int8", worth(Engine(ptq), test));
  row("after QAT, int8 engine", worth(Engine(integers), test));
  json["runtimes"] = rows_json(rows);
  write_file_atomically(folder.file("results.json"), json.dump(2) + "\n");
  folder.finish();
  print_rows(rows);
  for (const std::string& text : left_out) say("left out: {}\n", shortened(text));
  say("\nAll files are in {}/.\n", o.out);
  return 0;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("fine_tune", [&] { return example::run(example::read_options(argc, argv)); });
}
