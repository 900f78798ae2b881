#pragma once
// analytic_bias_correction: the shift that rounded weights bring to a layer's means, taken back without data.

#include <stet/core/entry.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/passes/bias_terms.hpp>
#include <stet/passes/expected_channels.hpp>
#include <stet/passes/weight_channels.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#endif

namespace stet {

/// A layer whose bias was moved: the root of the mean square of the shifts over its channels, in real units.
struct AnalyticallyCorrected {
  std::string layer{};
  double shift = 0;
};

/// What was corrected, and where batch norm does not tell the means.
struct AnalyticCorrectionReport {
  std::vector<AnalyticallyCorrected> layers{};
  std::vector<std::string> left{};  ///< sentences: which layer, and why

  [[nodiscard]] std::string str() const;
};

/// Takes from the bias of every layer (batch norm's beta, or its own) what the error of its rounded weights adds to the mean of each
/// channel, where the means of its input follow from batch norm: behind ReLU or ReLU6 as those of a clamped normal variable, through
/// additions (sides taken as independent), average pools, concat of channels, flatten. Needs no data. Taps on padding count as
/// if inside, and what rounding the input does is not seen: with data at hand `bias_correction` is better.
/// Layers that read anything else (the input, max pools, layers without batch norm) stay as they are, and the report names them.
/// Formula:   b[c] := b[c] - sum over d of (codes w[c,d] s_w[c] - w[c,d] k[c]) E[x[d]], k of batch norm (math 37)
/// @param layers  names of the layers; empty: all
/// Rounding:  sums in double; the bias is float, its code as fold() rounds it
/// Errors:    Errc::state if a range is missing; Errc::unsupported if the recipe simulates its codes, weights are binary, or a layer
///            has neither batch norm nor bias (with_bias adds one); Errc::range if a layer does not exist; nothing is changed then
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721, section 4.2 (analytic)
STET_ENTRY void analytic_bias_correction(QatModel& qat, AnalyticCorrectionReport* report = nullptr, const std::vector<std::string>& layers = {});

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string AnalyticCorrectionReport::str() const {
  std::string text;
  for (const AnalyticallyCorrected& l : layers) text += formatted("{}: means of its channels moved back by {:.3g}\n", l.layer, l.shift);
  for (const std::string& l : left) text += l + "\n";
  return text;
}

namespace detail {

// What the errors of a layer's weights add to the means of its channels, for inputs of these means.
inline std::vector<double> shift_of_means(const QatModel& qat, const Unit& unit, const std::vector<Moments>& inputs) {
  const LayerConstants folded = lower(qat, unit);
  const Tensor<float>& w = qat.model().parameter(qat.node_name(unit.node) + ".weight").value;
  const std::optional<NormView> norm = norm_of(qat, unit);
  std::vector<double> shift(static_cast<std::size_t>(w.shape()[unit.channel_axis()]), 0.0);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const auto c = static_cast<std::size_t>(output_channel(unit.op(), w.shape(), i));
    const auto from = static_cast<std::size_t>(input_channel(unit.op(), w.shape(), i)) % inputs.size();  // behind flatten they repeat
    const double step = static_cast<double>(folded.weight_scale[unit.weights.per_channel() ? c : 0]);
    const double wanted = static_cast<double>(w[i]) * (norm ? norm->factor(c) : 1.0);
    shift[c] += (static_cast<double>(folded.weights[i]) * step - wanted) * inputs[from].mean;
  }
  return shift;
}

}  // namespace detail

STET_ENTRY void analytic_bias_correction(QatModel& qat, AnalyticCorrectionReport* report, const std::vector<std::string>& layers) {
  const std::vector<const Unit*> units = detail::layers_with_codes("analytic_bias_correction", qat, layers);
  detail::require_biases("analytic_bias_correction", qat, units);
  AnalyticCorrectionReport unread;
  AnalyticCorrectionReport& said = report == nullptr ? unread : *report;
  // Before any beta moves: those are the means of the float network, which corrected layers have again.
  const detail::ChannelExpectations expected(qat.model());
  for (const Unit* unit : units) {
    const std::string& name = qat.node_name(unit->node);
    const detail::ExpectedChannels& in = expected.at(qat.graph().node(unit->node).inputs[0]);
    if (!in.why.empty() || !detail::follows_channels(unit->op())) {
      said.left.push_back(formatted("{} keeps its bias: {}", name, in.why.empty() ? "its pixels do not have all taps" : in.why.c_str()));
      continue;
    }
    const std::vector<double> shift = detail::shift_of_means(qat, *unit, in.channels);
    std::vector<double> bias = detail::real_bias(qat, *unit, shift.size());
    double square = 0;
    for (std::size_t c = 0; c < bias.size(); ++c) {
      bias[c] -= shift[c];
      square += shift[c] * shift[c];
    }
    detail::set_bias(qat, *unit, bias);
    said.layers.push_back({name, std::sqrt(square / static_cast<double>(bias.size()))});
  }
}
#endif

}  // namespace stet
