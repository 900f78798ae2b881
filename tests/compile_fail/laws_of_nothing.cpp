// Types without any of the members that are needed: every missing member is one line, and nothing else is said.
// at most 12 errors
// expect: a Scheme needs qparams\(std::span<const Range>\) const -> QParams
// expect: a Scheme needs encode\(std::span<const float> x
// expect: a Scheme needs decode\(std::span<const Code> codes
// expect: an Observer needs observe\(std::span<const float>, const Shape&\)
// expect: an Observer needs observe\(std::span<const Range>\), or static constexpr bool needs_values
// expect: an Observer needs const members ranges\(\) -> std::vector<Range>, empty\(\)
// expect: an Observer needs reset\(\)
// expect: an Observer needs merge\(const Self&\)
// expect: an Observer needs fields\(f\)
// expect: an Estimator needs needs_input \(keep x\) and needs_mask
// expect: an Estimator needs mask\(\) const -> ClipMask
// expect: an Estimator needs pull\(const Tensor<float>& dy, const Kept&, const QParams&\) const -> Pulled
#include <stet/testing/laws.hpp>

struct Nothing {};

int main() {
  using namespace stet::testing;
#ifdef STET_CONTROL
  return check_scheme_laws(stet::Int8PerTensor{}).ok() && check_observer_laws(stet::MinMaxObserver{}).ok() &&
         check_estimator_laws(stet::Ste{}).ok();
#else
  return check_scheme_laws(Nothing{}).ok() && check_observer_laws(Nothing{}).ok() &&
         check_estimator_laws(Nothing{}).ok();
#endif
}
