// What save_onnx writes of integers, load_onnx_integer reads: random networks with several ends, islands and shared scales.

#include <stet/engine/engine.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

namespace load_onnx_integer_test {

using namespace stet;
using namespace stet_test;

namespace {

IntegerModel through_file(const IntegerModel& model, const OnnxIntegerOptions& options = {}) {
  return import_onnx_integer(onnx::decode(onnx_bytes(model, options), "test"), model.target, "test", {.ending = Ending::whole});
}

// Codes of the outputs that differ, of all; of an image with its channels first, where the file has them so.
std::int64_t differing(const IntegerModel& a, const IntegerModel& b, const std::vector<Tensor<float>>& x) {
  const std::vector<QTensor> before = Engine(a).run(x), after = Engine(b).run(x);
  REQUIRE(before.size() == after.size());
  std::int64_t count = 0;
  for (std::size_t k = 0; k < before.size(); ++k) {
    REQUIRE(before[k].codes.shape() == after[k].codes.shape());
    REQUIRE(before[k].params.scale == after[k].params.scale);
    for (std::int64_t i = 0; i < before[k].codes.size(); ++i) count += before[k].codes[i] != after[k].codes[i] ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("integer networks come back from .onnx with the same codes") {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 48; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed, {.with_dropout = false, .large = seed % 2 == 0, .floats = seed % 4 == 3, .several = seed % 3 == 1});
    Recipe recipe = seed % 5 == 4 ? recipes::int8_per_tensor() : recipes::int8();
    recipe.target = targets::onnxruntime;
    recipe.keep_float_unsupported = seed % 4 == 3;
    if (seed % 7 == 0) recipe.activations = Int8Activation(6);
    IntegerModel integers;
    try {
      QatModel qat = prepare(model, recipe);
      calibrate(qat, random_samples(model, 20, seed));
      integers = convert(qat);
      (void)Engine(integers);
    } catch (const Error& e) {
      const std::string text = e.what();
      INFO(text);
      continue;
    }
    const OnnxIntegerOptions options{.layout = seed % 3 == 0 ? OnnxLayout::nchw : OnnxLayout::nhwc,
                                     .activations = seed % 2 == 0 ? OnnxActivations::uint8 : OnnxActivations::int8};
    const IntegerModel loaded = through_file(integers, options);
    CHECK(differing(integers, loaded, random_inputs(model, 3, seed + 1)) == 0);
    ++compared;
  }
  CHECK(compared >= 40);
}

}  // namespace load_onnx_integer_test
