// What every operator that is a function of one number must do: train, evaluate, run with the same codes, and come back from
// files.
#pragma once

#include <stet/ops/scalar_function.hpp>

#include "support/on_targets.hpp"

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
inline void check_function_codes(const BuildFunction& f) { check_codes_on_targets(function_network(f)); }

/// Floats and codes, there and back, and a table for C. `kind` is that of the node that comes back from .onnx; `refusal` what
/// a .tflite file of floats is refused with, if it is.
inline void check_function_files(const BuildFunction& f, const std::string& kind, const std::string& refusal = "") {
  using namespace stet;
  const Model model = function_network(f);
  if (refusal.empty()) {
    check_tflite_floats(model);
  } else {
    const TemporaryDirectory dir;
    CHECK_THROWS_WITH(save_tflite(dir.path("m.tflite"), model), Catch::Matchers::ContainsSubstring(refusal));
  }
  check_onnx_floats(model, [&](const Model& loaded) { CHECK(count_kind(loaded, kind) == 3); });
  const IntegerModel codes = integers_of(model);
  check_tflite_codes(codes, random_images({6, 6, 3}, 3, 5));
  CHECK_THAT(c_text(codes), Catch::Matchers::ContainsSubstring("STET_LOOKUP, \"first\""));
}

}  // namespace stet_test
