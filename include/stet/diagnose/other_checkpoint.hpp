#pragma once
// Whether a quantized model comes from the checkpoint that it is compared with: everything that is replayed starts there.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/diagnose/question.hpp>

#include <optional>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/training_change.hpp>

#include <cmath>
#include <string_view>
#endif

namespace stet::detail {

// How much of the direction of its weights a model has kept from another of the same graph: the cosine of each tensor, weighted
// by its size. Fine-tuned ones keep above 0.5, strangers some hundredths; 1 without weights.
STET_ENTRY double direction_kept(const Model& from, const Model& to);
// The cause, if it is one. A learning rate far above that of fine-tuning leaves nothing of a checkpoint either, and is a cause of
// its own where it is known.
STET_ENTRY std::optional<Cause> other_checkpoint(const Question& question);

#if STET_DEFINE_ENTRIES
STET_ENTRY double direction_kept(const Model& from, const Model& to) {
  double sum = 0, count = 0;
  for (const NamedParameter& p : from.parameters()) {
    if (!std::string_view(p.name).ends_with(".weight")) continue;
    const auto a = p.parameter.value.span(), b = to.parameter(p.name).value.span();
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    if (aa == 0 || bb == 0) continue;
    sum += static_cast<double>(a.size()) * ab / std::sqrt(aa * bb);
    count += static_cast<double>(a.size());
  }
  return count > 0 ? sum / count : 1.0;
}

STET_ENTRY std::optional<Cause> other_checkpoint(const Question& q) {
  constexpr double least = 0.1, highest_known = 1e-3;
  if (q.qat == nullptr || (q.fit && highest_rate(*q.fit) > highest_known)) return std::nullopt;
  const double kept = direction_kept(q.fp32, q.qat->model());
  if (kept >= least) return std::nullopt;
  Cause c;
  c.id = "other_checkpoint";
  c.title = "Trained from another checkpoint than the one that it is compared with";
  c.what = "the weights of the quantized model have nothing in common with those of Question::fp32, from which all is replayed.";
  c.cure = "give diagnose the checkpoint that prepare() took; if it is this one, its learning rate left nothing of it (docs/why.md#learning_rate)";
  c.evidence.push_back({"cosine of weights with the checkpoint's", "", kept, "above 0.5", true});
  return c;
}
#endif

}  // namespace stet::detail
