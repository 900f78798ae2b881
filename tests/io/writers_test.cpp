// What all writers of files have in common: no number that is none, and no value that nobody makes.

#include <stet/graph/builder.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/operators/tflite.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

namespace writers_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Graph small_graph() {
  Graph g;
  const auto x = relu(batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 4, .kernel = 3}).named("conv")).named("norm"));
  g.output(linear(global_average_pool(x), {.units = 3}).named("head"));
  return g;
}

// Every name that a node reads is made before: by an input, a constant or an earlier node, and outputs are made once.
void check_names(const onnx::ModelInfo& info) {
  std::set<std::string> made;
  for (const onnx::ValueInfo& v : info.inputs) CHECK(made.insert(v.name).second);
  for (const onnx::TensorInfo& t : info.initializers) CHECK(made.insert(t.name).second);
  for (const onnx::NodeInfo& n : info.nodes) {
    INFO(n.name);
    for (const std::string& in : n.inputs) CHECK(made.count(in) == 1);
    for (const std::string& out : n.outputs) CHECK(made.insert(out).second);
  }
  std::set<std::string> outputs;
  for (const onnx::ValueInfo& v : info.outputs) {
    CHECK(made.count(v.name) == 1);
    CHECK(outputs.insert(v.name).second);
    for (const onnx::ValueInfo& in : info.inputs) CHECK(in.name != v.name);
  }
}

}  // namespace

TEST_CASE("weights that are not finite are written to no file and not converted") {
  const TemporaryDirectory dir;
  const Dataset data = random_dataset({6, 6, 3}, 12, 3, 1);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    for (const char* name : {"conv.weight", "head.bias", "norm.gamma", "norm.mean", "norm.variance"}) {
      INFO(name << " " << bad);
      Model model(small_graph(), Rng(1));
      ActivationRanges ranges;
      ranges.of_node.assign(model.graph().nodes().size(), Range{-1, 1});
      QatModel qat = prepare(model, recipes::int8());
      calibrate(qat, data);
      const auto spoil = [&](Model& m) {
        m.fields([&](const std::string& field, Tensor<float>& value) {
          if (field == name) value.edit()[1] = bad;
        });
      };
      spoil(model);
      spoil(qat.model());
      const auto refused = [&](const std::function<void()>& write) {
        try {
          write();
          FAIL("written");
        } catch (const Error& e) {
          CHECK(e.code() == Errc::range);
          CHECK_THAT(e.what(), ContainsSubstring(fmt::format("\n  {}: element 1 is ", name)));
        }
      };
      for (const TfliteFormat f :
           {TfliteFormat::float32, TfliteFormat::float16, TfliteFormat::dynamic_range, TfliteFormat::int16x8}) {
        refused([&] { save_tflite(dir.path("model.tflite"), model, {.format = f, .ranges = ranges}); });
      }
      for (const OnnxFormat f : {OnnxFormat::float32, OnnxFormat::int16x8}) {
        refused([&] { save_onnx(dir.path("model.onnx"), model, {.format = f, .ranges = ranges}); });
        refused([&] { save_onnx(dir.path("model.onnx"), model, {.format = f, .fold_batch_norm = false, .ranges = ranges}); });
      }
      refused([&] { (void)convert(qat); });
      CHECK_FALSE(check(qat).ok());
    }
  }
  CHECK(dir.files() == 0);
}

TEST_CASE("integers whose scales are not finite are written to no file") {
  const TemporaryDirectory dir;
  const Dataset data = random_dataset({6, 6, 3}, 12, 3, 1);
  QatModel qat = prepare(Model(small_graph(), Rng(1)), recipes::int8());
  calibrate(qat, data);
  const IntegerModel good = convert(qat);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 0.0f, -1.0f}) {
    INFO(bad);
    IntegerModel weights = good, value = good;
    for (IntegerNode& node : weights.nodes) {
      if (graph::is<graph::op::Conv2D>(node.op)) node.constants.weight_scale[0] = bad;
    }
    value.values[1].codes.scale = bad;
    for (const IntegerModel& m : {weights, value}) {
      CHECK_THROWS_AS(save_tflite(dir.path("m.tflite"), m), Error);
      CHECK_THROWS_AS(save_onnx(dir.path("m.onnx"), m), Error);
      CHECK_THROWS_AS(save_c_weights(dir.path("m.c"), m), Error);
      CHECK_THROWS_AS(save_integers(dir.path("m.safetensors"), m), Error);
      CHECK_THROWS_AS(save_integers_npy(dir.path("m_"), m), Error);
    }
  }
  CHECK(dir.files() == 0);
}

TEST_CASE("a graph whose output is its input becomes a file in which somebody makes the output") {
  const TemporaryDirectory dir;
  for (const Shape& shape : {Shape{8, 6, 4}, Shape{5}}) {
    for (int kind = 0; kind < 5; ++kind) {
      INFO(shape.str() << ", kind " << kind);
      Graph g;
      const auto x = g.input(shape).named("image");
      const auto r = relu(x).named("image_output");  // the name that the output would get
      if (kind == 0) g.output(x);
      if (kind == 1) g.output(dropout(x, {}).named("dropped"));
      if (kind == 2) {
        g.output(x);
        g.output(dropout(x, {}).named("dropped"));
      }
      if (kind == 3) g.output(dropout(dropout(r, {}), {}));
      g.output(r);
      if (kind == 4) g.output(x);
      const Model model(std::move(g), Rng(1));
      ActivationRanges ranges;
      ranges.of_node.assign(model.graph().nodes().size(), Range{-1, 1});
      for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
        for (const OnnxFormat f : {OnnxFormat::float32, OnnxFormat::int16x8}) {
          check_names(onnx::decode(onnx_bytes(model, {.format = f, .layout = layout, .ranges = ranges}), "written"));
        }
      }
      const tflite::ModelInfo info = tflite::decode(tflite_bytes(model), "written");
      std::set<std::int32_t> seen(info.inputs.begin(), info.inputs.end());
      for (const std::int32_t out : info.outputs) CHECK(seen.insert(out).second);
    }
  }
  Graph g;
  g.output(g.input({8, 6, 4}).named("image"));
  const Model model(std::move(g), Rng(1));
  save_onnx(dir.path("m.onnx"), model);
  save_tflite(dir.path("m.tflite"), model);
  CHECK(load_onnx(dir.path("m.onnx")).graph().inputs() == load_onnx(dir.path("m.onnx")).graph().outputs());
  CHECK(load_tflite(dir.path("m.tflite")).graph().outputs().size() == 1);
}

TEST_CASE("TensorFlow Lite Micro registers what a padded max_pool and few bits need") {
  const TemporaryDirectory dir;
  Graph g;
  const auto x = max_pool(g.input({8, 6, 4}), {.size = 3, .stride = 2, .padding = Padding::of(1)});
  g.output(linear(flatten(x), {.units = 3}));
  QatModel qat = prepare(Model(std::move(g), Rng(1)), recipes::int8());
  calibrate(qat, random_dataset({8, 6, 4}, 12, 3, 1));
  save_c_array(dir.path("net.c"), "net", tflite_bytes(convert(qat)));
  const std::vector<std::uint8_t> bytes = read_file(dir.path("net.c"));
  CHECK_THAT(std::string(bytes.begin(), bytes.end()), ContainsSubstring("resolver.AddPadV2();"));
  CHECK(tflite::row_of(tflite::Builtin::maximum)->resolver == "AddMaximum");
}

}  // namespace writers_test
