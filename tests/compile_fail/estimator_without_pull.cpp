// expect: an Estimator needs pull\(const Tensor<float>& dy, const Kept&, const QParams&\) const -> Pulled
// at most 2 errors
#include <stet/qat/fake_quantize.hpp>

struct Pushes {
  static constexpr bool needs_input = false;
  static constexpr bool needs_mask = false;
  stet::ClipMask mask() const { return stet::ClipMask::rounded_inclusive; }
#if defined(STET_CONTROL)
  stet::Pulled pull(const stet::Tensor<float>& dy, const stet::Kept&, const stet::QParams&) const { return {dy}; }
#endif
};

stet::Var<stet::Tensor<float>> use(const stet::Var<stet::Tensor<float>>& x) {
  return stet::fake_quantize(x, stet::Int8PerTensor{}, Pushes{});
}
