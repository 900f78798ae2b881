// What every operator that is a function of one number must do: train, evaluate, run with the same codes, and come back from
// files.
#pragma once

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/ops/scalar_function.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>

namespace stet_test {

using BuildFunction = std::function<stet::graph::Value(const stet::graph::Value&)>;

/// A network through the function, on an image and on flat values.
inline stet::Model function_network(const BuildFunction& f) {
  stet::Graph g;
  auto y = batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv")).named("norm");
  y = f(conv2d(f(y).named("first"), {.filters = 4}).named("mix")).named("last");
  y = f(linear(global_average_pool(y), {.units = 6}).named("few")).named("flat");
  g.output(linear(y, {.units = 3}).named("head"));
  return stet::Model(std::move(g), stet::Rng(1));
}

/// The derivative against differences, away from kinks, and the values and gradient on the tape.
inline void check_derivative(const std::shared_ptr<const stet::ScalarFunction>& f, double lo, double hi) {
  stet::Rng rng(7);
  stet::Tensor<float> x(stet::Shape{1, 64});
  for (float& v : x.edit()) v = static_cast<float>(rng.uniform(lo, hi));
  stet::Tape tape;
  const auto in = tape.variable(x);
  const auto y = stet::apply_function(in, f);
  tape.backward(y, stet::Tensor<float>::filled(x.shape(), 2.0f));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i]);
    CHECK(f->derivative(v) == Approx(f->ScalarFunction::derivative(v)).margin(1e-7));
    CHECK(y.value()[i] == static_cast<float>(f->value(v)));
    CHECK(tape.gradient(in)[i] == Approx(2.0 * f->derivative(v)).margin(1e-6));
  }
}

/// Training, evaluation and engine on every target.
inline void check_function_codes(const BuildFunction& f) {
  const stet::Dataset data = random_dataset({6, 6, 3}, 48, 3, 1);
  for (const stet::Target& target : stet::targets::all) {
    INFO(target.name);
    stet::Recipe recipe = stet::recipes::int8();
    recipe.target = target;
    stet::QatModel qat = prepare(function_network(f), recipe);
    calibrate(qat, data);
    const stet::FitReport report = fit(qat, data, quiet_fit({.epochs = 3, .batch = 16}));
    CHECK(std::isfinite(report.epochs.back().loss));
    check_deployed_codes(qat, convert(qat), data.batch(0, 16).x);
  }
}

/// Floats and codes, there and back, and a table for C. `kind` is that of the node that comes back from .onnx; `refusal` what
/// a .tflite file of floats is refused with, if it is.
inline void check_function_files(const BuildFunction& f, const std::string& kind, const std::string& refusal = "") {
  using namespace stet;
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  const Model model = function_network(f);
  const auto distance = [&](const Model& loaded) {
    const Tensor<float> a = infer(model, x), b = infer(loaded, x);
    float most = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
    return most;
  };
  if (refusal.empty()) {
    save_tflite(dir.path("m.tflite"), model);
    CHECK(distance(load_tflite(dir.path("m.tflite"))) < 2e-6f);
  } else {
    CHECK_THROWS_WITH(save_tflite(dir.path("m.tflite"), model), Catch::Matchers::ContainsSubstring(refusal));
  }
  for (const OnnxLayout layout : {OnnxLayout::nhwc, OnnxLayout::nchw}) {
    save_onnx(dir.path("m.onnx"), model, {.layout = layout});
    const Model loaded = load_onnx(dir.path("m.onnx"));
    CHECK(distance(loaded) < 2e-6f);
    CHECK(std::ranges::count_if(loaded.graph().nodes(), [&](const graph::Node& n) { return graph::kind(n.op) == kind; }) == 3);
  }
  const IntegerModel codes = quantize(model, recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
  save_tflite(dir.path("i.tflite"), codes);
  CHECK(same_bits(Engine(load_tflite_integer(dir.path("i.tflite"), codes.target)).run(x).codes, Engine(codes).run(x).codes));
  save_c_weights(dir.path("m.c"), codes);
  CHECK_THAT(read_text(dir.path("m.c")), Catch::Matchers::ContainsSubstring("STET_LOOKUP, \"first\""));
}

}  // namespace stet_test
