#pragma once
// MinMaxObserver: the range of everything seen.

#include <stet/quant/range_observer.hpp>

namespace stet {

/// Smallest and largest value of all batches. Order-free: merging parts equals observing the whole.
/// Formula:   lo = min over batches, hi = max over batches
class MinMaxObserver : public RangeObserver<MinMaxObserver> {
 public:
  static constexpr const char* name = "MinMaxObserver";
  MinMaxObserver() : MinMaxObserver(Granularity::per_tensor()) {}
  explicit MinMaxObserver(const Granularity& granularity) : RangeObserver(granularity) {}

 private:
  friend class RangeObserver<MinMaxObserver>;
  void fold(Range& state, const Range& batch) const { state = unite(state, batch); }
  Range join(const Range& mine, std::int64_t, const Range& theirs, std::int64_t) const { return unite(mine, theirs); }
};

}  // namespace stet
