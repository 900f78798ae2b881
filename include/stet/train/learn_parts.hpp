#pragma once
// A step of fit that is cut into parts, each learned on a lane of its own, in this process or in another one.

#include <stet/core/communicator.hpp>
#include <stet/data/augment.hpp>
#include <stet/data/dataset.hpp>
#include <stet/train/gradient_buckets.hpp>
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
      : samples(size),
        part(o.sums == SumOrder::any ? 0 : o.part),
        parts(part == 0 ? std::min<std::int64_t>(size, o.comm->size()) : (size + part - 1) / part) {}
  [[nodiscard]] Chunk operator[](std::int64_t i) const {
    return part == 0 ? chunk_of(samples, parts, i) : Chunk{i * part, std::min(samples, (i + 1) * part)};
  }
};

// The parts of one step that this process learns.
class OwnParts {
 public:
  // `samples` are the positions of the whole step's in the data set.
  OwnParts(const Dataset& data, std::span<const std::int64_t> samples, const FitOptions& o)
      : cut_(static_cast<std::int64_t>(samples.size()), o),
        tree_(cut_.parts, o.comm->size()),
        run_(tree_.run_of(o.comm->rank())),
        weight_(static_cast<double>(samples.size())) {
    // A process without a part learns the last one too, for what comes of it to the model, and adds nothing.
    adds_ = run_.size() > 0;
    if (!adds_) run_ = {cut_.parts - 1, cut_.parts};
    first_ = cut_[run_.first].first;
    own_ =
        samples.subspan(static_cast<std::size_t>(first_), static_cast<std::size_t>(cut_[run_.last - 1].last - first_));
    if (!data.has_weights()) return;
    weight_ = 0;
    for (const std::int64_t i : samples) weight_ += static_cast<double>(data.weights()[static_cast<std::size_t>(i)]);
  }

  [[nodiscard]] const PartTree& tree() const { return tree_; }
  // Positions of the samples of this process's parts, which lie one behind the other.
  [[nodiscard]] std::span<const std::int64_t> samples() const { return own_; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(run_.size()); }
  // How much the whole step counts in a mean over samples.
  [[nodiscard]] double weight() const { return weight_; }
  // Whether they count: not where there are fewer parts than processes.
  [[nodiscard]] bool adds() const { return adds_; }
  // Number among the parts of the step.
  [[nodiscard]] std::uint64_t number(std::size_t i) const { return static_cast<std::uint64_t>(run_.first) + i; }
  // One of them, cut out of a batch of all of them.
  [[nodiscard]] Batch part(const Batch& all, std::size_t i) const {
    const Chunk c = cut_[run_.first + static_cast<std::int64_t>(i)];
    return all.rows(c.first - first_, c.last - first_);
  }

 private:
  BatchCut cut_;
  PartTree tree_;
  Chunk run_;
  bool adds_ = true;
  std::int64_t first_ = 0;
  std::span<const std::int64_t> own_{};
  double weight_;
};

// The gradients of a lane one after the other, of those parameters that have one.
inline std::vector<float> flat_gradients(std::span<const ParameterRef> parameters) {
  std::vector<float> flat;
  for (const ParameterRef& p : parameters)
    flat.insert(flat.end(), p.parameter->gradient.span().begin(), p.parameter->gradient.span().end());
  return flat;
}

// Gives lane 0, the model, the sums of the gradients of all parts.
inline void sum_gradients(const FitStage& stage, std::span<const ParameterRef> parameters, const PartTree& tree,
                          std::size_t lanes, const FitOptions& o) {
  std::vector<std::vector<float>> flat{flat_gradients(parameters)};
  for (std::size_t i = 1; i < lanes; ++i) {
    flat.push_back(flat_gradients(stage.lane_parameters(i)));
    require(flat[i].size() == flat[0].size(), Errc::state,
            "fit: parts of one batch give gradients to {} and to {} numbers; all parts must run the same operators",
            flat[0].size(), flat[i].size());
  }
  std::vector<std::span<float>> arrays(flat.begin(), flat.end());
  sum_in_order<float>(tree, *o.comm, arrays);
  auto from = flat[0].begin();
  for (const ParameterRef& p : parameters) {
    const auto to = p.parameter->gradient.edit();
    std::copy_n(from, to.size(), to.begin());
    from += static_cast<std::ptrdiff_t>(to.size());
  }
}

// As learn_batch, with all processes; `batch` is that of parts.samples(). The model ends the step as every lane of every process
// does: statistics and ranges are made of the whole step by all of them, gradients are added up at the end. Augmentation and
// dropout draw from generators of the step's, one for each part.
inline BatchResult learn_parts(const FitStage& stage, const OwnParts& own, const Batch& batch, const Dataset& data,
                               const FitOptions& o, std::span<const ParameterRef> parameters, const Rng& augmentation,
                               const Rng& dropout, std::string_view where) {
  PartMeeting meeting(own.tree(), *o.comm, o.sums == SumOrder::any);
  const bool in_any_order = o.sums == SumOrder::any;
  GradientBuckets buckets(parameters, *o.comm, own.adds());
  if (in_any_order) meeting.send_when_ready(buckets);
  stage.copy_lanes(meeting.size());
  std::vector<BatchResult> results(meeting.size());
  meeting.run([&](std::size_t lane, BatchParts& parts) {
    Batch part = own.part(batch, lane);
    augment_batch(part, o.augment, augmentation.split(own.number(lane)));
    const double share = part.total_weight() / own.weight();
    if (!(share > 0)) {
      // A mean of samples without weight is none: they get equal ones, so small that they are nothing beside others.
      for (float& w : part.weights.edit()) w = 1e-30f;
    }
    Rng numbers = dropout.split(own.number(lane));
    BatchResult& r = results[lane];
    {
      Tape tape(&parts);
      // The loss of the step is the sum of what its parts add: their losses, by how much they count.
      r = learn_on(tape, stage, lane, part, data, numbers, where,
                   [&](std::span<const Var<Tensor<float>>> outputs) -> StepLoss {
                     StepLoss loss = loss_of(outputs, part, o);
                     loss.total = loss.total * share;
                     for (double& of_output : loss.of_output) of_output *= share;
                     return loss;
                   });
    }
    std::vector<double> sums{r.loss, r.correct};
    sums.insert(sums.end(), r.of_output.begin(), r.of_output.end());
    parts.combine(sums, {});
    r = {sums[0], sums[1], {sums.begin() + 2, sums.end()}};
  });
  if (in_any_order) {
    buckets.finish();
  } else {
    sum_gradients(stage, parameters, own.tree(), meeting.size(), o);
  }
  return results[0];
}

}  // namespace stet::detail
