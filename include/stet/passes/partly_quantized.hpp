#pragma once
// A network that is quantized in part: its weights only, its activations only, one node alone, all but one.

#include <stet/core/entry.hpp>
#include <stet/core/parallel.hpp>
#include <stet/model/model_inputs.hpp>
#include <stet/model/qat_model.hpp>

#include <functional>
#include <span>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/forward.hpp>
#include <stet/model/lower.hpp>
#include <stet/qat/fake_quantize.hpp>
#endif

namespace stet {

/// The float network with the weights of some units, and the outputs of some, rounded as the deployed network rounds them;
/// sums are float and biases are not rounded. It asks where a loss enters, so it computes what nobody deploys.
class PartlyQuantized {
 public:
  using Chosen = std::function<bool(const Unit&)>;
  /// `qat` must outlive it.
  /// Errors:    Errc::state if a range is missing
  PartlyQuantized(const QatModel& qat, const Chosen& weights, Chosen activations) : qat_(&qat), model_(qat.model()), activations_(std::move(activations)) {
    qat.require_calibrated("PartlyQuantized");
    round_weights(weights);
  }
  /// Outputs (logits) of images.
  [[nodiscard]] std::vector<Tensor<float>> outputs(std::span<const Tensor<float>> inputs) const;
  /// The float network whose chosen weights are rounded.
  [[nodiscard]] const Model& model() const { return model_; }

 private:
  void round_weights(const Chosen& chosen);

  const QatModel* qat_;
  Model model_;
  Chosen activations_;
};

inline std::vector<Tensor<float>> infer(const PartlyQuantized& network, std::span<const Tensor<float>> inputs) { return network.outputs(inputs); }
/// The same for a model with one input and one output.
inline Tensor<float> infer(const PartlyQuantized& network, const Tensor<float>& x) {
  detail::require_single("infer", network.model().graph());
  return network.outputs({&x, 1})[0];
}

#if STET_DEFINE_ENTRIES
STET_ENTRY void PartlyQuantized::round_weights(const Chosen& chosen) {
  for (const Unit& unit : qat_->units()) {
    if (!unit.has_weights() || unit.kept_float() || !chosen(unit)) continue;
    Tensor<float>& weights = model_.parameter(qat_->node_name(unit.node) + ".weight").value;
    if (!unit.weights.traits().int8_codes) {
      fail(Errc::unsupported, "PartlyQuantized: weights of scheme {} have no integer codes", unit.weights.name());
    }
    const std::optional<NormView> norm = detail::norm_of(*qat_, unit);
    const WeightCodes codes = detail::weight_codes_of(*qat_, unit, norm);
    // Per tensor, codes are of the product of weights and batch norm's factors.
    const std::vector<float> factors = norm && !unit.weights.per_channel() ? norm->weight_factors() : std::vector<float>();
    const ScaleMap channel = channel_of(weights.shape(), unit.channel_axis());
    const std::span<float> w = weights.edit();
    for (std::int64_t i = 0; i < codes.codes.size(); ++i) {
      const auto c = static_cast<std::size_t>(channel.index(i));
      const float scale = codes.scale[codes.scale.size() == 1 ? 0 : c];
      const float factor = factors.empty() ? 1.0f : factors[c];
      if (factor == 0.0f) continue;  // batch norm makes a constant of this channel, whatever its weights
      w[static_cast<std::size_t>(i)] = static_cast<float>(codes.codes[i]) * scale / factor;
    }
  }
}

STET_ENTRY std::vector<Tensor<float>> PartlyQuantized::outputs(std::span<const Tensor<float>> inputs) const {
  const std::vector<const Unit*> unit_of = detail::units_by_output(*qat_);
  ForwardOptions options;
  options.value = [&](int node, const Var<Tensor<float>>& y) {
    const Unit* unit = unit_of[static_cast<std::size_t>(node)];
    if (unit == nullptr || unit->shares_scale() || unit->real_output || !activations_(*unit)) return y;
    return fake_quantize(y, qat_->params(*unit), AnyEstimator());
  };
  return infer(model_, inputs, options);
}
#endif

}  // namespace stet
