#pragma once
// bias_correction: channels of a quantized network whose means are those of the float network.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/rounding_data.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/passes/bias_terms.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#endif

namespace stet {

/// Which data bias correction looks at; every layer takes a run over them.
struct BiasCorrectionOptions {
  RoundingData data{.images = 512};
};

/// A layer's mean error per channel, float minus quantized: the root of its mean square over the channels, in real units.
struct CorrectedBias {
  std::string layer{};
  double before = 0, after = 0;
};

struct BiasCorrectionReport {
  std::vector<CorrectedBias> layers{};

  [[nodiscard]] std::string str() const;
};

/// Moves the bias of every layer (batch norm's beta, or its own) so that in the quantized network each of its channels has the
/// mean that it has in the float network, before the activation. Layer by layer: each is corrected on the codes that those before
/// it make when they have been corrected. What remains is the rounding of the bias: half a step of it.
/// Formula:   b[c] := E[float y[c]] - E[sum of codes w[c] (q - z)] s_x s_w[c], E over images and positions
/// @param reference  float model of the same graph, as it was calibrated: what passes before moved does not count as float
/// Rounding:  sums in double; the bias is float, its code as fold() rounds it
/// Errors:    Errc::state if a range is missing or there are no data; Errc::unsupported if the recipe simulates its codes, weights
///            are binary, or a layer has neither batch norm nor bias (with_bias adds one); Errc::shape if the reference has
///            another graph; Errc::range if an option is impossible or a layer does not exist; nothing is changed then
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721, section 4.2 and appendix (empirical); Finkelstein 2019,
///            arXiv 1906.03193
STET_ENTRY void bias_correction(QatModel& qat, const Model& reference, const Dataset& data, const BiasCorrectionOptions& options = {},
                                BiasCorrectionReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string BiasCorrectionReport::str() const {
  std::string text;
  for (const CorrectedBias& l : layers) text += formatted("{}: mean error of its channels {:.3g}, then {:.3g}\n", l.layer, l.before, l.after);
  return text;
}

STET_ENTRY void bias_correction(QatModel& qat, const Model& reference, const Dataset& data, const BiasCorrectionOptions& options,
                                BiasCorrectionReport* report) {
  const std::vector<const Unit*> units = detail::layers_to_round("bias_correction", qat, data, options.data);
  detail::require_biases("bias_correction", qat, units);
  const std::vector<std::vector<double>> wanted = detail::float_means("bias_correction", qat, reference, units, data, options.data);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const Unit& unit = *units[i];
    detail::ColumnMeans inputs(unit.op(), qat.model().parameter(qat.node_name(unit.node) + ".weight").value.shape());
    detail::for_inputs(qat, unit, data, options.data, [&](const Batch&, const QTensor& x) { inputs.add(x); });
    const auto error = [&] {
      double sum = 0;
      const std::vector<double> is = detail::deployed_means(qat, unit, inputs);
      for (std::size_t c = 0; c < is.size(); ++c) sum += (wanted[i][c] - is[c]) * (wanted[i][c] - is[c]);
      return std::sqrt(sum / static_cast<double>(is.size()));
    };
    CorrectedBias said{qat.node_name(unit.node), error(), 0};
    // The code of the bias is left out of what is measured: its rounding would stay in the correction, which is rounded again.
    std::vector<double> bias = detail::product_means(qat, unit, inputs);
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = wanted[i][c] - bias[c];
    detail::set_bias(qat, unit, bias);
    said.after = error();
    if (report != nullptr) report->layers.push_back(std::move(said));
  }
}
#endif

}  // namespace stet
