// Elementary functions: values, gradient, poles and domains among codes, training, files.

#include <stet/operators/elementary/graph.hpp>
#include <stet/qat/lookup.hpp>

#include "operators/function_checks.hpp"

namespace elementary_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::Elementary;
using graph::op::ElementaryFunction;

TEST_CASE("elementary functions have their values and derivatives", "[operators]") {
  const auto f = [](ElementaryFunction function, float exponent = 1.0f) { return scalar_function(Elementary{function, exponent}); };
  // torch.nn.functional.selu, mish
  CHECK(f(ElementaryFunction::selu)->value(-1.0) == Approx(-1.1113307).margin(1e-6));
  CHECK(f(ElementaryFunction::selu)->value(2.0) == Approx(2.1014020).margin(1e-6));
  CHECK(f(ElementaryFunction::mish)->value(1.0) == Approx(0.8650984).margin(1e-6));
  CHECK(f(ElementaryFunction::mish)->value(-2.0) == Approx(-0.2525015).margin(1e-6));
  CHECK(f(ElementaryFunction::rsqrt)->value(4.0) == 0.5);
  CHECK(f(ElementaryFunction::pow, 3.0f)->value(-2.0) == -8.0);
  for (const ElementaryFunction each :
       {ElementaryFunction::abs, ElementaryFunction::square, ElementaryFunction::exp, ElementaryFunction::selu, ElementaryFunction::mish}) {
    INFO(f(each)->name());
    check_derivative(f(each), 0.05, 3.0);
    check_derivative(f(each), -3.0, -0.05);
  }
  for (const ElementaryFunction each :
       {ElementaryFunction::sqrt, ElementaryFunction::rsqrt, ElementaryFunction::reciprocal, ElementaryFunction::log}) {
    INFO(f(each)->name());
    check_derivative(f(each), 0.4, 3.0);
  }
  check_derivative(f(ElementaryFunction::pow, 1.5f), 0.1, 3.0);
  Graph g;
  const auto x = g.input({4});
  CHECK(graph::kind(g.node(rsqrt(x).id()).op) == "rsqrt");
  CHECK(graph::attributes(g.node(pow(x, 1.5f).id()).op) == "exponent 1.5");
  CHECK_THROWS_WITH(pow(x, INFINITY), ContainsSubstring("must be finite"));
}

TEST_CASE("codes at poles and left of a domain saturate and have no gradient", "[operators]") {
  const Affine in{0.1f, 0}, out{0.05f, -20};
  const auto table = [&](ElementaryFunction function, float exponent = 1.0f) {
    return integer::make_table(targets::onnxruntime,
                               {integer::Function::scalar, 0.0f, in, out, scalar_function(Elementary{function, exponent})});
  };
  const auto at = [](const integer::Table& t, int q) { return static_cast<int>(t[static_cast<std::size_t>(q + 128)]); };
  CHECK(at(table(ElementaryFunction::log), 0) == -128);
  CHECK(at(table(ElementaryFunction::log), -7) == -128);
  CHECK(at(table(ElementaryFunction::log), 10) == -20);
  CHECK(at(table(ElementaryFunction::sqrt), -7) == -20);
  CHECK(at(table(ElementaryFunction::rsqrt), 0) == 127);
  CHECK(at(table(ElementaryFunction::rsqrt), -7) == 127);
  CHECK(at(table(ElementaryFunction::reciprocal), 0) == 127);
  CHECK(at(table(ElementaryFunction::reciprocal), -10) == -40);
  CHECK(at(table(ElementaryFunction::pow, 0.3f), -1) == -20);
  for (const ElementaryFunction f :
       {ElementaryFunction::log, ElementaryFunction::rsqrt, ElementaryFunction::sqrt, ElementaryFunction::reciprocal}) {
    CHECK(scalar_function(Elementary{f})->derivative(0.0) == 0.0);
  }
  // The range of what codes make knows finite values alone.
  const QTensor x{Tensor<std::int8_t>(Shape{3}, std::vector<std::int8_t>{-5, 0, 10}),
                  {.grid = Grid::int8(), .granularity = Granularity::per_tensor(), .scale = {0.1f}, .zero_point = {0}}};
  const Range r = lookup_range(x, {integer::Function::scalar, 0.0f, in, out, scalar_function(Elementary{ElementaryFunction::log})});
  CHECK(r.lo == Approx(0.0f).margin(1e-6));
  CHECK(r.hi == r.lo);
}

TEST_CASE("elementary functions train, evaluate and run with the same codes on every target", "[operators][bits]") {
  check_function_codes([](const graph::Value& x) { return mish(x); });
  check_function_codes([](const graph::Value& x) { return rsqrt(clip(abs(x), 0.2f, INFINITY)); });
  check_function_codes([](const graph::Value& x) { return log(exp(clip(x, -2, 2))); });
}

TEST_CASE("elementary functions come back from files", "[operators]") {
  check_function_files([](const graph::Value& x) { return abs(x); }, "abs");
  check_function_files([](const graph::Value& x) { return square(tanh(x)); }, "square");
  check_function_files([](const graph::Value& x) { return mish(x); }, "mish", "TFLite has no such function for floats");
  check_function_files([](const graph::Value& x) { return selu(x); }, "selu", "TFLite has no such function for floats");
  Graph g;
  auto x = abs(conv2d(g.input({4, 4, 3}), {.filters = 4}).named("mix")).named("positive");
  x = clip(x, 0.8f, 1.2f);
  x = sqrt(x) - rsqrt(x) + reciprocal(x) - log(x) + pow(x, 1.5f) - exp(x);
  g.output(linear(global_average_pool(x), {.units = 3}));
  const Model model(std::move(g), Rng(1));
  const auto kept = [](const Model& loaded) {
    for (const char* kind : {"sqrt", "rsqrt", "reciprocal", "log", "pow", "exp"}) CHECK(count_kind(loaded, kind) == 1);
  };
  check_onnx_floats(model, kept);
  check_tflite_floats(model, kept);
}

}  // namespace elementary_test
