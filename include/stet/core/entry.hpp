#pragma once
// Entry points: the functions behind which most of the library lies, and that a program may compile once instead of in
// every unit.
//
// By default they are inline functions like all others: the library is header-only. With STET_SPLIT, defined for every unit
// of a program, a unit sees their declarations, and one unit that says #define STET_IMPLEMENTATION before its first include
// holds the functions of all headers that it includes. The CMake target stet::compiled is that, with units of the
// library's own. An entry point is declared, then defined as STET_ENTRY between #if STET_DEFINE_ENTRIES and #endif; it is
// no constructor, of which clang would make only the half. Every kind of unit links with every other: a function that
// several units hold is one function. Those that read Eigen are STET_EIGEN_ENTRY: a unit that also says STET_WITHOUT_EIGEN
// leaves them to another.

#include <stet/core/requirements.hpp>

#if !defined(STET_SPLIT)
#if defined(STET_IMPLEMENTATION)
#error "stet: STET_IMPLEMENTATION goes with STET_SPLIT, which every unit of the program defines (-DSTET_SPLIT)"
#endif
#define STET_ENTRY inline
#define STET_DEFINE_ENTRIES 1
#elif defined(STET_IMPLEMENTATION)
#define STET_ENTRY [[gnu::used]] inline
#define STET_DEFINE_ENTRIES 1
#else
#define STET_ENTRY
#define STET_DEFINE_ENTRIES 0
#endif

#if defined(STET_WITHOUT_EIGEN)
#define STET_EIGEN_ENTRY
#define STET_DEFINE_EIGEN_ENTRIES 0
#else
#define STET_EIGEN_ENTRY STET_ENTRY
#define STET_DEFINE_EIGEN_ENTRIES STET_DEFINE_ENTRIES
#endif

#if defined(STET_SPLIT)
namespace stet::detail {
// The linker names this where no unit is the implementation.
#if defined(STET_IMPLEMENTATION)
[[gnu::used]] extern inline const char one_unit_must_say_STET_IMPLEMENTATION = 0;
#else
extern const char one_unit_must_say_STET_IMPLEMENTATION;
[[gnu::used]] static const char* const implementation = &one_unit_must_say_STET_IMPLEMENTATION;
#endif
}  // namespace stet::detail
#endif
