// Small networks that the tests of quantized training and of the engine share: one drawn from a seed, with every
// operator that integers can run, and data for it.
#pragma once

#include <stet/core/random.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/fit_options.hpp>

#include "support/network_generator.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace stet_test {

inline stet::Tensor<float> random_images(const stet::Shape& shape, std::int64_t count, std::uint64_t seed) {
  stet::Rng rng(seed);
  stet::Tensor<float> x(shape.batched(count));
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  return x;
}

inline stet::Dataset random_dataset(const stet::Shape& shape, std::int64_t count, int classes, std::uint64_t seed) {
  stet::Rng rng(seed + 1);
  stet::Tensor<std::int32_t> labels(stet::Shape{count});
  for (std::int32_t& label : labels.edit()) label = draw(rng, 0, classes - 1);
  return {random_images(shape, count, seed), labels, classes, "random"};
}

/// A model of a drawn graph whose batch norms have seen life: gammas of both signs, some zero, some tiny.
inline stet::Model random_model(std::uint64_t seed, const NetworkOptions& options = {}) {
  stet::Model model(NetworkGenerator(seed, options).run(), stet::Rng(seed));
  stet::Rng rng(seed ^ 0x5eed);
  for (auto& p : model.parameters()) {
    for (float& v : p.parameter.value.edit()) {
      if (p.role == stet::graph::Role::bias || p.role == stet::graph::Role::beta)
        v = static_cast<float>(0.3 * rng.normal());
      if (p.role == stet::graph::Role::gamma) {
        const int kind = draw(rng, 0, 9);
        v = kind == 0 ? 0.0f : kind == 1 ? static_cast<float>(1e-6 * rng.normal()) : static_cast<float>(rng.normal());
      }
    }
  }
  for (auto& b : model.buffers()) {
    for (float& v : b.value.edit()) {
      v = b.role == stet::graph::Role::mean ? static_cast<float>(0.3 * rng.normal())
                                            : static_cast<float>(std::exp(rng.normal()));
    }
  }
  return model;
}

/// Options of fit without a word on the way.
inline stet::FitOptions quiet_fit(stet::FitOptions options) {
  options.progress = stet::ProgressMode::quiet;
  return options;
}

/// The model that prepare makes, calibrated.
inline stet::QatModel calibrated_model(const stet::Model& model, const stet::Recipe& recipe, const stet::Dataset& data) {
  stet::QatModel qat = prepare(model, recipe);
  calibrate(qat, data);
  return qat;
}

/// Number of logits of a model with one flat output.
inline int classes_of(const stet::Model& model) {
  return static_cast<int>(model.graph().node(model.graph().outputs()[0]).shape[0]);
}
inline const stet::Shape& input_shape(const stet::Model& model) { return model.graph().node(0).shape; }

/// Normal numbers for all inputs of a model.
inline std::vector<stet::Tensor<float>> random_inputs(const stet::Model& model, std::int64_t count, std::uint64_t seed) {
  std::vector<stet::Tensor<float>> all;
  for (const int id : model.graph().inputs()) all.push_back(random_images(model.graph().node(id).shape, count, seed + 7919 * all.size()));
  return all;
}
/// The same as data, with random targets for all outputs.
inline stet::Dataset random_samples(const stet::Model& model, std::int64_t count, std::uint64_t seed) {
  const std::vector<stet::Tensor<float>> inputs = random_inputs(model, count, seed);
  stet::Dataset data(inputs[0], "random");
  for (std::size_t i = 1; i < inputs.size(); ++i) data = data.with_input(inputs[i]);
  for (const int id : model.graph().outputs()) data = data.with_targets(random_images(model.graph().node(id).shape, count, ++seed));
  return data;
}

/// The whole state of a model by name, byte for byte; of a QatModel with its quantizers and phases.
using State = std::vector<std::pair<std::string, std::vector<char>>>;
template <class M>
State state_of(M model) {
  State state;
  const auto keep = [&]<class T>(std::string_view name, T& field) {
    const void* from = &field;
    std::size_t size = sizeof(field);
    if constexpr (requires { field.span(); }) {
      from = field.data();
      size = field.span().size_bytes();
    } else if constexpr (requires { field.size(); }) {
      from = field.data();
      size = field.size() * sizeof(field[0]);
    }
    std::vector<char> bytes(size);
    if (size > 0) std::memcpy(bytes.data(), from, size);
    state.emplace_back(name, std::move(bytes));
  };
  if constexpr (requires { model.model(); }) model.model().fields(keep);
  model.fields(keep);
  return state;
}

template <class T>
bool same_bits(const stet::Tensor<T>& a, const stet::Tensor<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.span().size_bytes()) == 0;
}

}  // namespace stet_test
