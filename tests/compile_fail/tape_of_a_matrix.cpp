// A matrix of another library on the tape names the header that makes it a tensor.
// at most 2 errors
// expect: a value on the tape is a Tensor.*include stet/eigen.hpp
#ifdef STET_CONTROL
#include <stet/eigen.hpp>
#endif
#include <stet/autograd/tape.hpp>

#include <Eigen/Core>

void use(stet::Tape& tape, const Eigen::MatrixXf& m) { static_cast<void>(tape.variable(m)); }
