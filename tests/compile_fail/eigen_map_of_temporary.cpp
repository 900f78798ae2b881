// A view of a temporary tensor would be read after its memory was given back.
// at most 1 errors
// expect: map of a temporary tensor would outlive its memory; name the tensor first
#include <stet/eigen.hpp>

stet::Tensor<float> made();

float use() {
#ifdef STET_CONTROL
  const stet::Tensor<float> t = made();
  const auto m = stet::map(t);
#else
  const auto m = stet::map(made());
#endif
  return m(0, 0);
}
