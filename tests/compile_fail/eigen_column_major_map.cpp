// A tensor is row-major: seen as Eigen's default matrix it would be transposed without a word.
// at most 1 errors
// expect: a tensor is row-major: name a matrix with Eigen::RowMajor, or copy it, MatrixXf m = map\(tensor\)
#include <stet/eigen.hpp>

float use(const stet::Tensor<float>& t) {
#ifdef STET_CONTROL
  const Eigen::MatrixXf m = stet::map(t);
#else
  const auto m = stet::map<Eigen::MatrixXf>(t);
#endif
  return m(0, 0);
}
