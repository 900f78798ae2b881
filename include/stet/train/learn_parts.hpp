#pragma once
// A step of fit that is cut into parts, each learned on a lane of its own, in this process or in another one.

#include <stet/core/communicator.hpp>
#include <stet/train/learn_batch.hpp>
#include <stet/train/part_meeting.hpp>
#include <stet/train/part_tree.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::detail {

// How a batch of so many samples is cut: by their number alone, or in a part for each process where the order of sums is free.
struct BatchCut {
  std::int64_t samples, part, parts;
  BatchCut(std::int64_t size, const FitOptions& o)
      : samples(size), part(o.sums == SumOrder::any ? 0 : o.part),
        parts(part == 0 ? std::min<std::int64_t>(size, o.comm->size()) : (size + part - 1) / part) {}
  [[nodiscard]] Chunk operator[](std::int64_t i) const {
    return part == 0 ? chunk_of(samples, parts, i) : Chunk{i * part, std::min(samples, (i + 1) * part)};
  }
};

// Samples of a batch and how much they count in its mean.
struct PartOfBatch {
  Batch batch;
  double share;
  PartOfBatch(const Batch& whole, Chunk samples) : batch(whole.rows(samples.first, samples.last)), share(batch.total_weight() / whole.total_weight()) {
    if (share > 0) return;
    // A mean of samples without weight is none: they get equal ones, so small that they are nothing beside others.
    auto weights = batch.weights.edit();
    std::fill(weights.begin(), weights.end(), 1e-30f);
  }
};

// What a part adds to the loss of the batch.
// Formula:   share of the part * loss of the part; of mixed samples that of both answers, by the share of each in the mixture
inline StepLoss loss_of_part(std::span<const Var<Tensor<float>>> outputs, const PartOfBatch& own, const PartOfBatch* partners, double mixed,
                             const FitOptions& o) {
  const auto weighed = [&](const PartOfBatch& part, double factor) {
    StepLoss loss = loss_of_answers(outputs, part.batch, o);
    loss.total = loss.total * (part.share * factor);
    for (double& of_output : loss.of_output) of_output *= part.share * factor;
    return loss;
  };
  if (partners == nullptr) return weighed(own, 1.0);
  StepLoss loss = weighed(own, 1.0 - mixed);
  const StepLoss other = weighed(*partners, mixed);
  loss.total = loss.total + other.total;
  for (std::size_t k = 0; k < loss.of_output.size(); ++k) loss.of_output[k] += other.of_output[k];
  return loss;
}

// The gradients of a lane one after the other, of those parameters that have one.
inline std::vector<float> flat_gradients(std::span<const ParameterRef> parameters) {
  std::vector<float> flat;
  for (const ParameterRef& p : parameters) flat.insert(flat.end(), p.parameter->gradient.span().begin(), p.parameter->gradient.span().end());
  return flat;
}

// Gives lane 0, the model, the sums of the gradients of all parts.
inline void sum_gradients(const FitStage& stage, std::span<const ParameterRef> parameters, const PartTree& tree, std::size_t lanes, const FitOptions& o) {
  std::vector<std::vector<float>> flat{flat_gradients(parameters)};
  for (std::size_t i = 1; i < lanes; ++i) {
    flat.push_back(flat_gradients(stage.lane_parameters(i)));
    require(flat[i].size() == flat[0].size(), Errc::state, "fit: parts of one batch give gradients to {} and to {} numbers; all parts must run the same operators",
            flat[0].size(), flat[i].size());
  }
  std::vector<std::span<float>> arrays(flat.begin(), flat.end());
  if (o.sums == SumOrder::any) {
    if (tree.run_of(o.comm->rank()).size() == 0) std::fill(flat[0].begin(), flat[0].end(), 0.0f);
    o.comm->add_in_any_order(arrays[0]);
  } else {
    sum_in_order<float>(tree, *o.comm, arrays);
  }
  auto from = flat[0].begin();
  for (const ParameterRef& p : parameters) {
    const auto to = p.parameter->gradient.edit();
    std::copy_n(from, to.size(), to.begin());
    from += static_cast<std::ptrdiff_t>(to.size());
  }
}

// As learn_batch, with all processes. The model ends the step as every lane of every process does: statistics and ranges are made
// of the whole batch by all of them, gradients are added up at the end.
inline BatchResult learn_parts(const FitStage& stage, const Batch& batch, const Dataset& data, const FitOptions& o,
                               std::span<const ParameterRef> parameters, const Rng& rng, std::string_view where) {
  const BatchCut cut(batch.size(), o);
  const PartTree tree(cut.parts, o.comm->size());
  PartMeeting meeting(tree, *o.comm, o.sums == SumOrder::any);
  const Chunk run = tree.run_of(o.comm->rank());
  // A process without a part runs the last one again, for what comes of it to the model, and adds nothing.
  const std::int64_t first = run.size() > 0 ? run.first : cut.parts - 1;
  stage.copy_lanes(meeting.size());
  const bool mixes = !batch.mixing.partner.empty();
  const Batch partners = mixes ? batch.of_partners() : Batch();
  std::vector<BatchResult> results(meeting.size());
  meeting.run([&](std::size_t lane, BatchParts& parts) {
    const std::int64_t index = first + static_cast<std::int64_t>(lane);
    const PartOfBatch own(batch, cut[index]);
    std::vector<PartOfBatch> other;
    if (mixes) other.emplace_back(partners, cut[index]);
    Rng numbers = rng.split(static_cast<std::uint64_t>(index));
    BatchResult& r = results[lane];
    {
      Tape tape(&parts);
      r = learn_on(tape, stage, lane, own.batch, data, numbers, where, [&](std::span<const Var<Tensor<float>>> outputs) -> StepLoss {
        return loss_of_part(outputs, own, mixes ? &other[0] : nullptr, batch.mixing.share, o);
      });
    }
    std::vector<double> sums{r.loss, r.correct};
    sums.insert(sums.end(), r.of_output.begin(), r.of_output.end());
    parts.combine(sums, {});
    r = {sums[0], sums[1], {sums.begin() + 2, sums.end()}};
  });
  sum_gradients(stage, parameters, tree, meeting.size(), o);
  return results[0];
}

}  // namespace stet::detail
