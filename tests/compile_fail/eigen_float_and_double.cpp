// Values and gradients of different types.
// at most 1 errors
// expect: values and gradient are both float or both double
#include <stet/eigen.hpp>

void use(const Eigen::MatrixXf& x, const Eigen::MatrixXd& dy, const stet::QParams& p) {
#ifdef STET_CONTROL
  static_cast<void>(stet::fake_quantize_backward(x, dy.cast<float>(), p));
#else
  static_cast<void>(stet::fake_quantize_backward(x, dy, p));
#endif
}
