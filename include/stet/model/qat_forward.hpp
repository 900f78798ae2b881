#pragma once
// Forward pass of a QatModel on the tape.

#include <stet/core/entry.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <utility>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/check.hpp>
#include <stet/model/simulated_forward.hpp>
#include <stet/model/unit_runner.hpp>
#endif

namespace stet {

#if STET_DEFINE_ENTRIES
namespace detail {

inline void require_one_output(const QatModel& qat) {
  require(qat.graph().outputs().size() == 1, Errc::unsupported,
          "forward: a quantized model is trained on one output, this one has {}", qat.graph().outputs().size());
}

// Training before fake quantization starts: the float model, watched.
inline Var<Tensor<float>> observed_forward(Tape& tape, QatModel& qat, const Tensor<float>& x, ForwardOptions options) {
  const std::vector<const Unit*> unit_of = units_by_output(qat);
  options.observe = [&, inner = std::move(options.observe)](int node, const Tensor<float>& value) {
    const Unit* unit = unit_of[static_cast<std::size_t>(node)];
    if (unit != nullptr) {
      qat.quantizer(unit->quantizer).observe(value.span(), range_of("forward", qat.node_name(node), value.span()));
    }
    if (inner) inner(node, value);
  };
  Var<Tensor<float>> y = forward(tape, qat.model(), x, Mode::training, options);
  for (Quantizer& q : qat.quantizers()) q.end_step();
  return y;
}

}  // namespace detail
#endif

/// Runs a quantized model on the tape. Evaluation computes what the integer engine computes, whatever the stage of
/// training; training normalizes in float while batch norm is live and runs the deployed arithmetic once it is frozen.
/// Shapes:    x [N] + the input's shape -> logits [N] + the output's shape, in real units
/// A training step quantizes from the first on, unless the recipe's schedule starts later: then, and for its other
/// phases, the model must hear how far training is (fit tells it; an own loop has QatSteps).
/// Gradient:  straight-through, see live_layer and frozen_layer
/// Errors:    Errc::shape if x does not fit; Errc::range if a value of it is NaN or infinite, which codes would hide;
///            Errc::state if a range is missing
STET_ENTRY Var<Tensor<float>> forward(Tape& tape, QatModel& qat, const Tensor<float>& x, Mode mode = Mode::training,
                                      const ForwardOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Var<Tensor<float>> forward(Tape& tape, QatModel& qat, const Tensor<float>& x, Mode mode,
                                      const ForwardOptions& options) {
  detail::require_one_output(qat);
  const bool trained = mode == Mode::training;
  if (trained) qat.begin_step();
  const auto run = [&]() -> Var<Tensor<float>> {
    if (trained && !qat.quantizing()) return detail::observed_forward(tape, qat, x, options);
    qat.require_calibrated("forward");
    if (qat.recipe().simulated()) {
      return detail::simulated_forward(tape, qat, trained ? &qat : nullptr, x, options.rng);
    }
    detail::UnitRunner runner(tape, qat, trained ? &qat : nullptr, options.rng);
    return dequantize(runner.run(x, nullptr));
  };
  Var<Tensor<float>> y = run();
  if (trained) qat.count_step();
  return y;
}
#endif

/// Output codes of a quantized model in evaluation; `observe` (if given) sees the codes of every unit, by graph node.
STET_ENTRY QTensor infer_codes(const QatModel& qat, const Tensor<float>& x,
                               FunctionRef<void(int node, const QTensor& codes)> observe);
#if STET_DEFINE_ENTRIES
STET_ENTRY QTensor infer_codes(const QatModel& qat, const Tensor<float>& x,
                               FunctionRef<void(int node, const QTensor& codes)> observe) {
  detail::require_one_output(qat);
  qat.require_calibrated("infer");
  require(!qat.recipe().simulated(), Errc::unsupported,
          "infer_codes: recipe {} simulates its schemes in float, there are no codes; infer gives logits",
          qat.recipe().name);
  Tape tape;
  return detail::UnitRunner(tape, qat, nullptr, nullptr).run(x, &observe).value();
}
#endif

/// Logits of a quantized model in evaluation.
STET_ENTRY Tensor<float> infer(const QatModel& qat, const Tensor<float>& x);
#if STET_DEFINE_ENTRIES
STET_ENTRY Tensor<float> infer(const QatModel& qat, const Tensor<float>& x) {
  if (qat.recipe().simulated()) {
    qat.require_calibrated("infer");
    Tape tape;
    return detail::simulated_forward(tape, qat, nullptr, x, nullptr).value();
  }
  return dequantize(infer_codes(qat, x, [](int, const QTensor&) {}));
}
#endif

}  // namespace stet
