#pragma once
// MonitorState: what a monitor of training has seen so far, as plain data that checkpoints keep.

#include <stet/core/requirements.hpp>
#include <stet/qat/oscillation.hpp>

#include <cstdint>
#include <vector>

namespace stet::detail {

struct MonitorState {
  // Per cause and unit: step of the first look of those in a row that showed it, of the finding, and the value measured.
  std::vector<std::int64_t> since{}, began{};
  std::vector<double> value{};
  std::vector<double> most_oscillating{};  // per unit, so far
  std::vector<float> start_scales{};  // learned ones, as quantization began with them
  std::vector<double> start_sizes{};  // of sampled weights then, per unit
  std::vector<float> weights{};       // sampled ones after the last step
  std::vector<double> movement{};     // of them, per layer: running mean of relative change of a step
  OscillationTracker codes{};         // of the sampled ones of few bits
  double highest_lr = 0, lr = 0;
  std::int64_t step = 0, steps = 0;     // the last, and of the run
  std::int64_t batch_norm_from = -1;    // the look that saw it frozen first

  template <class F>
  void fields(F&& f) {
    f("since", since);
    f("began", began);
    f("value", value);
    f("most_oscillating", most_oscillating);
    f("start_scales", start_scales);
    f("start_sizes", start_sizes);
    f("weights", weights);
    f("movement", movement);
    codes.fields([&](const char* name, auto& field) { f(name, field); });
    f("highest_lr", highest_lr);
    f("lr", lr);
    f("step", step);
    f("steps", steps);
    f("batch_norm_from", batch_norm_from);
  }
};

}  // namespace stet::detail
