#pragma once
// The passes of post-training quantization for the list that quantize takes, and the list that measures well.

#include <stet/passes/absorb_high_bias.hpp>
#include <stet/passes/ada_round.hpp>
#include <stet/passes/analytic_bias_correction.hpp>
#include <stet/passes/bias_correction.hpp>
#include <stet/passes/post_training.hpp>
#include <stet/passes/smooth.hpp>
#include <stet/passes/with_bias.hpp>

#include <vector>

namespace stet::passes {

/// absorb_high_bias, before preparing; after equalized, which changes offsets.
inline PostTrainingPass absorbed(const AbsorbOptions& options = {}) {
  return {"high biases absorbed", [options](Model& m, const Dataset&) { m = absorb_high_bias(m, options); }, {}, {}};
}
/// smooth, on the calibration data, before preparing.
inline PostTrainingPass smoothed(const SmoothOptions& options = {}) {
  return {"smoothed", [options](Model& m, const Dataset& data) { m = smooth(m, data, options); }, {}, {}};
}
/// bias_correction against the float model; layers without a bias get one.
inline PostTrainingPass bias_corrected(const BiasCorrectionOptions& options = {}) {
  return {"biases corrected", [](Model& m, const Dataset&) { m = with_bias(m); }, {},
          [options](QatModel& q, const Model& reference, const Dataset& data) { bias_correction(q, reference, data, options); }};
}
/// analytic_bias_correction, which looks at no data; layers without a bias get one.
inline PostTrainingPass analytically_bias_corrected() {
  return {"biases corrected without data", [](Model& m, const Dataset&) { m = with_bias(m); }, [](QatModel& q, const Dataset&) { analytic_bias_correction(q); }, {}};
}
/// ada_round: after passes that change biases or statistics of layers, before re-estimation (docs/rounding.md). gptq_rounded
/// is in gptq.hpp.
inline PostTrainingPass ada_rounded(const AdaRoundOptions& options = {}) {
  return {"weights rounded by ada_round", {}, [options](QatModel& q, const Dataset& data) { ada_round(q, data, options); }, {}};
}
/// What measures well together, in its order (docs/results.md): channels equalized where they are far apart (the largest more than 8
/// times the median: healthy networks stay as they are), batch norm re-estimated, then biases corrected against the float model.
/// For weights or activations of less than 8 bits; at 8 bits, where nothing is lost, it moves accuracy by chance alone but for
/// channels that are far apart.
inline std::vector<PostTrainingPass> standard() { return {equalized({.above = 8}), reestimated(), bias_corrected()}; }

}  // namespace stet::passes
