// -ffast-math lets the compiler change the bits of rounded results, so the library refuses it.
// flags: -ffast-math
// expect: fast-math
#include <stet/quant/fake_quantize.hpp>

int main() {}
