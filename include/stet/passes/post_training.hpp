#pragma once
// quantize with passes: post-training quantization in one call, with what makes up for the lack of training. The other passes
// are in standard_passes.hpp.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/equalize.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>

#include <functional>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#endif

namespace stet {

/// A step of post-training quantization: on the float model before it is prepared, on the calibrated model after, or both.
struct PostTrainingPass {
  std::string name{};
  std::function<void(Model&, const Dataset&)> before_prepare{};
  std::function<void(QatModel&, const Dataset&)> after_calibrate{};
  /// The same, with the float model as it was prepared: what the quantized one is compared with.
  std::function<void(QatModel&, const Model& reference, const Dataset&)> after_calibrate_beside{};
};

namespace passes {

/// equalize, before preparing.
inline PostTrainingPass equalized(const EqualizeOptions& options = {}) {
  return {"equalized", [options](Model& m, const Dataset&) { m = equalize(m, options); }, {}, {}};
}
/// reestimate_batch_norm, on the quantized network: rounding moved what statistics were taken of.
inline PostTrainingPass reestimated(const ReestimateOptions& options = {}) {
  return {"batch norm re-estimated", {}, [options](QatModel& q, const Dataset& data) { reestimate_batch_norm(q, data, options); }, {}};
}

}  // namespace passes

/// How quantize goes about it.
struct QuantizeOptions {
  std::vector<PostTrainingPass> passes{};  ///< in this order, each where it belongs
  CalibrateOptions calibrate{};
};

/// A calibrated model after all passes: what convert makes integers of, and from which QAT may start.
/// Errors:    Errc::state naming a pass that does nothing; as prepare, calibrate and the passes
STET_ENTRY QatModel calibrated(const Model& model, const Recipe& recipe, const Dataset& data, const QuantizeOptions& options);
/// Quantizes a trained model without further training: passes on the model, prepare, calibrate, passes on what is calibrated,
/// convert.
/// Errors:    as calibrated and convert
STET_ENTRY IntegerModel quantize(const Model& model, const Recipe& recipe, const Dataset& data, const QuantizeOptions& options);

#if STET_DEFINE_ENTRIES
namespace detail {

// The error of a pass says whose it is.
template <class F>
void run_pass(const PostTrainingPass& pass, F&& run) {
  try {
    run();
  } catch (const Error& e) {
    throw Error(e.code(), formatted("quantize: pass '{}': {}", pass.name, e.what()));
  }
}

}  // namespace detail

STET_ENTRY QatModel calibrated(const Model& model, const Recipe& recipe, const Dataset& data, const QuantizeOptions& options) {
  for (const PostTrainingPass& p : options.passes) {
    const bool acts = p.before_prepare || p.after_calibrate || p.after_calibrate_beside;
    require(acts, Errc::state, "quantize: the pass '{}' does nothing; give it before_prepare or after_calibrate", p.name);
  }
  Model float_model = model;
  for (const PostTrainingPass& p : options.passes) {
    if (p.before_prepare) detail::run_pass(p, [&] { p.before_prepare(float_model, data); });
  }
  QatModel qat = prepare(float_model, recipe);
  calibrate(qat, data, options.calibrate);
  for (const PostTrainingPass& p : options.passes) {
    detail::run_pass(p, [&] {
      if (p.after_calibrate) p.after_calibrate(qat, data);
      if (p.after_calibrate_beside) p.after_calibrate_beside(qat, float_model, data);
    });
  }
  return qat;
}

STET_ENTRY IntegerModel quantize(const Model& model, const Recipe& recipe, const Dataset& data, const QuantizeOptions& options) {
  return convert(calibrated(model, recipe, data, options));
}
#endif

}  // namespace stet
