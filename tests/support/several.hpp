// A network with two inputs and two outputs, and data for it: an image and measurements, a class and a box.
#pragma once

#include <stet/core/random.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>

#include <cmath>
#include <cstdint>
#include <utility>

namespace stet_test {

/// Inputs image [6,6,1] and telemetry [4]; outputs class [3] and box [2].
inline stet::Model fusion_model(std::uint64_t seed = 1) {
  stet::Graph g;
  auto x = g.input({6, 6, 1}).named("image");
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .padding = stet::Padding::same(), .bias = false})));
  x = flatten(max_pool(x, {.size = 2, .stride = 2}));
  const auto v = relu(linear(g.input({4}).named("telemetry"), {.units = 12}));  // behind layers that read the first input
  const auto both = relu(linear(stet::concat({x, v}), {.units = 24}));
  const auto box = linear(both, {.units = 2}).named("box");
  g.output(linear(both, {.units = 3}).named("class"));
  g.output(box);
  return stet::Model(std::move(g), stet::Rng(seed));
}

namespace scenes_detail {
struct Scenes {
  stet::Tensor<float> image, telemetry, box;
  stet::Tensor<std::int32_t> labels;
};
// The class is where the image is bright, the box depends on both inputs.
inline Scenes draw(std::int64_t count, std::uint64_t seed) {
  stet::Rng rng(seed);
  Scenes s{stet::Tensor<float>({count, 6, 6, 1}), stet::Tensor<float>({count, 4}), stet::Tensor<float>({count, 2}),
           stet::Tensor<std::int32_t>({count})};
  const auto image = s.image.edit(), telemetry = s.telemetry.edit(), box = s.box.edit();
  const auto labels = s.labels.edit();
  for (std::int64_t n = 0; n < count; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const auto label = static_cast<std::int32_t>(rng.below(3));
    labels[i] = label;
    for (std::size_t p = 0; p < 36; ++p) {
      const bool bright = static_cast<std::int32_t>(p / 12) == label;
      image[i * 36 + p] = static_cast<float>((bright ? 0.6 : 0.1) + rng.uniform(-0.1, 0.1));
    }
    for (std::size_t k = 0; k < 4; ++k) telemetry[i * 4 + k] = static_cast<float>(rng.uniform(-1, 1));
    box[i * 2] = telemetry[i * 4] - 0.5f * telemetry[i * 4 + 1];
    box[i * 2 + 1] = 0.5f * static_cast<float>(label) + telemetry[i * 4 + 2];
  }
  return s;
}
}  // namespace scenes_detail

/// Samples with both inputs, a label for the first output and targets for the second.
inline stet::Dataset scenes(std::int64_t count, std::uint64_t seed) {
  const scenes_detail::Scenes s = scenes_detail::draw(count, seed);
  return stet::Dataset(s.image, s.labels, 3, "scenes").with_input(s.telemetry).with_targets(s.box);
}
/// The same without targets for the second output.
inline stet::Dataset classes_of_scenes(std::int64_t count, std::uint64_t seed) {
  const scenes_detail::Scenes s = scenes_detail::draw(count, seed);
  return stet::Dataset(s.image, s.labels, 3, "scenes").with_input(s.telemetry);
}

}  // namespace stet_test
