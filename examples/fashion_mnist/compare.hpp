#pragma once
// The promise, checked: what was trained is what is deployed, bit for bit.

#include "report.hpp"

#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace example {

/// Compares every code of every tensor: the training forward in evaluation mode against the engine, whose output codes
/// for all images are returned in `outputs` [images, classes].
inline BitExact compare(const stet::QatModel& qat, const stet::IntegerModel& model, const stet::Dataset& test,
                        stet::Tensor<std::int8_t>& outputs) {
  stet::Engine engine(model);
  BitExact result{std::string(model.target.name), test.size(), 0, 0};
  const std::int64_t classes = model.values[static_cast<std::size_t>(model.outputs[0])].shape.elements();
  outputs = stet::Tensor<std::int8_t>(stet::Shape{test.size(), classes});
  for (std::int64_t first = 0; first < test.size(); first += 500) {
    const stet::Batch batch = test.batch(first, std::min(first + 500, test.size()));
    std::vector<stet::Tensor<std::int8_t>> trained(model.values.size());
    (void)stet::infer_codes(qat, batch.x, [&](int node, const stet::QTensor& codes) {
      const std::string& name = qat.node_name(node);
      for (std::size_t v = 0; v < model.values.size(); ++v) {
        if (model.values[v].name == name) trained[v] = codes.codes;
      }
    });
    const stet::QTensor y = engine.run(batch.x, [&](int value, std::span<const std::int8_t> codes) {
      const stet::Tensor<std::int8_t>& other = trained[static_cast<std::size_t>(value)];
      stet::require(other.size() == static_cast<std::int64_t>(codes.size()), stet::Errc::state,
                    "value {} was not trained", model.values[static_cast<std::size_t>(value)].name);
      result.compared_codes += other.size();
      for (std::size_t i = 0; i < codes.size(); ++i) result.different_codes += codes[i] != other.span()[i] ? 1 : 0;
    });
    std::copy(y.codes.span().begin(), y.codes.span().end(), outputs.edit().begin() + first * classes);
  }
  return result;
}

}  // namespace example
