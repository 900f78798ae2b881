#pragma once
// QatPhases: which phases of its schedule a quantized model is in, who froze it, and how long it was trained in them.

#include <stet/core/requirements.hpp>

#include <cstdint>

namespace stet {

/// Plain state of a QatModel's training, kept in checkpoints.
struct QatPhases {
  bool quantizing = false;  ///< training steps quantize
  bool ranges_frozen = false, batch_norm_frozen = false;
  /// Frozen by hand: the next run leaves them so, while it re-opens what the schedule of an earlier one froze.
  bool ranges_held = false, batch_norm_held = false;
  std::int64_t float_steps = 0, quantized_steps = 0;  ///< forward passes in training so far
  /// Quantized steps since ranges, learned scales and batch norm moved last: with them the weights met what is deployed.
  std::int64_t steps_with_ranges_frozen = 0, steps_with_batch_norm_frozen = 0;

  template <class F>
  void fields(F&& f) {
    f("quantizing", quantizing);
    f("batch_norm_frozen", batch_norm_frozen);
    f("ranges_frozen", ranges_frozen);
    f("batch_norm_held", batch_norm_held);
    f("ranges_held", ranges_held);
    f("float_steps", float_steps);
    f("quantized_steps", quantized_steps);
    f("steps_with_ranges_frozen", steps_with_ranges_frozen);
    f("steps_with_batch_norm_frozen", steps_with_batch_norm_frozen);
  }
};

}  // namespace stet
