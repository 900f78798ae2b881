// An observer's missing member is named.
// at most 3 errors
// expect: an Observer needs merge\(const Self&\)
#include <stet/quant/observer.hpp>

struct Mine {
  void observe(std::span<const float>, const stet::Shape&) {}
  void observe(std::span<const stet::Range>) {}
  std::vector<stet::Range> ranges() const { return {}; }
  bool empty() const { return true; }
  std::int64_t non_finite() const { return 0; }
  stet::Granularity granularity() const { return {}; }
  void reset() {}
#ifdef STET_CONTROL
  void merge(const Mine&) {}
#endif
  template <class F>
  void fields(F&&) {}
};

int main() { stet::AnyObserver observer = Mine{}; }
