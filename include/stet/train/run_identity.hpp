#pragma once
// What makes a run of fit what it is, as lines of text: a checkpoint is continued by the same run and by no other.

#include <stet/core/description.hpp>
#include <stet/core/hash.hpp>
#include <stet/core/warning.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/identity.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet::detail {

// A rule of one's own may say nothing of its options in its description; what they do to two numbers tells them apart.
// Six digits are the same in every build.
inline std::string three_updates(const AnyOptimizer& rule) {
  std::array<float, 2> x{1.0f, -0.5f};
  const std::array<float, 2> gradient{0.5f, 0.25f};
  std::array<std::array<float, 2>, max_optimizer_slots> kept{};
  std::vector<std::span<float>> slots;
  for (std::size_t s = 0; s < std::min(rule.slots().size(), max_optimizer_slots); ++s) slots.emplace_back(kept[s]);
  for (std::int64_t count = 1; count <= 3; ++count) rule.update({1.0, count, count != 2}, x, gradient, slots);
  return formatted("{:.6g} {:.6g}", x[0], x[1]);
}

// A schedule has no text: its factors at all steps stand for it (of a longer run, at 65536 of them).
inline std::string factors(const AnySchedule& schedule, std::int64_t total) {
  const std::int64_t samples = std::min<std::int64_t>(total, 65536);
  Hash64 hash;
  for (std::int64_t i = 0; i < samples; ++i) hash.number(static_cast<float>(schedule.at(i * (total / samples), total)));
  hash.number(static_cast<float>(schedule.at(total - 1, total)));
  return formatted("factors {:.6g}, {:.6g}, {:.6g} at its start, middle and end (hash {:016x})", schedule.at(0, total),
                   schedule.at(total / 2, total), schedule.at(total - 1, total), hash.value());
}

inline std::string describe_data(const Dataset& data) {
  std::string shapes = data.shape().str(), truth;
  for (std::size_t i = 1; i < data.inputs(); ++i) shapes += " and " + data.shape(i).str();
  for (std::size_t k = 0; k < data.answers(); ++k) {
    truth += truth.empty() ? "" : " and ";
    truth += data.has_labels(k) ? formatted("{} classes", data.classes(k)) : formatted("targets {}", data.target_shape(k));
  }
  return formatted("{} images {}, {}{} (hash {:016x})", data.size(), shapes, truth.empty() ? "no labels" : truth, data.has_weights() ? ", weighed" : "",
                   content_hash(data));
}

// What is made small, in words.
inline std::string describe_loss(const Dataset& data, const FitOptions& o) {
  if (o.loss) return o.loss.describe();
  const auto of = [&](std::size_t k, const AnyLoss& own) {
    return own ? own.describe() : data.has_targets(k) ? MseLoss{}.describe() : std::string("softmax cross-entropy");
  };
  std::string text;
  const std::size_t outputs = o.losses.empty() ? std::max<std::size_t>(1, data.answers()) : o.losses.size();
  for (std::size_t k = 0; k < outputs; ++k) {
    text += text.empty() ? "" : " + ";
    if (!o.losses.empty()) text += formatted("{} times ", o.losses[k].weight);
    text += of(k, o.losses.empty() ? AnyLoss() : o.losses[k].loss);
  }
  return text;
}

// What must be the same in the run that continues, one line each, always the same ones.
STET_ENTRY std::string describe_run(const Dataset& data, const FitOptions& o);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::string describe_run(const Dataset& data, const FitOptions& o) {
  const std::int64_t total = steps_per_epoch(data.size(), batches_of(o)) * o.epochs;
  std::string callbacks = o.on_gradients ? "on_gradients" : "";
  for (const CallbackState& s : o.state) callbacks += (callbacks.empty() ? "state of " : ", state of ") + s.name();
  std::string text;
  const auto line = [&](std::string_view key, const auto& value) { text += formatted("{} {}\n", key, value); };
  line("optimizer", o.optimizer.describe() + "; three updates at rate 1 give " + three_updates(o.optimizer));
  line("schedule", factors(o.schedule, total));
  line("epochs", o.epochs);
  // With other processes the cut into parts decides bits, and not how many processes there are.
  const std::string parts = o.comm == nullptr ? "" : o.sums == SumOrder::any ? ", in a part per process" : formatted(", in parts of {}", o.part);
  line("batch", formatted("{}{}", o.batch, parts));
  line("last batch", o.drop_last ? "dropped if it is not full" : "kept");
  line("seed", o.seed);
  line("label_smoothing", o.label_smoothing);
  line("clip_norm", o.clip_norm);
  line("early_stop", formatted("after {} epochs, min_delta {}{}", o.early_stop.patience, o.early_stop.min_delta,
                              o.early_stop.restore_best ? ", the best epoch at the end" : ""));
  line("loss", describe_loss(data, o));
  line("metric", !o.metric ? std::string("none") : o.metric.output < 0 ? o.metric.name : formatted("{} of output {}", o.metric.name, o.metric.output));
  std::string rates, augment;
  for (const LayerRate& r : o.rates) rates += formatted("{}{} of {}", rates.empty() ? "" : ", ", r.factor, r.names);
  for (const Augmentation& a : o.augment) augment += (augment.empty() ? "" : ", ") + a.describe();
  line("rates", rates.empty() ? "one" : rates);
  line("augment", augment.empty() ? "none" : augment);
  line("callbacks", callbacks.empty() ? "none" : callbacks);
  line("on_step", o.on_step ? "set" : "not set");
  line("identity", o.identity.empty() ? "none" : o.identity);
  line("data", describe_data(data));
  line("validation", o.validation == nullptr ? "none" : describe_data(*o.validation));
  return text;
}
#endif

inline std::string frozen_text(const Model& model) {
  std::string text;
  for (const NamedParameter& p : model.parameters()) {
    if (p.frozen) text += (text.empty() ? "" : ", ") + p.name;
  }
  return text;
}

// With what a run starts: a checkpoint of a run from other weights may be as long and as good, and is still another run.
// What a model has besides its own parameters and buffers is that of its quantizers.
template <class M>
std::string describe_start(const M& model) {
  Hash64 weights, quantizers;
  hash_fields(model, [&](std::string_view name) -> Hash64& { return name.starts_with(quantizer_prefix) ? quantizers : weights; });
  std::string ranges = formatted("hash {:016x}", quantizers.value());
  if constexpr (requires { model.calibrated(); }) {
    if (!model.calibrated()) ranges = "not calibrated";
  }
  std::string frozen;
  if constexpr (requires { model.model(); }) {
    frozen = frozen_text(model.model());
  } else if constexpr (requires { model.parameters().front().frozen; }) {
    frozen = frozen_text(model);
  }
  return formatted("start weights, hash {:016x}\nstart quantizers, {}\nfrozen {}\n", weights.value(), ranges, frozen.empty() ? "nothing" : frozen);
}

// Lines in which two runs differ. A model that is not calibrated gets its ranges from the checkpoint, whatever these are.
// on_step may change parameters and may just look: it is a warning.
inline std::vector<std::string> differing_lines(std::string_view there, std::string_view now) {
  const std::vector<std::string_view> a = lines_of(there), b = lines_of(now);
  std::vector<std::string> differences;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string_view x = i < a.size() ? a[i] : "nothing", y = i < b.size() ? b[i] : "nothing";
    if (x == y || y == "start quantizers, not calibrated") continue;
    if (x.starts_with("on_step ") && y.starts_with("on_step ")) {
      warn(
          "fit: the run that is resumed had {}, this one has {}; if it changes parameters, the result is of neither "
          "run",
          x, y);
      continue;
    }
    differences.push_back(formatted("{} there, {} now", x, y));
  }
  return differences;
}

}  // namespace stet::detail
