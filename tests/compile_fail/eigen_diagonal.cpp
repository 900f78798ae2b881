// What has no dense memory is refused by name.
// at most 1 errors
// expect: sparse, diagonal and triangular matrices have no dense memory; assign to a Matrix first
#include <stet/eigen.hpp>

void use(const Eigen::VectorXf& v, const stet::QParams& p) {
#ifdef STET_CONTROL
  static_cast<void>(stet::fake_quantize(Eigen::MatrixXf(v.asDiagonal()), p));
#else
  static_cast<void>(stet::fake_quantize(v.asDiagonal(), p));
#endif
}
