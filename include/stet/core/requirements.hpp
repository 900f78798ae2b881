#pragma once
// What stet needs of the compiler's options. Every header meets this one before any code, and a unit that lacks
// something ends here: one error that says so, and a file that does not exist, because compilers go on after #error.

#if __cplusplus < 202002L
#error "stet needs C++20: compile this unit with -std=c++20 or newer"
#define STET_STOP <stet_stops_here_see_the_error_above>
#elif !defined(__cpp_exceptions)
#error "stet reports errors by exceptions: compile this unit without -fno-exceptions"
#define STET_STOP <stet_stops_here_see_the_error_above>
#elif !defined(__cpp_rtti)
#error "stet asks erased values for their type: compile this unit without -fno-rtti"
#define STET_STOP <stet_stops_here_see_the_error_above>
#elif defined(__FAST_MATH__)
#error "stet: -ffast-math changes deployed codes; compile this unit without it (see docs/design.md, Exact bits)"
#define STET_STOP <stet_stops_here_see_the_error_above>
#elif defined(min) || defined(max)
#error "stet: min or max is a macro here; #undef it before stet is included (on Windows define NOMINMAX)"
#define STET_STOP <stet_stops_here_see_the_error_above>
#endif

#if defined(STET_STOP)
#include STET_STOP
#endif
