// A Var belongs to a tape; there is no empty one.
// at most 2 errors
// expect: no matching (function|constructor)
#include <stet/autograd/tape.hpp>

int main() {
#ifdef STET_CONTROL
  stet::Tape tape;
  auto x = tape.constant(stet::Tensor<float>());
#else
  stet::Var<stet::Tensor<float>> x;
#endif
}
