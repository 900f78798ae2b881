#pragma once
// ada_round_codes: codes of rows of weights, learned so that what the rows make of given columns comes closest to what is
// wanted.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/passes/layer_output.hpp>
#include <stet/quant/grid.hpp>

#include <cstdint>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/error.hpp>
#include <stet/core/finite.hpp>
#include <stet/core/parallel.hpp>
#include <stet/passes/soft_rounded_rows.hpp>
#include <stet/train/adam.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#endif

namespace stet {

/// How ada_round_codes learns.
struct AdaRoundLearning {
  std::int64_t iterations = 1000;  ///< steps of Adam
  std::int64_t batch = 256;        ///< columns per step
  double lr = 0.05;
  double lambda = 2;               ///< weight of the cost of lying between codes, in parts of the error with nearest codes
  double beta_from = 20, beta_to = 2;  ///< of that cost: flat in between at first, steep at last; by a cosine
  double warm_up = 0.2;            ///< part of the steps without that cost

  /// Errors:    Errc::range naming the first that is impossible
  void check(const char* op) const;
};

/// What rows of weights are to make of columns.
/// Formula:   wanted ~ output(columns codes^T)
struct RoundingGoal {
  Tensor<float> columns;       ///< [N,D], in an order that was drawn: steps take one batch after the other
  Tensor<float> wanted;        ///< [N,R]
  LayerOutput output{};        ///< what becomes of the products, for R channels
};

/// Learns for every weight whether it is rounded up or down: soft roundings go by gradient descent to where the error is
/// small, and a growing cost of lying between codes drives them to one. Rows do not depend on each other.
/// Formula:   w = clip(floor(v) + h(u)), y = output(columns w^T); minimized per row over u:
///            |y - wanted|^2 / |y_nearest - wanted|^2 + lambda * mean(1 - |2h - 1|^beta); code = floor(v) + [h(u) >= 1/2].
///            A row keeps its nearest codes where these columns show no smaller error with the learned ones
/// Shapes:    steps [R,D] -> codes [R,D]
/// Units:     steps: weights in steps of their scale
/// Gradient:  of the formula, exact; 0 where the activation clips or h has reached an end
/// Errors:    Errc::shape if shapes do not fit; Errc::range if an option is impossible or a number is not finite
/// Source:    Nagel 2020, AdaRound, arXiv 2004.10568
STET_ENTRY Tensor<std::int8_t> ada_round_codes(const RoundingGoal& goal, const Tensor<float>& steps, const Grid& grid,
                                               const AdaRoundLearning& learning = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY void AdaRoundLearning::check(const char* op) const {
  require(iterations >= 1 && batch >= 1, Errc::range, "{}: needs at least 1 iteration and a batch of 1, got {} and {}", op, iterations, batch);
  require(lr > 0 && std::isfinite(lr), Errc::range, "{}: lr is {}, must be positive", op, lr);
  require(lambda >= 0 && std::isfinite(lambda), Errc::range, "{}: lambda is {}, must not be negative", op, lambda);
  require(beta_to >= 1 && beta_from >= beta_to && std::isfinite(beta_from), Errc::range,
          "{}: beta goes from {} to {}, must fall and end at 1 or above", op, beta_from, beta_to);
  require(warm_up >= 0 && warm_up <= 1, Errc::range, "{}: warm_up is {}, must lie in [0, 1]", op, warm_up);
}

namespace detail {

// Learns the codes of the rows of one goal, in blocks that one thread takes through all steps.
class RoundingLearner {
 public:
  RoundingLearner(const RoundingGoal& goal, const Tensor<float>& steps, const Grid& grid, const AdaRoundLearning& learning)
      : goal_(&goal), learning_(learning), shape_(steps.shape()), samples_(goal.columns.shape()[0]) {
    const std::int64_t rows = shape_[0], depth = shape_[1];
    for (std::int64_t first = 0; first < rows; first += block) {
      const std::int64_t count = std::min(block, rows - first);
      blocks_.push_back({first, {depth, steps.data() + first * depth, grid, goal.output.part(first, count)}, {}, {}, {}, {}});
    }
  }
  // Blocks are independent: they may run at the same time.
  [[nodiscard]] std::int64_t blocks() const { return static_cast<std::int64_t>(blocks_.size()); }
  // Prepares a block; rows that nothing can be gained for learn nothing.
  void begin(std::int64_t i) {
    Block& b = blocks_[static_cast<std::size_t>(i)];
    b.nearest_error = b.rows.errors(b.rows.nearest(), batch(b, 0, samples_));
    for (std::size_t r = 0; r < b.nearest_error.size(); ++r) {
      const double error = b.nearest_error[r] / static_cast<double>(samples_);
      b.rows.set_weight(static_cast<std::int64_t>(r), error > 1e-30 ? 1.0 / error : 0.0);
    }
    for (std::vector<float>* v : {&b.du, &b.mean, &b.square}) v->assign(b.rows.u().size(), 0.0f);
  }
  // Steps [first, last) of a block.
  void run(std::int64_t i, std::int64_t first, std::int64_t last) {
    Block& b = blocks_[static_cast<std::size_t>(i)];
    const std::int64_t batches = std::max<std::int64_t>(1, samples_ / learning_.batch);
    const std::array<std::span<float>, 2> slots{std::span(b.mean), std::span(b.square)};
    for (std::int64_t step = first; step < last; ++step) {
      const Chunk c = chunk_of(samples_, batches, step % batches);
      (void)b.rows.loss(batch(b, c.first, c.size()), cost_at(step), b.du);
      Adam{}.update<float>({.lr = learning_.lr, .count = step + 1, .decay = false}, b.rows.u(), b.du, slots);
    }
  }
  // Puts a block's codes into rows of all, [R,D].
  void finish(std::int64_t i, std::int8_t* codes) {
    Block& b = blocks_[static_cast<std::size_t>(i)];
    const std::vector<float> chosen = b.rows.chosen();
    const std::vector<double> error = b.rows.errors(chosen, batch(b, 0, samples_));
    const std::int64_t rows = b.rows.rows(), depth = b.rows.depth();
    for (std::int64_t r = 0; r < rows; ++r) {
      const bool better = error[static_cast<std::size_t>(r)] < b.nearest_error[static_cast<std::size_t>(r)];
      const std::vector<float>& from = better ? chosen : b.rows.nearest();
      for (std::int64_t d = 0; d < depth; ++d) {
        codes[(b.first + r) * depth + d] = static_cast<std::int8_t>(from[static_cast<std::size_t>(d * rows + r)]);
      }
    }
  }

 private:
  static constexpr std::int64_t block = 32;  // rows: two registers of the widest product
  struct Block {
    std::int64_t first;
    SoftRoundedRows<float> rows;
    std::vector<float> du, mean, square;
    std::vector<double> nearest_error;
  };

  [[nodiscard]] RoundingBatch<float> batch(const Block& b, std::int64_t first, std::int64_t count) const {
    return {count, goal_->columns.data() + first * shape_[1], goal_->wanted.data() + first * shape_[0] + b.first, shape_[0]};
  }
  [[nodiscard]] CostWeight<float> cost_at(std::int64_t step) const {
    const double all = static_cast<double>(learning_.iterations), start = learning_.warm_up * all, at = static_cast<double>(step);
    if (at < start) return {};
    const double part = (at - start) / (all - start);
    const double beta = learning_.beta_to + 0.5 * (learning_.beta_from - learning_.beta_to) * (1 + std::cos(std::numbers::pi * part));
    return {static_cast<float>(learning_.lambda), static_cast<float>(beta)};
  }

  const RoundingGoal* goal_;
  AdaRoundLearning learning_;
  Shape shape_;
  std::int64_t samples_;
  std::vector<Block> blocks_{};
};

inline void check_goal(const RoundingGoal& goal, const Tensor<float>& steps) {
  const Shape& s = steps.shape();
  require(s.rank() == 2 && goal.columns.shape().rank() == 2 && goal.columns.shape()[1] == s[1] && goal.columns.shape()[0] >= 1 &&
              goal.wanted.shape() == Shape{goal.columns.shape()[0], s[0]},
          Errc::shape, "ada_round_codes: needs columns [N,D], wanted [N,R] and steps [R,D], got {}, {} and {}", goal.columns.shape(), goal.wanted.shape(), s);
  require(static_cast<std::int64_t>(goal.output.scale.size()) == s[0] && goal.output.bias.size() == goal.output.scale.size(), Errc::shape,
          "ada_round_codes: needs {} scales and biases, got {} and {}", s[0], goal.output.scale.size(), goal.output.bias.size());
  const bool finite = all_finite(steps.span()) && all_finite(goal.columns.span()) && all_finite(goal.wanted.span()) && all_finite(goal.output.scale) && all_finite(goal.output.bias);
  require(finite, Errc::range, "ada_round_codes: steps, columns, scale, bias and what is wanted must be finite");
}

}  // namespace detail

STET_ENTRY Tensor<std::int8_t> ada_round_codes(const RoundingGoal& goal, const Tensor<float>& steps, const Grid& grid,
                                               const AdaRoundLearning& learning) {
  learning.check("ada_round_codes");
  detail::check_goal(goal, steps);
  detail::RoundingLearner learner(goal, steps, grid, learning);
  Tensor<std::int8_t> codes(steps.shape());
  std::int8_t* const to = codes.edit().data();
  parallel(learner.blocks(), [&](std::int64_t i) {
    learner.begin(i);
    learner.run(i, 0, learning.iterations);
    learner.finish(i, to);
  });
  return codes;
}
#endif

}  // namespace stet
