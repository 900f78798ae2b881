#pragma once
// LastBatchObserver: the range of the last batch only, as weights need it.

#include <stet/quant/range_observer.hpp>

namespace stet {

/// Range of the last batch. Merging unites: the two saw parts of one batch.
class LastBatchObserver : public RangeObserver<LastBatchObserver> {
 public:
  static constexpr const char* name = "LastBatchObserver";
  LastBatchObserver() : LastBatchObserver(Granularity::per_tensor()) {}
  explicit LastBatchObserver(const Granularity& granularity) : RangeObserver(granularity) {}

 private:
  friend class RangeObserver<LastBatchObserver>;
  void fold(Range& state, const Range& batch) const { state = batch; }
  Range join(const Range& mine, std::int64_t, const Range& theirs, std::int64_t) const { return unite(mine, theirs); }
};

}  // namespace stet
