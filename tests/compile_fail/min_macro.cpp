// Macros named min or max would take std::min and std::max apart; they are named instead.
// expect: min or max is a macro
// at most 2 errors: the message, and the file at which the compiler stops
#include <vector>
#ifndef STET_CONTROL
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif
#include <stet/quant/fake_quantize.hpp>

int main() {}
