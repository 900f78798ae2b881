// The unit that holds the library is of no use where the others are header-only.
// at most 1 errors
// expect: STET_IMPLEMENTATION goes with STET_SPLIT
#ifndef STET_CONTROL
#define STET_IMPLEMENTATION
#endif
#include <stet/core/error.hpp>

int main() {}
