#pragma once
// recipe_code: a recipe as C++ to paste.

#include <stet/core/entry.hpp>
#include <stet/qat/recipe.hpp>

#include <string>

namespace stet {

/// C++ that makes a recipe's schemes, target, schedule and overrides, field by field where they differ from recipes::int8().
/// Schemes that symmetric() does not make, observers and estimators stand as comments with their description.
STET_ENTRY std::string recipe_code(const Recipe& recipe);
#if STET_DEFINE_ENTRIES
namespace detail {

inline std::string scheme_code(const AnyScheme& scheme) {
  for (const bool per_channel : {true, false}) {
    for (const WeightRange range : {WeightRange::absmax, WeightRange::mse}) {
      for (int bits = 1; bits <= 8; ++bits) {
        if (symmetric(bits, per_channel, range).describe() != scheme.describe()) continue;
        return formatted("symmetric({}, {}{})", bits, per_channel ? "true" : "false", range == WeightRange::mse ? ", WeightRange::mse" : "");
      }
    }
  }
  for (int bits = 2; bits <= 8; ++bits) {
    if (AnyScheme(Int8Activation(bits)).describe() == scheme.describe()) return formatted("Int8Activation({})", bits);
  }
  return "";
}

}  // namespace detail

STET_ENTRY std::string recipe_code(const Recipe& r) {
  const Recipe plain = recipes::int8();
  std::string code = "Recipe r = recipes::int8();\n";
  const auto line = [&](const std::string& text) { code += text + "\n"; };
  const auto scheme = [&](const std::string& field, const AnyScheme& now, const AnyScheme& before) {
    if (now.describe() == before.describe()) return;
    const std::string made = detail::scheme_code(now);
    line(made.empty() ? formatted("// {}: {}", field, now.describe()) : formatted("{} = {};", field, made));
  };
  if (r.name != plain.name) line(formatted("r.name = \"{}\";", r.name));
  scheme("r.weights", r.weights, plain.weights);
  scheme("r.linear_weights", r.linear_weights, plain.linear_weights);
  scheme("r.activations", r.activations, plain.activations);
  if (r.end_bits) line(formatted("r.end_bits = {};", *r.end_bits));
  if (r.depthwise_bits) line(formatted("r.depthwise_bits = {};", *r.depthwise_bits));
  const auto learned = [&](const char* field, const std::optional<AnyLearnedRange>& range) {
    if (!range) return;
    line(range->describe() == AnyLearnedRange(lsq()).describe() ? formatted("{} = lsq();", field) : formatted("// {}: {}", field, range->describe()));
  };
  learned("r.learned_weights", r.learned_weights);
  learned("r.learned_activations", r.learned_activations);
  if (r.scale_lr_factor != plain.scale_lr_factor) line(formatted("r.scale_lr_factor = {};", r.scale_lr_factor));
  if (r.weight_estimator) line(formatted("// r.weight_estimator: {}", r.weight_estimator->describe()));
  if (r.activation_estimator) line(formatted("// r.activation_estimator: {}", r.activation_estimator->describe()));
  if (r.calibration_observer.describe() != plain.calibration_observer.describe()) {
    line(formatted("// r.calibration_observer: {}", r.calibration_observer.describe()));
  }
  if (r.training_observer.describe() != plain.training_observer.describe()) {
    line(formatted("// r.training_observer: {}", r.training_observer.describe()));
  }
  const QatSchedule& s = r.schedule;
  if (s.quantize_at != plain.schedule.quantize_at || s.freeze_ranges_at != plain.schedule.freeze_ranges_at ||
      s.freeze_batch_norm_at != plain.schedule.freeze_batch_norm_at) {
    line(formatted("r.schedule = {{.quantize_at = {}, .freeze_ranges_at = {}, .freeze_batch_norm_at = {}}};", s.quantize_at,
                   s.freeze_ranges_at, s.freeze_batch_norm_at));
  }
  if (r.target.name != plain.target.name) line(formatted("r.target = targets::{};", r.target.name));
  if (r.keep_float_unsupported) line("r.keep_float_unsupported = true;");
  for (const RecipeOverride& o : r.overrides) {
    std::string fields = formatted(".node = \"{}\"", o.node);
    const auto add = [&](const char* field, const std::optional<AnyScheme>& given) {
      if (!given) return;
      const std::string made = detail::scheme_code(*given);
      fields += made.empty() ? formatted(" /* .{}: {} */", field, given->describe()) : formatted(", .{} = {}", field, made);
    };
    add("weights", o.weights);
    add("activations", o.activations);
    if (o.keep_float) fields += ", .keep_float = true";
    line(formatted("r.overrides.push_back({{{}}});", fields));
  }
  return code;
}
#endif

}  // namespace stet
