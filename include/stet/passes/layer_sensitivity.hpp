#pragma once
// layer_sensitivity: what fewer bits for the weights of one layer cost, layer by layer.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/hessian_trace.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/data/random_subset.hpp>
#include <stet/graph/match.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/passes/override_weights.hpp>
#include <stet/passes/partly_quantized.hpp>
#include <stet/train/evaluate.hpp>

#include <algorithm>
#include <cmath>
#endif

namespace stet {

/// How sensitivity is found.
enum class SensitivityMeasure {
  loss_alone,    ///< the loss of the float network with this layer's weights rounded: an evaluation per layer and width
  hessian_trace  ///< half the squared error of rounding times the mean of the Hessian's diagonal, or its standard error where that is larger
};

struct SensitivityOptions {
  std::vector<int> bits{8, 4, 3, 2};  ///< widths to choose from, falling
  SensitivityMeasure measure = SensitivityMeasure::loss_alone;
  WeightRange range = WeightRange::absmax;  ///< of weights with fewer than 8 bits
  std::int64_t images = 1024;               ///< drawn at random from all; 0: all
  std::uint64_t seed = 1;                   ///< of the drawing
  HessianTraceOptions trace{};              ///< of hessian_trace; its images and seed are those above
};

/// One layer whose weights can have fewer bits.
struct LayerSensitivity {
  std::string layer{};
  std::int64_t weights = 0;        ///< how many
  std::int64_t multiply_adds = 0;  ///< for one image
  int activation_bits = 8;         ///< of what it reads
  std::vector<AnyScheme> schemes{};  ///< of its weights, one per width
  std::vector<double> loss{};        ///< added loss, one per width; never negative, and not falling as bits fall
};

/// What each width costs each layer, the others in float. Layers that the recipe keeps in float, or whose weights it names in an override, are
/// left out: they are decided. Chance is taken out one way: a layer does not gain by being rounded, nor by being rounded more.
/// Units:     loss is mean cross-entropy on the images drawn
/// Errors:    Errc::state if the data are empty or have no labels; Errc::range if a width is not in 2..8 or they do not fall;
///            Errc::unsupported if the recipe simulates weights in float; as prepare and hessian_trace
STET_ENTRY std::vector<LayerSensitivity> layer_sensitivity(const Model& model, const Recipe& recipe, const Dataset& data,
                                                           const SensitivityOptions& options = {});
#if STET_DEFINE_ENTRIES
namespace detail {

inline bool decided(const Recipe& recipe, const std::string& layer) {
  const RecipeOverride* o = recipe.override_of(layer);
  return o != nullptr && (o->weights || o->keep_float);
}

// The model prepared with one width for the weights of all layers that are not decided.
inline QatModel at_width(const Model& model, const Recipe& recipe, const QatModel& prepared, int bits, WeightRange range) {
  Recipe r = recipe;
  r.learned_weights.reset();
  for (const Unit& unit : prepared.units()) {
    const std::string& name = prepared.node_name(unit.node);
    if (!unit.has_weights() || unit.kept_float() || decided(recipe, name)) continue;
    override_weights(r, name, symmetric(bits, unit.weights.per_channel(), bits < 8 ? range : WeightRange::absmax));
  }
  return prepare(model, r);
}

}  // namespace detail

STET_ENTRY std::vector<LayerSensitivity> layer_sensitivity(const Model& model, const Recipe& recipe, const Dataset& data,
                                                           const SensitivityOptions& o) {
  require(data.size() > 0, Errc::state, "layer_sensitivity: the data set is empty");
  require(data.has_labels(), Errc::state, "layer_sensitivity: data set {} has no labels; what a layer costs is measured on answers", data.name());
  require(!o.bits.empty(), Errc::range, "layer_sensitivity: no widths to choose from");
  for (std::size_t b = 0; b < o.bits.size(); ++b) {
    require(o.bits[b] >= 2 && o.bits[b] <= 8 && (b == 0 || o.bits[b] < o.bits[b - 1]), Errc::range,
            "layer_sensitivity: widths must lie in 2..8 and fall, number {} is {}", b + 1, o.bits[b]);
  }
  const Dataset images = random_subset(data, o.images, o.seed);
  detail::require_one_output("layer_sensitivity", model.graph());
  const QatModel prepared = prepare(model, recipe);
  if (recipe.simulated()) fail(Errc::unsupported, "layer_sensitivity: recipe {} simulates {} in float", recipe.name, recipe.simulation());
  std::vector<LayerSensitivity> layers;
  std::vector<std::size_t> units;
  const Graph& graph = prepared.graph();
  for (std::size_t u = 0; u < prepared.units().size(); ++u) {
    const Unit& unit = prepared.units()[u];
    const std::string& name = prepared.node_name(unit.node);
    if (!unit.has_weights() || unit.kept_float() || detail::decided(recipe, name)) continue;
    const auto& node = graph.node(unit.node);
    const Unit& source = prepared.units()[static_cast<std::size_t>(unit.deployed.inputs[0])];
    layers.push_back({name, prepared.model().parameter(name + ".weight").value.size(),
                      multiply_adds(node.op, graph.input_shapes(unit.node), node.shape),
                      prepared.activations(source).bits(), {}, {}});
    units.push_back(u);
  }
  const double none = o.measure == SensitivityMeasure::loss_alone ? evaluate(prepared.model(), images).loss : 0.0;
  std::vector<LayerTrace> traces;
  if (o.measure == SensitivityMeasure::hessian_trace && !layers.empty()) {
    HessianTraceOptions t = o.trace;
    t.images = o.images;
    t.seed = o.seed;
    std::vector<std::string> names;
    for (const LayerSensitivity& l : layers) names.push_back(l.layer);
    traces = hessian_trace(prepared.model(), data, names, t);
  }
  for (const int bits : o.bits) {
    QatModel narrow = detail::at_width(model, recipe, prepared, bits, o.range);
    calibrate(narrow, images, {.images = std::min<std::int64_t>(images.size(), 128)});  // PartlyQuantized asks for ranges; no activation is rounded here
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Unit* unit = &narrow.units()[units[l]];
      const PartlyQuantized rounded(narrow, [=](const Unit& other) { return &other == unit; }, [](const Unit&) { return false; });
      double loss = 0;
      if (o.measure == SensitivityMeasure::loss_alone) {
        loss = evaluate(rounded, images).loss - none;
      } else {
        const std::string weight = layers[l].layer + ".weight";
        const Tensor<float>& w = narrow.model().parameter(weight).value;
        const Tensor<float>& r = rounded.model().parameter(weight).value;
        for (std::int64_t i = 0; i < w.size(); ++i) {
          const double error = static_cast<double>(r[i]) - static_cast<double>(w[i]);
          loss += 0.5 * error * error;
        }
        loss *= std::max(traces[l].mean, traces[l].standard_error);  // what chance may hide is not taken as harmless
      }
      const double before = layers[l].loss.empty() ? 0.0 : layers[l].loss.back();
      layers[l].loss.push_back(std::max(loss, before));
      layers[l].schemes.push_back(unit->weights);
    }
  }
  return layers;
}
#endif

}  // namespace stet
