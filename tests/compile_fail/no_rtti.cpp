// What stet needs of the compiler's options is one readable error, whichever header is the first.
// flags: -fno-rtti
// expect: without -fno-rtti
// at most 2 errors: the message, and the file at which the compiler stops
#include <stet/engine/engine.hpp>

int main() {}
