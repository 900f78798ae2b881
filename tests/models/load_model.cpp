// Takes a model of somebody else through all stages and says how far it comes, one line `stage<TAB>result` each:
//   load_model MODEL.onnx|MODEL.tflite [X.npy[,X2.npy] Y.npy[,Y2.npy]] [--input H,W,C] [--target NAME] [--int8 PREFIX]
//   load_model MODEL.tflite|MODEL.onnx X.npy[,X2.npy] Y.npy[,Y2.npy] --integers [--target NAME]
// X are inputs as the file has them (images [N,C,H,W] of .onnx), Y what another program made of them; of several inputs and
// outputs, all in their order. Stages: load, float
// (the largest difference to Y relative to the largest |Y|), prepare, train (three steps on integers), convert, engine (codes
// that differ between training forward and engine). With --int8 the integers are written to PREFIX.tflite, of the target
// onnxruntime to PREFIX.onnx, the inputs to PREFIX.x.npy, PREFIX.x.1.npy, ... and the engine's codes to PREFIX.y.npy, PREFIX.y.1.npy,
// ..., for judge_codes.py. With --integers the file is an int8 one: stages load and engine (codes that differ from Y, the codes
// of another program; of .onnx what they mean). Exit status 0 if all stages pass.
#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/float_share.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "support/images_last.hpp"

namespace {

using namespace stet;

// Of a .onnx file [N,C,H,W] as [N,H,W,C], where that is what the model wants; others as they are.
bool channels_first = false;
Tensor<float> as_stet_has(const Tensor<float>& x, const Shape& wanted) {
  if (!channels_first || x.shape().rank() != 4) return x;
  const Tensor<float> last = stet_test::images_last(x);
  return last.shape().unbatched() == wanted ? last : x;
}

class Stages {
 public:
  template <class F>
  bool stage(const char* name, F&& f) {
    if (!good_) return false;
    std::string result;
    try {
      result = f();
    } catch (const Error& e) {
      good_ = false;
      result = std::string("refused: ") + e.what();
    }
    std::replace(result.begin(), result.end(), '\n', '|');
    std::printf("%s\t%s\n", name, result.c_str());
    std::fflush(stdout);
    return good_;
  }
  [[nodiscard]] bool good() const { return good_; }

 private:
  bool good_ = true;
};

// Tensors of files whose names are separated by commas, each as a value of the graph has it.
template <class T>
std::vector<Tensor<T>> load_all(const std::string& names, const std::vector<Shape>& wanted) {
  std::vector<Tensor<T>> all;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(',', at), names.size());
    all.push_back(load_npy<T>(names.substr(at, end - at)));
    if constexpr (std::is_same_v<T, float>) {
      if (all.size() <= wanted.size()) all.back() = as_stet_has(all.back(), wanted[all.size() - 1]);
    }
    at = end + 1;
  }
  require(all.size() == wanted.size(), Errc::shape, "{} files for {} values", all.size(), wanted.size());
  return all;
}

std::vector<Shape> shapes_of(const Graph& graph, const std::vector<int>& nodes) {
  std::vector<Shape> shapes;
  for (const int id : nodes) shapes.push_back(graph.node(id).shape);
  return shapes;
}

// PREFIX.x.npy, PREFIX.x.1.npy, ...
std::string numbered(const std::string& prefix, const char* what, std::size_t i) {
  return i == 0 ? formatted("{}.{}.npy", prefix, what) : formatted("{}.{}.{}.npy", prefix, what, i);
}

// The largest difference of outputs, relative to the largest of the other program.
double compared(const Tensor<float>& y, const Tensor<float>& other) {
  require(y.shape() == other.shape(), Errc::shape, "the output is {}, not {}", y.shape(), other.shape());
  // Float sums in another order differ in proportion to what is summed, not to what is left of it: the largest output
  // is the measure of all; what is a difference of values around 1 may be off by their last digits.
  double worst = 0.0, largest = 0.0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const auto a = static_cast<double>(y[i]), b = static_cast<double>(other[i]);
    worst = std::max(worst, std::abs(a - b));
    largest = std::max(largest, std::abs(b));
  }
  require(worst <= 1e-5 * largest + 1e-6, Errc::range, "differs by {} of outputs up to {}", worst, largest);
  return largest > 0.0 ? worst / largest : worst;
}

Shape shape_of(const std::string& text) {
  std::vector<std::int64_t> dims;
  for (std::size_t at = 0; at < text.size();
       at = text.find(',', at) == std::string::npos ? text.size() : text.find(',', at) + 1) {
    dims.push_back(std::stoll(text.substr(at)));
  }
  return Shape(dims);
}

Target target_of(const std::string& name) {
  for (const Target& t : {targets::litert_default, targets::tflite_reference, targets::onnxruntime}) {
    if (t.name == name) return t;
  }
  fail(Errc::unsupported, "there is no target {} here", name);
}

Model load(const std::string& path, const ImportOptions& options) {
  return path.ends_with(".onnx") ? load_onnx(path, options) : load_tflite(path, options);
}

// The codes of real outputs.
std::vector<Tensor<std::int8_t>> codes_of(const std::vector<Tensor<float>>& reals, const IntegerModel& model) {
  std::vector<Tensor<std::int8_t>> all;
  for (std::size_t k = 0; k < reals.size(); ++k) {
    const Affine& a = model.values[static_cast<std::size_t>(model.outputs[k])].codes;
    all.push_back(Tensor<std::int8_t>::zeros(reals[k].shape()));
    const auto to = all.back().edit();
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = static_cast<std::int8_t>(std::clamp(round_half_even(reals[k].span()[i] / a.scale) + static_cast<float>(a.zero_point), -128.0f, 127.0f));
    }
  }
  return all;
}

// An int8 file in the engine: its codes against those that another program made of the same real inputs.
void run_integers(Stages& stages, const std::vector<std::string>& files, const Target& target, const ImportOptions& options) {
  std::optional<IntegerModel> model;
  stages.stage("load", [&] {
    model = files[0].ends_with(".onnx") ? load_onnx_integer(files[0], target, options) : load_tflite_integer(files[0], target, options);
    return formatted("{} values", model->values.size());
  });
  stages.stage("engine", [&] {
    const Engine engine(*model);
    std::vector<Shape> inputs, outputs;
    for (const IntegerNode& n : model->nodes) {
      if (graph::is<graph::op::Input>(n.op)) inputs.push_back(model->values[static_cast<std::size_t>(n.output)].shape);
    }
    for (const int v : model->outputs) outputs.push_back(model->values[static_cast<std::size_t>(v)].shape);
    const std::vector<QTensor> codes = engine.run(load_all<float>(files[1], inputs));
    const bool real = files[0].ends_with(".onnx");  // whose outputs are what codes mean
    const std::vector<Tensor<std::int8_t>> wanted = real ? codes_of(load_all<float>(files[2], outputs), *model) : load_all<std::int8_t>(files[2], outputs);
    std::int64_t differ = 0, all = 0;
    for (std::size_t k = 0; k < codes.size(); ++k) {
      require(codes[k].codes.size() == wanted[k].size(), Errc::shape, "the output is {}, not {}", codes[k].codes.shape(), wanted[k].shape());
      for (std::int64_t i = 0; i < wanted[k].size(); ++i) differ += codes[k].codes[i] != wanted[k][i] ? 1 : 0;
      all += wanted[k].size();
    }
    require(differ == 0, Errc::state, "{} of {} differ", differ, all);
    return formatted("0 of {} differ", all);
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  std::string int8;
  bool integers_wanted = false;
  Recipe recipe = recipes::int8();
  recipe.keep_float_unsupported = true;
  ImportOptions options{.shared = SharedConstants::untie};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--input" && i + 1 < argc) {
      options.input = shape_of(argv[++i]);
    } else if (word == "--integers") {
      integers_wanted = true;
    } else if (word == "--int8" && i + 1 < argc) {
      int8 = argv[++i];
    } else if (word == "--target" && i + 1 < argc) {
      recipe.target = target_of(argv[++i]);
    } else {
      files.push_back(word);
    }
  }
  if (files.size() != 3 && (files.size() != 1 || integers_wanted)) {
    std::fprintf(stderr, "usage: load_model MODEL [X.npy[,X2.npy] Y.npy[,Y2.npy]] [--input H,W,C] [--target NAME] [--int8 PREFIX | --integers]\n");
    return 2;
  }
  channels_first = files[0].ends_with(".onnx");
  set_warning_handler([](const std::string&) {});
  Stages stages;
  if (integers_wanted) {
    run_integers(stages, files, recipe.target, options);
    return stages.good() ? 0 : 1;
  }
  std::optional<Model> loaded;
  stages.stage("load", [&] {
    loaded = load(files[0], options);
    return formatted("{} nodes", loaded->graph().size());
  });
  if (!stages.good()) return 1;
  const Model& model = *loaded;
  const std::vector<Shape> inputs = shapes_of(model.graph(), model.graph().inputs());
  std::vector<Tensor<float>> x;
  if (files.size() == 3) {
    stages.stage("float", [&] {
      x = load_all<float>(files[1], inputs);
      ImportOptions whole = options;  // Y has the softmax
      whole.ending = Ending::whole;
      const Model with_end = load(files[0], whole);
      const std::vector<Tensor<float>> y = infer(with_end, x);
      const std::vector<Tensor<float>> wanted = load_all<float>(files[2], shapes_of(with_end.graph(), with_end.graph().outputs()));
      double worst = 0.0;
      for (std::size_t k = 0; k < y.size(); ++k) worst = std::max(worst, compared(y[k], wanted[k]));
      return formatted("{:.3g}", worst);
    });
  } else {
    Rng rng(1);
    for (const Shape& input : inputs) {
      x.emplace_back(input.batched(4));
      for (float& v : x.back().edit()) v = static_cast<float>(rng.normal());
    }
  }
  std::optional<Dataset> data;
  std::vector<QatModel> qat;
  stages.stage("prepare", [&] {
    data.emplace(x[0]);
    for (std::size_t i = 1; i < x.size(); ++i) data = data->with_input(x[i]);
    qat.push_back(prepare(model, recipe));
    const std::string share = detail::float_share(model.graph(), qat[0].units()).str();
    return formatted("{} units{}{}", qat[0].units().size(), share.empty() ? "" : "; ", share);
  });
  stages.stage("train", [&] {
    calibrate(qat[0], *data);
    const std::vector<ParameterRef> parameters = parameter_refs(qat[0]);
    OptimizerState optimizer(Adam{.lr = 1e-4}, parameters);
    QatSteps steps(qat[0], 3);
    while (steps.next()) {
      clear_gradients(parameters);
      {
        Tape tape;
        std::optional<Var<Tensor<float>>> loss;
        for (const Var<Tensor<float>>& y : forward(tape, qat[0], x)) {
          const Var<Tensor<float>> one = mse(y, tape.constant(Tensor<float>::zeros(y.shape())));
          loss = loss ? *loss + one : one;
        }
        tape.backward(*loss);
      }
      optimizer.step(parameters, 1.0);
    }
    return std::string("3 steps");
  });
  IntegerModel integers;
  stages.stage("convert", [&] {
    integers = convert(qat[0]);
    return formatted("{} values", integers.values.size());
  });
  stages.stage("engine", [&] {
    const std::vector<Tensor<float>> trained = infer(qat[0], x), deployed = infer(Engine(integers), x);
    std::int64_t differ = 0, all = 0;
    for (std::size_t k = 0; k < trained.size(); ++k) {
      for (std::int64_t i = 0; i < trained[k].size(); ++i) differ += trained[k][i] != deployed[k][i] ? 1 : 0;
      all += trained[k].size();
    }
    require(differ == 0, Errc::state, "{} of {} differ", differ, all);
    return formatted("0 of {} differ", all);
  });
  if (!int8.empty()) {
    stages.stage("write", [&] {
      if (recipe.target == targets::onnxruntime) {
        save_onnx(int8 + ".onnx", integers, {.layout = OnnxLayout::nhwc, .output_codes = true});
      } else {
        save_tflite(int8 + ".tflite", integers, {.float_input = true});
      }
      for (std::size_t i = 0; i < x.size(); ++i) save_npy(numbered(int8, "x", i), x[i]);
      const std::vector<QTensor> y = Engine(integers).run(x);
      for (std::size_t k = 0; k < y.size(); ++k) save_npy(numbered(int8, "y", k), y[k].codes);
      return std::string("written");
    });
  }
  return stages.good() ? 0 : 1;
}
