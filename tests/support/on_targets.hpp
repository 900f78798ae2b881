// What an operator must do among integers, tried with a network of it: train, evaluate and run with the same codes on every
// target, and come back from files.
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
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>

namespace stet_test {

/// int8 for a target.
inline stet::Recipe recipe_of(const stet::Target& target, stet::Recipe recipe = stet::recipes::int8()) {
  recipe.target = target;
  return recipe;
}
inline stet::Dataset drawn_data(const stet::Model& model) { return random_dataset(input_shape(model), 48, classes_of(model), 1); }

/// Trains for three epochs and compares training, evaluation and engine, value by value.
inline stet::IntegerModel check_trained_codes(const stet::Model& model, const stet::Recipe& recipe) {
  INFO(recipe.target.name);
  const stet::Dataset data = drawn_data(model);
  stet::QatModel qat = calibrated_model(model, recipe, data);
  const stet::FitReport report = fit(qat, data, quiet_fit({.epochs = 3, .batch = 16}));
  CHECK(std::isfinite(report.epochs.back().loss));
  stet::IntegerModel integers = convert(qat);
  check_deployed_codes(qat, integers, data.batch(0, 16).x);
  return integers;
}
/// The same on every target; then calls also(integers).
inline void check_codes_on_targets(const stet::Model& model, const std::function<void(const stet::IntegerModel&)>& also = {}) {
  for (const stet::Target& target : stet::targets::all) {
    const stet::IntegerModel integers = check_trained_codes(model, recipe_of(target));
    if (also) also(integers);
  }
}

/// The integers of a model without training.
inline stet::IntegerModel integers_of(const stet::Model& model, const stet::Recipe& recipe = stet::recipes::int8()) {
  return quantize(model, recipe, drawn_data(model));
}

/// How many nodes of a graph, or of integers, are of a kind.
inline auto count_kind(const stet::Model& model, std::string_view kind) {
  return std::ranges::count_if(model.graph().nodes(), [&](const stet::graph::Node& n) { return stet::graph::kind(n.op) == kind; });
}

/// Float models of both layouts of .onnx compute what was saved; calls also(loaded).
inline void check_onnx_floats(const stet::Model& model, const std::function<void(const stet::Model&)>& also = {}) {
  const TemporaryDirectory dir;
  const stet::Tensor<float> x = random_images(input_shape(model), 3, 5);
  for (const stet::OnnxLayout layout : {stet::OnnxLayout::nhwc, stet::OnnxLayout::nchw}) {
    save_onnx(dir.path("m.onnx"), model, {.layout = layout});
    const stet::Model loaded = stet::load_onnx(dir.path("m.onnx"));
    CHECK(distance(infer(model, x), infer(loaded, x)) < 2e-6);
    if (also) also(loaded);
  }
}
/// The same of .tflite.
inline void check_tflite_floats(const stet::Model& model, const std::function<void(const stet::Model&)>& also = {}) {
  const TemporaryDirectory dir;
  const stet::Tensor<float> x = random_images(input_shape(model), 3, 5);
  save_tflite(dir.path("m.tflite"), model);
  const stet::Model loaded = stet::load_tflite(dir.path("m.tflite"));
  CHECK(distance(infer(model, x), infer(loaded, x)) < 2e-6);
  if (also) also(loaded);
}
/// Integers of a .tflite file have the codes of those that were saved.
inline void check_tflite_codes(const stet::IntegerModel& integers, const stet::Tensor<float>& x) {
  const TemporaryDirectory dir;
  save_tflite(dir.path("i.tflite"), integers);
  const stet::IntegerModel loaded = stet::load_tflite_integer(dir.path("i.tflite"), integers.target);
  CHECK(same_bits(stet::Engine(loaded).run(x).codes, stet::Engine(integers).run(x).codes));
}
/// The tables of C as text.
inline std::string c_text(const stet::IntegerModel& integers) {
  const TemporaryDirectory dir;
  save_c_weights(dir.path("m.c"), integers);
  return read_text(dir.path("m.c"));
}

}  // namespace stet_test
