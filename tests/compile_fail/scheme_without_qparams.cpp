// expect: a Scheme needs qparams\(std::span<const Range>\) const -> QParams, or, if ranges do not say enough
// at most 2 errors
#include <stet/qat/fake_quantize.hpp>

struct SchemeWithoutParameters : stet::AffineCodes<> {
#if defined(STET_CONTROL)
  stet::QParams qparams(std::span<const float> x, const stet::Shape&) const {
    return stet::QParams::per_tensor(x[0], 0);
  }
#endif
};

stet::Var<stet::Tensor<float>> use(const stet::Var<stet::Tensor<float>>& x) {
  return stet::fake_quantize(x, SchemeWithoutParameters{});
}
