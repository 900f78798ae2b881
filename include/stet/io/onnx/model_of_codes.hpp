#pragma once
// ModelOfCodes: what a .onnx file of integers says: a model of floats, and what its values and constants are as codes.

#include <stet/graph/model.hpp>
#include <stet/io/onnx/codes_of_file.hpp>
#include <stet/quant/affine.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
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

/// What was read of a file; `node_of` has per node that was read that of the model, -1 for none, and is empty where they are the same.
inline ModelOfCodes model_of_codes(Model model, CodesOfFile& codes, const std::vector<int>& node_of) {
  ModelOfCodes result{.model = std::move(model)};
  const auto now = [&](int id) { return node_of.empty() ? id : node_of[at(id)]; };
  result.codes.resize(at(result.model.graph().size()));
  result.on_reals.resize(result.codes.size(), false);
  for (const auto& [id, affine] : codes.of_node) {
    if (now(id) >= 0) result.codes[at(now(id))] = affine;
  }
  for (const int id : codes.on_reals) {
    if (now(id) >= 0) result.on_reals[at(now(id))] = true;
  }
  for (auto& [id, constant] : codes.constants) {
    if (now(id) >= 0) result.constants[now(id)] = std::move(constant);
  }
  for (const auto& [place, source] : codes.source) {
    const int id = now(place.first);
    const auto found = codes.dequantized_constants.find(source);
    if (id < 0 || (place.second != graph::Role::weight && place.second != graph::Role::bias)) continue;
    CodesOfLayer& layer = result.layers[id];
    if (found == codes.dequantized_constants.end()) continue;
    (place.second == graph::Role::weight ? layer.weight_scale : layer.bias_scale) = found->second.scale;
    if (place.second == graph::Role::bias) layer.bias = found->second.bias;
  }
  return result;
}

}  // namespace stet::onnx
