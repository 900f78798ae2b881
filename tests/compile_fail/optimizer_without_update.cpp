// An optimizer rule must have an update; the message names the concept and the member that is missing.
// at most 2 errors
// expect: Optimizer
// expect: update
#include <stet/train/optimizer.hpp>

struct Rule {
  float lr = 1e-3f;
  const char* name() const { return "rule"; }
  std::vector<const char*> slots() const { return {}; }
  void check() const {}
#ifdef STET_CONTROL
  void update(const stet::UpdateStep&, std::span<float>, std::span<const float>,
              std::span<const std::span<float>>) const {}
#endif
};

int main() { stet::AnyOptimizer optimizer = Rule{}; }
