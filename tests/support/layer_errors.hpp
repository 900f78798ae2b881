// What tests of passes that choose codes of weights share: recipes of few bits, and how far layers are from what they should make.
#pragma once

#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/layer_codes.hpp>
#include <stet/passes/layer_columns.hpp>

#include "support/networks.hpp"

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace stet_test {

inline stet::Dataset images_for(const stet::Model& model) { return random_dataset(input_shape(model), 48, classes_of(model), 9); }

inline stet::Recipe recipe_of(int bits, bool per_channel, stet::WeightRange range = stet::WeightRange::absmax) {
  stet::Recipe r;
  r.weights = r.linear_weights = stet::symmetric(bits, per_channel, range);
  return r;
}

/// Error of every layer's products on the codes that it reads in a model, in steps, with the codes of another.
inline std::map<std::string, double> product_errors(const stet::QatModel& input, const stet::QatModel& wanted, const stet::QatModel& coded, const stet::Dataset& data) {
  using namespace stet;
  std::map<std::string, double> errors;
  for (const Unit& unit : input.units()) {
    if (!unit.has_weights()) continue;
    const stet::detail::LayerSteps w = stet::detail::layer_steps(wanted, unit), q = stet::detail::layer_steps(coded, unit);
    double& sum = errors[input.node_name(unit.node)];
    stet::detail::for_inputs(input, unit, data, {}, [&](const Batch&, const QTensor& x) {
      const stet::detail::LayerColumns columns(unit.op(), x.codes.shape(), w.steps.shape());
      const stet::detail::LayerMatrix& m = columns.matrix();
      std::vector<float> row(static_cast<std::size_t>(m.depth));
      for (std::int64_t g = 0; g < m.groups; ++g) {
        for (std::int64_t r = 0; r < columns.rows(); ++r) {
          columns.read(x, g, r, 1, row.data());
          for (std::int64_t o = 0; o < m.outputs; ++o) {
            double y = 0.0;
            for (std::int64_t d = 0; d < m.depth; ++d) {
              const std::int64_t i = m.offset(g, o, d);
              y += static_cast<double>(w.steps[i] - std::nearbyint(q.steps[i])) * static_cast<double>(row[static_cast<std::size_t>(d)]);
            }
            sum += y * y;
          }
        }
      }
    });
  }
  return errors;
}

/// Whether the engine computes the bits that the forward pass does.
inline bool deployed_equals_forward(const stet::QatModel& qat, const stet::Dataset& data) {
  const stet::Tensor<float> x = data.batch(0, 7).x;
  return same_bits(stet::infer(qat, x), stet::infer(stet::Engine(stet::convert(qat)), x));
}

}  // namespace stet_test
