#pragma once
// The codes of a layer's weights, as passes that choose them see and set them.

#include <stet/core/parallel.hpp>
#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/lower.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/rounding_data.hpp>
#include <stet/qat/weight_scale.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

namespace detail {

// Weights of a unit in steps of its scales: what becomes codes. Per tensor in front of batch norm these are the products of
// weights and batch norm's factors, as in weight_codes_of.
struct LayerSteps {
  Tensor<float> steps{};        // as the weights
  std::vector<float> scale{};   // one per channel, or one
  std::vector<float> factor{};  // batch norm's, where it stands inside of the codes; else empty
  Grid grid{};
  ScaleMap channel{1, 1};

  [[nodiscard]] float scale_of(std::int64_t c) const { return scale[scale.size() == 1 ? 0 : static_cast<std::size_t>(c)]; }
};

inline std::vector<float> factors_in_codes(const QatModel& qat, const Unit& unit) {
  const std::optional<NormView> norm = norm_of(qat, unit);
  return norm && !unit.weights.per_channel() ? norm->weight_factors() : std::vector<float>();
}

// What the scales of a unit are made from: its weights, times factors that stand inside of the codes.
inline Tensor<float> coded_weights(const QatModel& qat, const Unit& unit, std::span<const float> factor) {
  Tensor<float> w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
  if (factor.empty()) return w;
  const ScaleMap channel = channel_of(w.shape(), unit.channel_axis());
  scale_channels(w.edit(), channel, factor);
  return w;
}

inline LayerSteps layer_steps(const QatModel& qat, const Unit& unit) {
  LayerSteps l;
  l.factor = factors_in_codes(qat, unit);
  l.steps = coded_weights(qat, unit, l.factor);
  l.grid = *unit.weights.traits().grid;
  l.channel = channel_of(l.steps.shape(), unit.channel_axis());
  l.scale = qat.weight_scale(unit);
  if (l.scale.empty()) l.scale = initial_weight_scale(l.steps, unit.channel_axis(), unit.weights);
  const std::span<float> out = l.steps.edit();
  l.channel.runs(static_cast<std::int64_t>(out.size()), [&](std::size_t c, std::int64_t first, std::int64_t last) {
    const float s = l.scale_of(static_cast<std::int64_t>(c));
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) out[i] /= s;
  });
  return l;
}

// Makes these the codes of a unit's weights, at the scales that they were chosen for. Channels that batch norm multiplies
// by 0 have no weights that stand for a code other than 0; theirs stay.
inline void set_codes(QatModel& qat, const Unit& unit, const LayerSteps& l, const Tensor<std::int8_t>& codes) {
  if (qat.weight_scale(unit).empty()) qat.fix_weight_scale(unit, l.scale);
  const std::span<float> w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value.edit();
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    const std::int64_t c = l.channel.index(i);
    const float k = l.factor.empty() ? 1.0f : l.factor[static_cast<std::size_t>(c)];
    if (k != 0.0f) w[static_cast<std::size_t>(i)] = static_cast<float>(codes[i]) * l.scale_of(c) / k;
  }
}

// The units that a pass changes, in the order of execution: those with weights, or those that are named.
// Errors:    Errc::state if a range is missing; Errc::unsupported if codes are simulated or weights have none for 0; Errc::range
//            if a layer does not exist
inline std::vector<const Unit*> layers_with_codes(const char* op, const QatModel& qat, const std::vector<std::string>& layers) {
  qat.require_calibrated(op);
  if (qat.recipe().simulated()) {
    fail(Errc::unsupported, "{}: recipe {} simulates {} in float, there are no codes to choose", op, qat.recipe().name,
         qat.recipe().simulation());
  }
  std::vector<const Unit*> units;
  std::string names;
  for (const Unit& unit : qat.units()) {
    if (!unit.has_weights()) continue;
    const std::string& name = qat.node_name(unit.node);
    names += (names.empty() ? "" : ", ") + name;
    if (!layers.empty() && std::find(layers.begin(), layers.end(), name) == layers.end()) continue;
    units.push_back(&unit);
    if (!unit.weights.traits().has_zero) {
      fail(Errc::unsupported, "{}: weights of {} have scheme {}, whose codes are no steps; name the other layers in layers", op,
           name, unit.weights.describe());
    }
  }
  for (const std::string& layer : layers) {
    const bool found = std::any_of(units.begin(), units.end(), [&](const Unit* u) { return qat.node_name(u->node) == layer; });
    require(found, Errc::range, "{}: no layer with integer weights is named {}; there are {}", op, layer, names);
  }
  require(!units.empty(), Errc::range, "{}: the model has no layers with weights that become codes; leave the pass out", op);
  return units;
}

// The same for a pass that looks at data.
// Errors:    as layers_with_codes; Errc::state if there are no data; Errc::range if an option is impossible
inline std::vector<const Unit*> layers_to_round(const char* op, const QatModel& qat, const Dataset& data, const RoundingData& o) {
  std::vector<const Unit*> units = layers_with_codes(op, qat, o.layers);
  require(data.size() > 0, Errc::state, "{}: the data set is empty", op);
  require(o.images >= 0 && o.batch > 0, Errc::range, "{}: needs a positive batch and images (0 is all), got {} and {}", op,
          o.batch, o.images);
  return units;
}

// Runs the quantized model as it is now over the images, and shows the codes that a unit reads.
inline void for_inputs(const QatModel& qat, const Unit& unit, const Dataset& data, const RoundingData& o,
                       FunctionRef<void(const Batch&, const QTensor&)> f) {
  const Unit& source = qat.units()[static_cast<std::size_t>(unit.deployed.inputs[0])];
  const Batches batches(data.size(), {.size = o.batch, .seed = o.seed, .images = o.images, .even = true}, 0);
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    (void)infer_codes(qat, batch.inputs(), [&](int node, const QTensor& codes) {
      if (node == source.output) f(batch, codes);
    });
  }
}

}  // namespace detail
}  // namespace stet
