#pragma once
// What all observers share whose choice needs the values: a histogram per scale, counting, checkpoint fields.

#include <stet/quant/histogram.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// Base of observers that choose a range from a Histogram. Self provides `static constexpr const char* name` and
/// `Range choose(const HistogramView&) const`, which is called for several scales at the same time.
/// Merging is exact: merged parts equal the whole, and batches may come in any order.
template <class Self>
class ValueObserver {
 public:
  /// The range of a batch is not enough: observe() wants its values.
  static constexpr bool needs_values = true;

  explicit ValueObserver(const Granularity& granularity, int bins = Histogram::default_bins)
      : histogram_(granularity, bins) {}

  /// Counts the values of one batch. Values that are NaN or infinite are counted apart, and ignored otherwise.
  /// Errors:    Errc::shape if the number of channels or groups changes, or the shape does not fit the granularity
  void observe(std::span<const float> x, const Shape& shape) { histogram_.observe(x, shape); }
  void observe(const Tensor<float>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { observe(x, Shape{static_cast<std::int64_t>(x.size())}); }
  /// The same of doubles, as their nearest floats.
  void observe(std::span<const double> x, const Shape& shape) { observe(to_float(x).span(), shape); }
  void observe(const Tensor<double>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const double> x) { observe(to_float(x).span()); }

  /// Whether some scale has no value yet.
  [[nodiscard]] bool empty() const { return histogram_.empty(); }
  /// The chosen ranges, one per scale.
  /// Errors:    Errc::state if empty
  [[nodiscard]] std::vector<Range> ranges() const {
    require(!empty(), Errc::state, "{}: nothing was observed{}; run calibration data through it first", Self::name,
            histogram_.scales() == 0 ? "" : " for some channels");
    std::vector<Range> result(static_cast<std::size_t>(histogram_.scales()));
    parallel_chunks(histogram_.scales(), histogram_.bins(), [&](Chunk c) {
      for (std::int64_t k = c.first; k < c.last; ++k) {
        result[static_cast<std::size_t>(k)] = static_cast<const Self&>(*this).choose(histogram_.view(k));
      }
    });
    return result;
  }
  [[nodiscard]] const Histogram& histogram() const { return histogram_; }
  [[nodiscard]] const Granularity& granularity() const { return histogram_.granularity(); }
  /// Name and options, but for the grid, which set_grid says. A Self with options of its own hides it.
  [[nodiscard]] std::string describe() const {
    return formatted("{} {}, {} bins", Self::name, stet::describe(granularity()), histogram_.bins());
  }
  /// How many values were NaN or infinite.
  [[nodiscard]] std::int64_t non_finite() const { return histogram_.non_finite(); }

  /// Forgets everything but the options.
  void reset() { histogram_.reset(); }
  /// Takes over what another observer of the same kind has seen.
  /// Errors:    Errc::state if granularities or numbers of bins differ; Errc::shape if the numbers of scales do
  void merge(const Self& other) { histogram_.merge(other.histogram()); }
  /// Visits names and references of the state: f(std::string_view, std::vector<float>& or std::vector<std::int64_t>&).
  template <class F>
  void fields(F&& f) {
    histogram_.fields(f);
  }

 private:
  Histogram histogram_;
};

}  // namespace stet
