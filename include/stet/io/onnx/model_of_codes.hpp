#pragma once
// ModelOfCodes: what a .onnx file of integers says: a model of floats, and what its values and constants are as codes.

#include <stet/graph/model.hpp>
#include <stet/quant/affine.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace stet::onnx {

/// Constants of a layer that the file has (others are made of what was read): scales of its weights, scales and codes of its bias; empty where they are no codes.
struct CodesOfLayer {
  std::vector<float> weight_scale{};
  std::vector<float> bias_scale{};
  std::vector<std::int32_t> bias{};
};

/// By node of the model's graph, whose weights are the codes' real values.
struct ModelOfCodes {
  Model model;
  std::vector<std::optional<Affine>> codes{};  ///< what the codes of its value mean; none: it has no codes
  std::vector<bool> on_reals{};                ///< whether it reads reals that no codes stand for
  std::map<int, Tensor<std::int8_t>> constants{};
  std::map<int, CodesOfLayer> layers{};
  std::vector<std::size_t> entries{};  ///< places of the model's inputs among those of the file
  std::size_t inputs = 0;              ///< how many the file has
  std::string input_fingerprint{};
  std::size_t content = 0;  ///< bytes of the file's constants
};

}  // namespace stet::onnx
