// -ffast-math lets the compiler change the bits of rounded results, so the library refuses it.
// flags: -ffast-math
// expect: fast-math
// at most 2 errors: the message, and the file at which the compiler stops
#include <stet/quant/fake_quantize.hpp>

int main() {}
