#pragma once
// Forward pass of a QatModel on the tape.

#include <stet/core/entry.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/qat_model.hpp>

#include <span>
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

// Training before fake quantization starts: the float model, watched.
inline std::vector<Var<Tensor<float>>> observed_forward(Tape& tape, QatModel& qat, std::span<const Tensor<float>> inputs,
                                                        ForwardOptions options) {
  const std::vector<const Unit*> unit_of = units_by_output(qat);
  options.observe = [&, inner = std::move(options.observe)](int node, const Tensor<float>& value) {
    const Unit* unit = unit_of[static_cast<std::size_t>(node)];
    if (unit != nullptr) {
      qat.quantizer(unit->quantizer).observe(value.span(), range_of("forward", qat.node_name(node), value.span()));
    }
    if (inner) inner(node, value);
  };
  std::vector<Var<Tensor<float>>> outputs = forward(tape, qat.model(), inputs, Mode::training, options);
  end_step(qat.quantizers(), tape.parts());
  return outputs;
}

}  // namespace detail
#endif

/// Runs a quantized model on the tape. Evaluation computes what the integer engine computes, whatever the stage of
/// training; training normalizes in float while batch norm is live and runs the deployed arithmetic once it is frozen.
/// Shapes:    inputs [N] + their shapes -> outputs (logits) [N] + their shapes, in real units, in the order of the graph's
/// A training step quantizes from the first on, unless the recipe's schedule starts later: then, and for its other
/// phases, the model must hear how far training is (fit tells it; an own loop has QatSteps).
/// Gradient:  straight-through, see live_layer and frozen_layer
/// Errors:    Errc::shape if an input does not fit; Errc::range if a value of it is NaN or infinite, which codes would hide;
///            Errc::state if a range is missing
STET_ENTRY std::vector<Var<Tensor<float>>> forward(Tape& tape, QatModel& qat, std::span<const Tensor<float>> inputs,
                                                   Mode mode = Mode::training, const ForwardOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<Var<Tensor<float>>> forward(Tape& tape, QatModel& qat, std::span<const Tensor<float>> inputs,
                                                   Mode mode, const ForwardOptions& options) {
  const bool trained = mode == Mode::training;
  if (trained) qat.begin_step();
  const auto run = [&]() -> std::vector<Var<Tensor<float>>> {
    if (trained && !qat.quantizing()) return detail::observed_forward(tape, qat, inputs, options);
    qat.require_calibrated("forward");
    if (qat.recipe().simulated()) {
      return detail::simulated_forward(tape, qat, trained ? &qat : nullptr, inputs, options.rng);
    }
    std::vector<Var<Tensor<float>>> outputs;
    for (const Var<QTensor>& y : detail::UnitRunner(tape, qat, trained ? &qat : nullptr, options.rng).run(inputs, nullptr)) {
      outputs.push_back(dequantize(y));
    }
    return outputs;
  };
  std::vector<Var<Tensor<float>>> outputs = run();
  if (trained) qat.count_step();
  return outputs;
}
#endif
/// The same for a model with one input and one output.
inline Var<Tensor<float>> forward(Tape& tape, QatModel& qat, const Tensor<float>& x, Mode mode = Mode::training,
                                  const ForwardOptions& options = {}) {
  detail::require_single("forward", qat.graph());
  return forward(tape, qat, std::span<const Tensor<float>>(&x, 1), mode, options)[0];
}

/// Output codes of a quantized model in evaluation; `observe` (if given) sees the codes of every unit, by graph node.
/// Errors:    as forward; Errc::unsupported if the recipe simulates its schemes
STET_ENTRY std::vector<QTensor> infer_codes(const QatModel& qat, std::span<const Tensor<float>> inputs,
                                            FunctionRef<void(int node, const QTensor& codes)> observe);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<QTensor> infer_codes(const QatModel& qat, std::span<const Tensor<float>> inputs,
                                            FunctionRef<void(int node, const QTensor& codes)> observe) {
  qat.require_calibrated("infer");
  require(!qat.recipe().simulated(), Errc::unsupported,
          "infer_codes: recipe {} simulates its schemes in float, there are no codes; infer gives logits",
          qat.recipe().name);
  Tape tape;
  std::vector<QTensor> outputs;
  for (const Var<QTensor>& y : detail::UnitRunner(tape, qat, nullptr, nullptr).run(inputs, &observe)) outputs.push_back(y.value());
  return outputs;
}
#endif
/// The same for a model with one input and one output.
inline QTensor infer_codes(const QatModel& qat, const Tensor<float>& x,
                           FunctionRef<void(int node, const QTensor& codes)> observe) {
  detail::require_single("infer_codes", qat.graph());
  return infer_codes(qat, std::span<const Tensor<float>>(&x, 1), observe)[0];
}

/// Outputs (logits) of a quantized model in evaluation, in the order of its graph.
STET_ENTRY std::vector<Tensor<float>> infer(const QatModel& qat, std::span<const Tensor<float>> inputs);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<Tensor<float>> infer(const QatModel& qat, std::span<const Tensor<float>> inputs) {
  std::vector<Tensor<float>> outputs;
  if (qat.recipe().simulated()) {
    qat.require_calibrated("infer");
    Tape tape;
    for (const Var<Tensor<float>>& y : detail::simulated_forward(tape, qat, nullptr, inputs, nullptr)) outputs.push_back(y.value());
    return outputs;
  }
  for (const QTensor& codes : infer_codes(qat, inputs, [](int, const QTensor&) {})) outputs.push_back(dequantize(codes));
  return outputs;
}
#endif
/// The same for a model with one input and one output.
inline Tensor<float> infer(const QatModel& qat, const Tensor<float>& x) {
  detail::require_single("infer", qat.graph());
  return infer(qat, std::span<const Tensor<float>>(&x, 1))[0];
}

}  // namespace stet
