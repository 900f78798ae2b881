#pragma once
// Parameters of a model with channels of very different size.

#include <stet/core/random.hpp>
#include <stet/graph/model.hpp>

#include <cmath>
#include <string_view>

namespace stet_test {

/// Running statistics, gammas and weights as training may leave them, channels of very different size.
inline void spread_parameters(stet::Model& model, std::uint64_t seed) {
  stet::Rng rng(seed);
  model.fields([&](std::string_view name, stet::Tensor<float>& t) {
    const bool positive = name.ends_with("variance");
    for (float& v : t.edit()) v = positive ? static_cast<float>(0.1 + rng.uniform()) : v * static_cast<float>(std::exp(2 * rng.normal()));
  });
}

}  // namespace stet_test
