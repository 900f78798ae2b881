#pragma once
// convert: from a model with quantizers to integers.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/warning.hpp>
#include <stet/graph/finite.hpp>
#include <stet/model/check_stages.hpp>
#include <stet/model/lower.hpp>
#include <stet/model/state_fields.hpp>
#endif

namespace stet {

/// Makes the integer model that the recipe's target executes: the same operators, codes and scales with which
/// evaluate(qat) computes. Warns of phases that training since prepare() missed; check(qat) lists them too.
/// Errors:    Errc::state naming the first activation without a range; Errc::unsupported if the recipe simulates a
///            scheme; Errc::range listing tensors that are not finite, naming a variance or quantizer that cannot be, and
///            as fold()
STET_ENTRY IntegerModel convert(const QatModel& qat);
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerModel convert(const QatModel& qat) {
  qat.require_calibrated("convert");
  const Recipe& recipe = qat.recipe();
  if (recipe.simulated()) {
    fail(Errc::unsupported,
         "convert: recipe {} simulates {} in float, and no integer kernel computes with them; deploy the float model, or "
         "train with integer weights and activations",
         recipe.name, recipe.simulation());
  }
  check_finite("convert", qat.model());
  const std::string fault = detail::find_fault(qat);
  require(fault.empty(), Errc::range,
          "convert: {}; training has diverged: go back to a checkpoint, or lower the learning rate", fault);
  for (const detail::StageFinding& f : detail::stage_findings(qat)) warn("convert: {}; {}", f.what, f.remedy);
  IntegerModel made = lower(qat);
  const std::vector<InputFingerprint>& seen = qat.calibration_data().inputs;
  if (seen[0].images > 0) made.input_fingerprints = seen;
  return made;
}
#endif

}  // namespace stet
