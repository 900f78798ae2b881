#pragma once
// What the steps of an engine work on.

#include <stet/core/tensor.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace stet::detail {

/// The tensors of all values: codes, or reals where there are none.
struct EngineValues {
  std::vector<Tensor<std::int8_t>> codes{};
  std::vector<Tensor<float>> reals{};
};
/// What a step does with them.
using EngineRun = std::function<void(EngineValues&)>;

}  // namespace stet::detail
