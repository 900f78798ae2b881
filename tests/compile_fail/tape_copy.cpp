// Values refer to their tape; a copy of a tape would have none.
// at most 1 errors
// expect: deleted
#include <stet/autograd/tape.hpp>

int main() {
  stet::Tape a;
#ifdef STET_CONTROL
  stet::Tape& b = a;
#else
  stet::Tape b = a;
#endif
  (void)b;
}
