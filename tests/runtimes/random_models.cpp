// Draws random models, exports them for every runtime and writes what stet computes, for judge.py to compare.
//   random_models DIR [--seed S] [--models N] [--ops n]
// makes DIR/<seed>/ for the seeds S to S+N-1; --ops n cuts each graph behind n operators or blocks.

#include <stet/engine/engine.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/graph/int4_weights.hpp>
#include <stet/graph/print.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/observe_ranges.hpp>

#include "../../examples/custom_scheme/affine_scheme.hpp"
#include "error_bound.hpp"
#include "scales.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include <sys/stat.h>

using namespace stet;
using namespace stet_test;

namespace {

constexpr std::int64_t images = 3;

void make_directory(const std::string& path) {
  require(::mkdir(path.c_str(), 0777) == 0 || errno == EEXIST, Errc::io, "cannot make {}: {}", path,
          std::strerror(errno));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : ",") + w;
  return text;
}

// What is drawn beside the graph.
struct Draw {
  std::uint64_t seed;
  Scales scales;
  Recipe recipe;
  bool float_input;
  OnnxLayout layout;
  std::int64_t batch;

  // LiteRT's reference kernels alone compute layers of 4 bits as the engine does.
  [[nodiscard]] bool int4(const Target& target) const {
    return recipe.weights.bits() == 4 && target == targets::tflite_reference;
  }

  explicit Draw(std::uint64_t s) : seed(s) {
    Rng rng(s ^ 0xd1ce);
    scales = all_scales[rng.below(std::size(all_scales))];
    recipe = chance(rng, 0.7) ? recipes::int8() : recipes::int8_per_tensor();
    recipe.linear_weights = symmetric(8, chance(rng, 0.3));
    if (chance(rng, 0.2)) recipe.weights = symmetric(4, recipe.weights.per_channel());
    if (s % 8 == 5) recipe.weights = recipe.linear_weights = ThreeSigma{};  // a scheme of a user's
    float_input = chance(rng, 0.5);
    batch = chance(rng, 0.3) ? 1 : images;
    layout = chance(rng, 0.5) ? OnnxLayout::nchw : OnnxLayout::nhwc;
  }
};

IntegerModel integers(const Model& model, const Draw& draw, const Target& target, const Dataset& data, Scales scales) {
  Recipe recipe = draw.recipe;
  recipe.target = target;
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data);
  IntegerModel integer = convert(qat);
  if (draw.int4(target)) {
    try {
      integer = int4_weights(integer);
    } catch (const Error&) {
      // depthwise convolutions alone stay at 8 bits
    }
  }
  move_scales(integer, scales, draw.seed);
  return integer;
}

// Puts every second value onto the middle between two codes of the input.
void add_ties(Tensor<float>& x, float scale) {
  bool odd = false;
  for (float& v : x.edit()) {
    if ((odd = !odd)) v = (std::floor(v / scale) + 0.5f) * scale;
  }
}

// Keeps one to three nodes of every third model in float, those alone that both files can hold.
void draw_islands(Draw& draw, const Model& model) {
  Rng rng(draw.seed ^ 0x151a);
  if (!chance(rng, 0.35)) return;
  for (int i = stet_test::draw(rng, 1, 3); i > 0; --i) {
    const int id = stet_test::draw(rng, 1, model.graph().size() - 1);
    if (graph::form(model.graph().node(id).op) == graph::IntegerForm::training) continue;
    Recipe with = draw.recipe;
    with.overrides.push_back({.node = model.graph().node(id).name, .keep_float = true});
    if (draw.recipe.override_of(with.overrides.back().node) != nullptr) continue;
    const CheckReport report = check(model, with);
    if (report.writes(IntegerFormat::tflite) && report.writes(IntegerFormat::onnx)) draw.recipe = with;
  }
}

// The same model with every value of codes that an operator makes as an output, in the order in which they are made.
IntegerModel with_all_outputs(IntegerModel model) {
  model.outputs.clear();
  for (const IntegerNode& node : model.nodes) {
    const bool real = model.values[static_cast<std::size_t>(node.output)].real;
    if (!real && !graph::is<graph::op::Input>(node.op)) model.outputs.push_back(node.output);
  }
  return model;
}

// Per value that depends on an operator in float "value=islands": the values of codes that come out of such operators, of
// which it is one or which it is made of.
std::string islands_of(const IntegerModel& model) {
  std::vector<std::vector<std::string>> behind(model.values.size());
  std::string text;
  for (const IntegerNode& node : model.nodes) {
    const auto out = static_cast<std::size_t>(node.output);
    for (const int in : node.inputs) {
      for (const std::string& name : behind[static_cast<std::size_t>(in)]) {
        if (std::ranges::count(behind[out], name) == 0) behind[out].push_back(name);
      }
    }
    const IntegerValue& value = model.values[out];
    if (graph::form(node.op) == graph::IntegerForm::real && !value.real) behind[out].push_back(value.name);
    if (!value.real && !behind[out].empty()) text += (text.empty() ? "" : ";") + value.name + "=" + joined(behind[out]);
  }
  return text;
}

std::vector<std::string> names_of(const IntegerModel& model, const std::vector<int>& values) {
  std::vector<std::string> names;
  for (const int v : values) names.push_back(model.values[static_cast<std::size_t>(v)].name);
  return names;
}

std::vector<std::string> value_names(const IntegerModel& model) {
  std::vector<std::string> names;
  for (const IntegerValue& v : model.values) names.push_back(v.name);
  return names;
}

// The file as it would be deployed, and one whose outputs are all values.
void export_integers(const std::string& to, const IntegerModel& model, const Draw& draw) {
  const IntegerModel all = with_all_outputs(model);
  if (model.target == targets::onnxruntime) {
    const OnnxIntegerOptions options{.layout = draw.layout, .output_codes = true};
    save_onnx(to + ".onnx", model, options);
    save_onnx(to + ".all.onnx", all, options);
    return;
  }
  TfliteIntegerOptions options{.float_input = draw.float_input, .batch = draw.batch};
  for (const IntegerNode& node : model.nodes) {
    options.int4_weights = options.int4_weights || (draw.int4(model.target) && has_int4_kernel(node.op) &&
                                                    fits_int4(node.constants.weights.span()));
  }
  save_tflite(to + ".tflite", model, options);
  save_tflite(to + ".all.tflite", all, options);
}

// Codes of all values as the engine makes them.
void add_codes(SafetensorsFile& file, const IntegerModel& model, const std::vector<Tensor<float>>& x) {
  const Engine engine(model);
  (void)engine.run(x, [&](int v, std::span<const std::int8_t> codes) {
    const IntegerValue& value = model.values[static_cast<std::size_t>(v)];
    file.add(std::string(model.target.name) + "/" + value.name,
             Tensor<std::int8_t>(value.shape.batched(x[0].shape()[0]), codes));
  });
}

// The float model in every format, with what each may be off by.
void export_floats(const std::string& directory, const Model& model, std::uint64_t seed) {
  const Model folded = fold_batch_norm(model);
  for (const graph::Node& node : folded.graph().nodes()) {
    // No bound is derived for these here.
    if (graph::is<graph::op::LayerNorm>(node.op) || graph::is<graph::op::Softmax>(node.op) || graph::is<graph::op::Matmul>(node.op) ||
        graph::is<graph::op::Lstm>(node.op) || graph::is<graph::op::Gru>(node.op)) {
      return;
    }
    if (graph::is<graph::op::BatchNorm>(node.op) || graph::is<graph::op::ConvTranspose>(node.op) || table_of(node.op)) return;
  }
  const std::vector<Tensor<float>> x = random_inputs(model, images, seed + 2000), y = infer(folded, x);
  SafetensorsFile file;
  for (std::size_t k = 0; k < x.size(); ++k) file.add(fmt::format("input/{}", k), x[k]);
  for (std::size_t k = 0; k < y.size(); ++k) file.add(fmt::format("output/{}", k), y[k]);
  Dataset shown(x[0], "shown");
  for (std::size_t k = 1; k < x.size(); ++k) shown = shown.with_input(x[k]);
  const ActivationRanges ranges = observe_ranges(model, shown);
  const auto add = [&](const std::string& name, Format format, const std::string& tflite_file) {
    tflite::ModelInfo info;
    if (!tflite_file.empty()) info = tflite::decode(read_file(tflite_file), tflite_file);
    const auto scale = [&](const std::string& value) {
      for (const tflite::TensorInfo& t : info.tensors) {
        const bool codes = t.name == value || t.name == value + ":codes";  // where the name belongs to the real number at an end
        if (codes && t.quantization.scale.size() == 1) return t.quantization.scale[0];
      }
      return 0.0f;
    };
    const std::vector<Tensor<float>> bounds = ErrorBound(folded, x, format, scale).run();
    for (std::size_t k = 0; k < bounds.size(); ++k) file.add(fmt::format("bound/{}/{}", name, k), bounds[k]);
  };
  const auto tflite_file = [&](const std::string& name, Format format, TfliteOptions options) {
    const std::string path = directory + "/" + name + ".tflite";
    save_tflite(path, model, options);
    add(name + ".tflite", format, path);
  };
  tflite_file("float32", Format::float32, {});
  tflite_file("float16", Format::float16, {.format = TfliteFormat::float16});
  tflite_file("dynamic", Format::dynamic, {.format = TfliteFormat::dynamic_range});
  try {
    tflite_file("int16x8", Format::int16x8, {.format = TfliteFormat::int16x8, .ranges = ranges});
  } catch (const Error& e) {  // behind a value that is always 0, a scale may leave no room for the bias
    if (e.code() != Errc::range) throw;
  }
  save_onnx(directory + "/float32.onnx", model, {.layout = OnnxLayout::nhwc});
  add("float32.onnx", Format::float32, "");
  file.save(directory + "/floats.safetensors");
}

// Tables for microcontrollers and the codes that plain loops must make of them. Not every function has a rule there.
void export_c(const std::string& directory, IntegerModel model, const std::vector<Tensor<float>>& x, SafetensorsFile& file) {
  model.target = targets::tflite_micro;
  try {
    (void)Engine(model);
    save_c_weights(directory + "/drawn.c", model);
  } catch (const Error&) {
    return;
  }
  add_codes(file, model, x);
}

void make(const std::string& directory, std::uint64_t seed, int operators) {
  make_directory(directory);
  Draw draw(seed);
  // Every fourth model has operators that no target knows.
  draw.recipe.keep_float_unsupported = seed % 4 == 3;
  // Every third model mostly has several inputs and outputs.
  const Model model = random_model(
      seed, {.large = seed % 2 == 0 || seed % 8 == 3, .floats = seed % 4 == 3, .several = seed % 3 == 1, .operators = operators});
  draw_islands(draw, model);
  const Dataset data = random_samples(model, 20, seed);
  std::vector<Tensor<float>> x = random_inputs(model, images, seed + 1000);

  SafetensorsFile file;
  Scales scales = draw.scales;
  std::string refused;
  const Target judged[] = {targets::tflite_reference, targets::litert_default, targets::onnxruntime};
  for (std::size_t i = 0; i < std::size(judged); ++i) {
    const std::string to = directory + "/" + std::string(judged[i].name);
    const auto write = [&](Scales kind) {
      const IntegerModel integer = integers(model, draw, judged[i], data, kind);
      (void)Engine(integer);
      export_integers(to, integer, draw);
      for (std::size_t k = 0; k < x.size() && i == 0 && kind != Scales::calibrated; ++k) {
        add_ties(x[k], integer.values[static_cast<std::size_t>(integer.inputs()[k])].codes.scale);
      }
      add_codes(file, integer, x);
      // Which values are real depends on what the target can run.
      const std::string target = "/" + std::string(judged[i].name);
      file.set_metadata("values" + target, joined(names_of(integer, with_all_outputs(integer).outputs)));
      file.set_metadata("islands" + target, islands_of(integer));
      if (i == 0) {
        file.set_metadata("order", joined(value_names(integer)));
        file.set_metadata("inputs", joined(names_of(integer, integer.inputs())));
        file.set_metadata("outputs", joined(names_of(integer, integer.outputs)));
        if (islands_of(integer).empty()) save_integers(directory + "/integers.safetensors", integer);
        if (seed % 4 == 0) export_c(directory, integer, x, file);
      }
    };
    // A target may refuse scales that are too far apart; then this model has those of calibration.
    for (bool done = false; !done;) {
      try {
        write(scales);
        done = true;
      } catch (const Error& e) {
        refused += fmt::format("{}, {}: {}\n", judged[i].name, name(scales), e.what());
        done = scales == Scales::calibrated;
        scales = Scales::calibrated;
      }
    }
  }
  if (seed % 2 == 1) export_floats(directory, model, seed);
  for (std::size_t k = 0; k < x.size(); ++k) save_npy(fmt::format("{}/input.{}.npy", directory, k), x[k]);
  file.set_metadata("onnx_layout", draw.layout == OnnxLayout::nchw ? "nchw" : "nhwc");
  file.set_metadata("seed", std::to_string(seed));
  file.set_metadata("scales", std::string(name(scales)));
  file.set_metadata("refused", refused);
  file.save(directory + "/codes.safetensors");
  write_file_atomically(directory + "/graph.txt", table(model.graph()) + draw.recipe.describe() + "\n" +
                                                      std::string(name(scales)) + "\n" + refused);
}

int run(int argc, char** argv) {
  std::string directory;
  std::uint64_t seed = 1, count = 1;
  int operators = -1;
  for (int i = 1; i < argc; ++i) {
    const auto number = [&] {
      require(i + 1 < argc, Errc::range, "{} needs a number", argv[i]);
      return std::strtoull(argv[++i], nullptr, 10);
    };
    if (std::strcmp(argv[i], "--seed") == 0) {
      seed = number();
    } else if (std::strcmp(argv[i], "--models") == 0) {
      count = number();
    } else if (std::strcmp(argv[i], "--ops") == 0) {
      operators = static_cast<int>(number());
    } else {
      directory = argv[i];
    }
  }
  require(!directory.empty(), Errc::range, "usage: random_models DIR [--seed S] [--models N] [--ops n]");
  make_directory(directory);
  for (std::uint64_t s = seed; s < seed + count; ++s) make(directory + "/" + std::to_string(s), s, operators);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "random_models: %s\n", e.what());
    return 2;
  }
}
