// Networks that Keras made and its converter wrote: what stet loads computes what LiteRT computes.
// The files come from tests/runtimes/make_keras_models.py.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <string>

namespace load_keras_test {

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

using namespace stet;

namespace {

std::string keras(const std::string& file) { return std::string(STET_TEST_DIR) + "/io/keras/" + file; }

double largest_difference(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return worst;
}

template <class T>
std::int64_t differing(const Tensor<T>& a, const Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

}  // namespace

TEST_CASE("float networks of Keras give the outputs of LiteRT") {
  for (const std::string name : {"plain", "separable", "residual", "operators"}) {
    INFO(name);
    const Tensor<float> x = load_npy<float>(keras(name + ".x.npy"));
    const Model model = load_tflite(keras(name + "_float.tflite"), {.ending = Ending::whole});
    CHECK(largest_difference(infer(model, x), load_npy<float>(keras(name + ".y.npy"))) < 1e-5);
  }
}

TEST_CASE("float16 weights of Keras are read as they are") {
  const Tensor<float> x = load_npy<float>(keras("operators.x.npy"));
  const Tensor<float> y = infer(load_tflite(keras("operators_half.tflite"), {.ending = Ending::whole}), x);
  CHECK(largest_difference(y, load_npy<float>(keras("operators_half.y.npy"))) < 1e-6);
  CHECK(largest_difference(y, load_npy<float>(keras("operators.y.npy"))) > 1e-5);  // they are other weights
}

TEST_CASE("what a network of Keras contains, and its names, survive") {
  const Model model = load_tflite(keras("separable_float.tflite"));
  const Graph& g = model.graph();
  CHECK(g.node(0).shape == Shape{16, 14, 3});
  const int relu = g.find("functional_1_1/re_lu_2_1/Relu6");
  REQUIRE(relu > 0);
  CHECK(graph::is<graph::op::Relu6>(g.node(relu).op));
  const auto* conv = graph::as<graph::op::Conv2D>(g.node(g.node(relu).inputs[0]).op);
  REQUIRE(conv != nullptr);
  CHECK(conv->filters == 8);
  CHECK(conv->stride == Pair(2));
  int depthwise = 0, pooled = 0;
  for (const graph::Node& n : g.nodes()) {
    depthwise += graph::is<graph::op::DepthwiseConv2D>(n.op);
    pooled += graph::is<graph::op::GlobalAveragePool>(n.op);
  }
  CHECK(depthwise == 2);
  CHECK(pooled == 1);
}

TEST_CASE("int8 networks of Keras give the codes of LiteRT") {
  for (const std::string name : {"plain", "residual"}) {
    const Tensor<std::int8_t> codes = load_npy<std::int8_t>(keras(name + "_int8.x.npy"));
    const auto reference = load_npy<std::int8_t>(keras(name + "_int8.reference.npy"));
    const auto standard = load_npy<std::int8_t>(keras(name + "_int8.default.npy"));
    CHECK(differing(reference, standard) > 0);  // else a wrong target would pass
    for (const Target& target : {targets::tflite_reference, targets::litert_default}) {
      INFO(name << " on " << target.name);
      const IntegerModel model = load_tflite_integer(keras(name + "_int8.tflite"), target);
      const Affine& p = model.values[static_cast<std::size_t>(model.nodes[0].output)].codes;
      Tensor<float> x(codes.shape());
      integer::dequantize_output(codes.span(), p.scale, p.zero_point, x.edit());
      const Tensor<std::int8_t> y = Engine(model).run(x).codes;
      CHECK(differing(y, target == targets::tflite_reference ? reference : standard) == 0);
    }
  }
}

TEST_CASE("an int8 network of Keras with real ends gives the numbers of LiteRT") {
  const Tensor<float> x = load_npy<float>(keras("separable_int8.x.npy"));
  const auto reference = load_npy<float>(keras("separable_int8.reference.npy"));
  const auto standard = load_npy<float>(keras("separable_int8.default.npy"));
  CHECK(differing(reference, standard) > 0);
  for (const Target& target : {targets::tflite_reference, targets::litert_default}) {
    INFO(target.name);
    const Engine engine(load_tflite_integer(keras("separable_int8.tflite"), target));
    CHECK(differing(infer(engine, x), target == targets::tflite_reference ? reference : standard) == 0);
  }
}

TEST_CASE("a network of Keras is quantized here and exported again") {
  for (const std::string name : {"plain", "separable", "residual"}) {
    INFO(name);
    const Tensor<float> x = load_npy<float>(keras(name + ".x.npy"));
    const Model model = load_tflite(keras(name + "_float.tflite"));
    const Dataset data{x, Tensor<std::int32_t>::zeros(Shape{x.shape()[0]}), 10, "keras"};
    const IntegerModel integers = quantize(model, recipes::int8(), data);
    const IntegerModel again =
        tflite::import_integer_model(tflite::decode(tflite_bytes(integers), name), integers.target, name);
    const Tensor<std::int8_t> y = Engine(integers).run(x).codes;
    CHECK(differing(y, Engine(again).run(x).codes) == 0);
    // Eight bits on data that calibration saw: a few steps of the logits apart.
    const float step = integers.values[static_cast<std::size_t>(integers.outputs[0])].codes.scale;
    CHECK(largest_difference(infer(Engine(integers), x), infer(model, x)) < 12.0 * static_cast<double>(step));
  }
}

TEST_CASE("the wrong loader says which one is right") {
  try {
    (void)load_tflite(keras("plain_int8.tflite"));
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("load_tflite_integer") != std::string::npos);
  }
  try {
    (void)load_tflite_integer(keras("plain_float.tflite"), targets::litert_default);
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("load_tflite reads float models") != std::string::npos);
  }
}

}  // namespace load_keras_test
