// Mutants of the shipped observers are noticed by the laws, each by the law that is meant for it.
#include <stet/quant/entropy_observer.hpp>
#include <stet/quant/histogram_observer.hpp>
#include <stet/quant/mean_sigma_observer.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/percentile_observer.hpp>

#include "mutants.hpp"

namespace observer_mutants_test {

using namespace stet;
using namespace stet::testing;
using stet_test::Mutants;

namespace {

constexpr const char* own_range = "one batch, seen once or again";
constexpr const char* both_sides = "merging takes from both sides";
constexpr const char* share = "the promised share";
constexpr const char* whole = "fields() carry the whole state";

// An observer whose answer is changed.
template <class O, class Change>
struct Answers : O {
  explicit Answers(O of) : O(std::move(of)) {}
  std::vector<Range> ranges() const {
    std::vector<Range> r = O::ranges();
    for (Range& range : r) Change()(range, r[0]);
    return r;
  }
  void merge(const Answers& other) { O::merge(other); }
};
struct Half {
  void operator()(Range& r, const Range&) const { r = {r.lo / 2, r.hi / 2}; }
};
struct Double {
  void operator()(Range& r, const Range&) const { r = {r.lo * 2, r.hi * 2}; }
};
struct UpperOnly {
  void operator()(Range& r, const Range&) const { r.lo = r.hi; }
};
struct FirstScale {
  void operator()(Range& r, const Range& first) const { r = first; }
};
struct Margin {
  void operator()(Range& r, const Range&) const { r = {r.lo - 0.01f, r.hi + 0.01f}; }
};
struct ToAtLeastOne {
  void operator()(Range& r, const Range&) const { r.hi = r.hi > 1 ? r.hi : r.lo < 1 ? 1 : r.lo; }
};

// A merge that keeps one side.
template <class O>
struct KeepsMine : O {
  explicit KeepsMine(O of) : O(std::move(of)) {}
  void merge(const KeepsMine& other) {
    if (O::empty()) O::merge(other);
  }
};
template <class O>
struct TakesTheirs : O {
  explicit TakesTheirs(O of) : O(std::move(of)) {}
  void merge(const TakesTheirs& other) {
    if (!other.empty()) static_cast<O&>(*this) = other;
  }
};
// Fields from which a part is left out.
template <class O>
struct ForgetsField : O {
  std::string_view forgotten;
  ForgetsField(O of, std::string_view field) : O(std::move(of)), forgotten(field) {}
  void merge(const ForgetsField& other) { O::merge(other); }
  template <class F>
  void fields(F&& f) {
    O::fields([&]<class T>(std::string_view of, T& field) {
      if (of != forgotten) f(of, field);
    });
  }
};
struct KeepsAfterReset : MinMaxObserver {
  void reset() {}
  void merge(const KeepsAfterReset& other) { MinMaxObserver::merge(other); }
};
// The first batch stays what it was.
struct FirstBatch : RangeObserver<FirstBatch> {
  static constexpr const char* name = "FirstBatch";
  FirstBatch() : RangeObserver(Granularity::per_tensor()) {}
  void fold(Range&, const Range&) const {}
  Range join(const Range& a, std::int64_t, const Range& b, std::int64_t) const { return unite(a, b); }
};
// Never lets the lower end go down.
struct UpwardsOnly : RangeObserver<UpwardsOnly> {
  static constexpr const char* name = "UpwardsOnly";
  UpwardsOnly() : RangeObserver(Granularity::per_tensor()) {}
  void fold(Range& state, const Range& batch) const { state.hi = batch.hi > state.hi ? batch.hi : state.hi; }
  Range join(const Range& a, std::int64_t, const Range& b, std::int64_t) const { return unite(a, b); }
};
// Merging averages without weights.
struct Unweighted : RangeObserver<Unweighted> {
  static constexpr const char* name = "Unweighted";
  Unweighted() : RangeObserver(Granularity::per_tensor()) {}
  void fold(Range& state, const Range& batch) const { state = unite(state, batch); }
  Range join(const Range& a, std::int64_t, const Range& b, std::int64_t) const {
    return {(a.lo + b.lo) / 2, (a.hi + b.hi) / 2};
  }
};
// Counts NaN as a zero.
struct CountsNaN : MinMaxObserver {
  using MinMaxObserver::observe;
  void observe(std::span<const float> x, const Shape& shape) {
    std::vector<float> kept(x.begin(), x.end());
    for (float& v : kept) v = std::isnan(v) ? 100.0f : v;
    MinMaxObserver::observe(std::span<const float>(kept), shape);
  }
  void merge(const CountsNaN& other) { MinMaxObserver::merge(other); }
};
struct MergesNoCount : MinMaxObserver {
  std::int64_t mine() const { return MinMaxObserver::non_finite(); }
  void merge(const MergesNoCount& other) {
    if (!other.empty()) MinMaxObserver::observe(std::span<const Range>(other.ranges()));
  }
};
struct SumsMagnitudes : MeanSigmaObserver {
  using MeanSigmaObserver::MeanSigmaObserver;
  void observe(std::span<const float> x, const Shape& shape) {
    std::vector<float> kept(x.begin(), x.end());
    for (float& v : kept) v = std::abs(v);
    MeanSigmaObserver::observe(std::span<const float>(kept), shape);
  }
  void merge(const SumsMagnitudes& other) { MeanSigmaObserver::merge(other); }
};

}  // namespace

TEST_CASE("mutants of observers break their laws") {
  Mutants mutants;
  const LawOptions few{.rounds = 12};
  const auto add = [&](const std::string& name, const auto& observer, const ObserverPromises& promises,
                       const char* law) { mutants.killed(name, check_observer_laws(observer, promises, few), law); };
  const Granularity tensor = Granularity::per_tensor(), channels = Granularity::per_channel(3);
  const Grid grid = Grid::signed_bits(4);
  const ObserverPromises free{.order_free = true};

  add("MinMaxObserver, half the range", Answers<MinMaxObserver, Half>{MinMaxObserver()}, free, own_range);
  add("MinMaxObserver, upper end only", Answers<MinMaxObserver, UpperOnly>{MinMaxObserver()}, free, own_range);
  add("MinMaxObserver, range of the first channel", Answers<MinMaxObserver, FirstScale>{MinMaxObserver(channels)}, free,
      own_range);
  add("MinMaxObserver, with a margin", Answers<MinMaxObserver, Margin>{MinMaxObserver()}, free, "ranges lie within");
  add("MinMaxObserver, merge keeps its own", KeepsMine<MinMaxObserver>{MinMaxObserver()}, free, both_sides);
  add("MinMaxObserver, merge takes the other", TakesTheirs<MinMaxObserver>{MinMaxObserver()}, free, both_sides);
  add("MinMaxObserver, hi is not kept", ForgetsField<MinMaxObserver>{MinMaxObserver(), "hi"}, free,
      "fields() carry the state");
  add("MinMaxObserver, reset forgotten", KeepsAfterReset(), free, "reset() forgets");
  add("MinMaxObserver, first batch only", FirstBatch(), free, "the order of batches");
  add("MinMaxObserver, never goes down", UpwardsOnly(), free, "the order of batches");
  add("MinMaxObserver, merge averages", Unweighted(), free, "merged parts equal the whole");
  add("MinMaxObserver, NaN is a value", CountsNaN(), free, "not finite change nothing");
  add("MinMaxObserver, merge loses the count of NaN", MergesNoCount(), free, "merging adds what was not finite");
  add("MovingAverageObserver, constant times 2", MovingAverageObserver(tensor, 0.2f),
      {.follows = static_cast<double>(0.1f)}, "moves the range as promised");
  add("MovingAverageObserver, merge keeps its own",
      KeepsMine<MovingAverageObserver>{MovingAverageObserver(tensor, 0.1f)}, {}, both_sides);
  add("MovingAverageObserver, lo is not kept",
      ForgetsField<MovingAverageObserver>{MovingAverageObserver(tensor, 0.1f), "lo"}, {}, whole);
  add("LastBatchObserver, the first batch", FirstBatch(), {.follows = 1.0}, "moves the range as promised");
  add("LastBatchObserver, merge takes the other", TakesTheirs<LastBatchObserver>{LastBatchObserver()}, {}, both_sides);
  add("MseObserver, half the range", Answers<MseObserver, Half>{MseObserver(tensor, grid, false, 64)},
      {.within = false, .share = 0.9}, share);
  add("MseObserver, never below one", Answers<MseObserver, ToAtLeastOne>{MseObserver(tensor, grid, false, 64)},
      {.within = false}, "twice as large");
  add("MseObserver, counts are not kept", ForgetsField<MseObserver>{MseObserver(tensor, grid, false, 64), "counts"},
      {.within = false}, "fields() carry the state");
  add("PercentileObserver, half the range", Answers<PercentileObserver, Half>{PercentileObserver(tensor, 90.0, 64)},
      {.share = 0.75}, share);
  add("PercentileObserver, zeros are not kept",
      ForgetsField<PercentileObserver>{PercentileObserver(tensor, 90.0, 64), "lo"}, {}, "fields() carry");
  add("EntropyObserver, merge keeps its own", KeepsMine<EntropyObserver>{EntropyObserver(tensor, grid, false, 256)},
      free, both_sides);
  add("EntropyObserver, twice the range", Answers<EntropyObserver, Double>{EntropyObserver(tensor, grid, false, 256)},
      free, "ranges lie within");
  add("HistogramObserver, half the range", Answers<HistogramObserver, Half>{HistogramObserver(tensor, grid, 64)},
      {.share = 0.9}, share);
  add("HistogramObserver, merge takes the other", TakesTheirs<HistogramObserver>{HistogramObserver(tensor, grid, 64)},
      {}, both_sides);
  add("MeanSigmaObserver, half the range", Answers<MeanSigmaObserver, Half>{MeanSigmaObserver(tensor, 1.0)},
      {.share = 0.5}, share);
  add("MeanSigmaObserver, of magnitudes", SumsMagnitudes(tensor, 1.0), {}, "ranges lie within");
  add("MeanSigmaObserver, squares are not kept",
      ForgetsField<MeanSigmaObserver>{MeanSigmaObserver(tensor, 1.0), "squares"}, {}, "fields() carry");
  CHECK(mutants.count() >= 30);
}

}  // namespace observer_mutants_test
