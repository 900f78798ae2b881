// expect: an Observer needs merge\(const Self&\)
// at most 2 errors
#include <stet/quant/observer.hpp>

class Watcher {
 public:
  void observe(std::span<const float> x, const stet::Shape& shape) { inner_.observe(x, shape); }
  void observe(std::span<const stet::Range> ranges) { inner_.observe(ranges); }
  std::vector<stet::Range> ranges() const { return inner_.ranges(); }
  bool empty() const { return inner_.empty(); }
  std::int64_t non_finite() const { return inner_.non_finite(); }
  stet::Granularity granularity() const { return inner_.granularity(); }
  void reset() { inner_.reset(); }
  template <class F>
  void fields(F&& f) {
    inner_.fields(f);
  }
#if defined(STET_CONTROL)
  void merge(const Watcher& other) { inner_.merge(other.inner_); }
#endif

 private:
  stet::MinMaxObserver inner_;
};

stet::AnyObserver use() { return stet::AnyObserver(Watcher{}); }
