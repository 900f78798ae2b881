// Draws int8 .tflite files as other producers write them and stet does not, loads them and writes the engine's codes, for
// judge_foreign.py to compare: pools with a fused activation, means that keep their dimensions, a fully connected layer on
// an image, weights per tensor, layers without bias, uint8 at the ends.
//   foreign_models DIR [MODELS]

#include <stet/core/random.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/tflite/encode.hpp>

#include "io/tflite_description.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace stet;
using namespace stet_test;
using tfl::Builtin;
using tfl::FusedActivation;
using tfl::OptionsType;
using tfl::TensorType;

namespace {

class Drawer {
 public:
  explicit Drawer(std::uint64_t seed) : rng_(seed) {}

  tfl::ModelInfo run() {
    const int height = whole(4, 7), width = whole(4, 7), channels = 2 * whole(1, 4), filters = 2 * whole(1, 4);
    const std::int32_t x = d_.codes("x", {1, height, width, channels}, scale(0.01, 0.1), whole(-60, 60));
    const std::int32_t y = convolution(x, filters);
    const int h = (height + 1) / 2, w = (width + 1) / 2;
    const std::int32_t pooled = d_.codes("pooled", {1, h, w, filters}, scale_of(y), zero_of(y));
    d_.operation(chance(0.5) ? Builtin::average_pool_2d : Builtin::max_pool_2d, {y}, pooled,
                 {.type = OptionsType::pool_2d,
                  .padding = tfl::Padding::same,
                  .stride_w = 2,
                  .stride_h = 2,
                  .filter_width = 3,
                  .filter_height = 2,
                  .fused_activation = activation()});
    std::int32_t last = chance(0.5) ? head(mean(pooled, filters), filters) : head(pooled, h * w * filters);
    if (chance(0.3)) {
      const std::int32_t shape = d_.integers("shape", {-1, classes, 1});
      const std::int32_t z = d_.codes("column", {1, classes, 1}, scale_of(last), zero_of(last));
      d_.operation(Builtin::reshape, {last, shape}, z, {.type = OptionsType::reshape});
      last = z;
    }
    d_.info.inputs = {x};
    if (chance(0.3)) last = with_uint8_ends(x, last);
    d_.info.outputs = {last};
    return d_.info;
  }
  Tensor<std::int8_t> images(const Shape& sample, std::int64_t count) {
    Tensor<std::int8_t> codes(sample.batched(count));
    for (std::int8_t& q : codes.edit()) q = static_cast<std::int8_t>(whole(-128, 127));
    return codes;
  }

 private:
  static constexpr int classes = 5;

  int whole(int lo, int hi) { return lo + static_cast<int>(rng_.below(static_cast<std::uint64_t>(hi - lo + 1))); }
  bool chance(double p) { return rng_.uniform() < p; }
  float scale(double lo, double hi) { return static_cast<float>(std::exp(rng_.uniform(std::log(lo), std::log(hi)))); }
  float scale_of(std::int32_t t) const { return d_.info.tensors[static_cast<std::size_t>(t)].quantization.scale[0]; }
  std::int64_t zero_of(std::int32_t t) const {
    return d_.info.tensors[static_cast<std::size_t>(t)].quantization.zero_point[0];
  }
  FusedActivation activation() {
    return chance(0.5) ? FusedActivation::none : chance(0.5) ? FusedActivation::relu : FusedActivation::relu6;
  }
  std::vector<std::int8_t> weights(int count) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(count));
    for (std::int8_t& q : codes) q = static_cast<std::int8_t>(whole(-127, 127));
    return codes;
  }
  std::vector<std::int32_t> bias(int count) {
    std::vector<std::int32_t> codes(static_cast<std::size_t>(count));
    for (std::int32_t& q : codes) q = whole(-3000, 3000);
    return codes;
  }

  std::int32_t convolution(std::int32_t x, int filters) {
    const std::vector<std::int32_t> in = d_.info.tensors[static_cast<std::size_t>(x)].shape;
    const int depth = in[3] / whole(1, 2);
    std::vector<float> s(chance(0.5) ? static_cast<std::size_t>(filters) : 1u), products;
    for (float& one : s) products.push_back(scale_of(x) * (one = scale(0.002, 0.02)));
    const std::int32_t w = d_.weights("conv.weight", {filters, 2, 2, depth}, weights(filters * 4 * depth), s, 0);
    const std::int32_t b = d_.bias("conv.bias", bias(filters), products);
    const std::int32_t y =
        d_.codes("y", {1, in[1], in[2], filters}, scale(0.02, 0.08), chance(0.5) ? -128 : whole(-128, -60));
    d_.operation(Builtin::conv_2d, {x, w, b}, y,
                 {.type = OptionsType::conv_2d,
                  .padding = tfl::Padding::same,
                  .stride_w = 1,
                  .stride_h = 1,
                  .fused_activation = activation()});
    return y;
  }
  std::int32_t mean(std::int32_t x, int channels) {
    const std::int32_t m = d_.codes("mean", {1, 1, 1, channels}, scale(0.02, 0.06), whole(-100, 20));
    d_.operation(Builtin::mean, {x, d_.integers("axes", {1, 2})}, m, {.type = OptionsType::reducer, .keep_dims = true});
    return m;
  }
  std::int32_t head(std::int32_t x, int inputs) {
    const float s = scale(0.002, 0.01);
    const std::int32_t w = d_.weights("head.weight", {classes, inputs}, weights(classes * inputs), {s});
    const std::int32_t b = chance(0.5) ? d_.bias("head.bias", bias(classes), {scale_of(x) * s}) : -1;
    const std::int32_t y = d_.codes("logits", {1, classes}, scale(0.02, 0.4), whole(-20, 20));
    d_.operation(Builtin::fully_connected, {x, w, b}, y, {.type = OptionsType::fully_connected});
    return y;
  }
  std::int32_t with_uint8_ends(std::int32_t x, std::int32_t y) {
    const auto end = [&](const char* name, std::int32_t of) {
      const std::vector<std::int32_t> shape = d_.info.tensors[static_cast<std::size_t>(of)].shape;
      const std::int32_t t = d_.codes(name, shape, scale_of(of), zero_of(of) + 128);
      d_.info.tensors[static_cast<std::size_t>(t)].type = TensorType::uint8;
      return t;
    };
    const std::int32_t first = end("first", x), last = end("last", y);
    d_.operation(Builtin::quantize, {first}, x, {.type = OptionsType::quantize});
    std::rotate(d_.info.operators.begin(), d_.info.operators.end() - 1, d_.info.operators.end());
    d_.operation(Builtin::quantize, {y}, last, {.type = OptionsType::quantize});
    d_.info.inputs = {first};
    return last;
  }

  Rng rng_;
  Description d_;
};

void make(const std::string& base, std::uint64_t seed) {
  Drawer drawer(seed);
  write_file_atomically(base + ".tflite", tflite::encode(drawer.run()));
  for (const Target& target : {targets::tflite_reference, targets::litert_default}) {
    const IntegerModel model = load_tflite_integer(base + ".tflite", target);
    const Engine engine(model);
    const Affine& p = model.values[static_cast<std::size_t>(model.nodes[0].output)].codes;
    const Tensor<std::int8_t> codes = Drawer(seed + 1).images(engine.input_shape(), 20);
    Tensor<float> x(codes.shape());
    integer::dequantize_output(codes.span(), p.scale, p.zero_point, x.edit());
    save_npy(base + ".x.npy", codes);
    save_npy(base + "." + std::string(target.name) + ".npy", engine.run(x).codes);
  }
}

}  // namespace

int main(int count, char** words) try {
  if (count < 2) return std::fprintf(stderr, "foreign_models DIR [MODELS]\n"), 2;
  const int models = count > 2 ? std::atoi(words[2]) : 200;
  for (int i = 0; i < models; ++i) {
    make(std::string(words[1]) + "/" + std::to_string(i), static_cast<std::uint64_t>(i));
  }
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
