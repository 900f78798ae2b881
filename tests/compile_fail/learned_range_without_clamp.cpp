// expect: a LearnedRange needs clamp_parameters\(\)
// at most 2 errors
#include <stet/qat/learned_fake_quantize.hpp>

struct Drifts {
  stet::Parameter scale{stet::Tensor<float>::filled({1}, 1.0f)};
  std::vector<stet::Parameter*> parameters() { return {&scale}; }
  stet::QParams qparams() const { return stet::QParams::per_tensor(scale.value[0], 0); }
  stet::ScaleGradientRule rule() const { return {}; }
  void pull(std::span<const double>, std::span<const double>) {}
  bool begin(const stet::QParams&) { return true; }
  template <class F>
  void fields(F&& f) {
    f("scale", scale.value);
  }
#if defined(STET_CONTROL)
  void clamp_parameters() {}
#endif
};

stet::Var<stet::Tensor<float>> use(const stet::Var<stet::Tensor<float>>& x, Drifts& range) {
  return stet::fake_quantize(x, range);
}
