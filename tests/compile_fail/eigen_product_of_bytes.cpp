// The exact product is one of int8 codes.
// at most 1 errors
// expect: product multiplies codes of int8_t by codes of int8_t
#include <stet/eigen.hpp>

void use(const Eigen::MatrixXf& x, const Eigen::MatrixXf& w, const stet::QParams& p) {
#ifdef STET_CONTROL
  static_cast<void>(product(stet::quantize(x, p), stet::quantize(w, p)));
#else
  static_cast<void>(product(stet::quantize<std::uint8_t>(x, p), stet::quantize(w, p)));
#endif
}
