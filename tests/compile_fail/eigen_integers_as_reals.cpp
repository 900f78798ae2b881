// Integers are not silently taken for real numbers; the message names the cast.
// at most 1 errors
// expect: real numbers are float or double here; say m.cast<float>\(\)
#include <stet/eigen.hpp>

void use(const stet::QParams& p) {
#ifdef STET_CONTROL
  const Eigen::MatrixXf m(2, 3);
#else
  const Eigen::MatrixXi m(2, 3);
#endif
  static_cast<void>(stet::fake_quantize(m, p));
  static_cast<void>(stet::quantize(m, p));
}
