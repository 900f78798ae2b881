// The format string of a message fits its arguments, or does not compile.
// expect: a format string has more placeholders than arguments
// expect: a format string has fewer placeholders than arguments
// expect: a placeholder's letter is not one of its argument's kind
// expect: a placeholder is 
// at most 4 errors
#include <stet/core/error.hpp>

int main() {
#ifdef STET_CONTROL
  stet::require(true, stet::Errc::shape, "{} of {{{:>{}}}}", 1.0, "two", 3);
#else
  stet::require(true, stet::Errc::shape, "{} of {}", 1);
  stet::require(true, stet::Errc::shape, "{} of", 1, 2);
  stet::require(true, stet::Errc::shape, "{:f}", 1);
  stet::require(true, stet::Errc::shape, "{", 1);
#endif
}
