#pragma once
// BatchParts: how a value of a whole batch is made where the batch is cut into parts, each on a tape of its own.

#include <stet/core/parameter.hpp>

#include <span>

namespace stet {

/// The parts of a batch, as an operator of one of them sees them. Operators of which every sample stands for itself need
/// nothing of it; those that make a value of the whole batch (statistics of batch norm, ranges that are observed) bring what
/// their part has and get what all have. All parts run the same operators in the same order, and meet here.
class BatchParts {
 public:
  BatchParts() = default;
  BatchParts(const BatchParts&) = delete;
  BatchParts& operator=(const BatchParts&) = delete;
  virtual ~BatchParts() = default;

  /// Replaces `sums` by the sums over all parts, added in an order that depends on the number of parts alone, and `largest` by
  /// the largest of all parts. Every part must bring as many numbers, and gets the same bits. Whole numbers below 2^53 are exact.
  /// Errors:    Errc::state if another part ended with an error or brought other numbers; what the exchange with other
  ///            processes says
  virtual void combine(std::span<double> sums, std::span<double> largest) = 0;

  /// The backward pass will add nothing more to the gradient of this parameter; called for each one that is on the tape, in the
  /// order in which that happens. For those who send gradients while the pass goes on.
  virtual void gradient_ready(Parameter& parameter) { (void)parameter; }
};

}  // namespace stet
