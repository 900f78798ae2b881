#pragma once
// Entry points: the functions behind which most of the library lies, and that a program may link instead of compiling.
//
// By default they are inline functions like all others: the library is header-only. A unit with STET_COMPILED (the CMake
// target stet::compiled sets it) sees their declarations and takes them from a static library, so that what only they
// reach costs it no code generation. An entry point is declared, then defined between #if STET_DEFINE_ENTRIES and #endif.

#if !defined(STET_COMPILED)
#define STET_ENTRY inline
#else
#define STET_ENTRY
#endif

#if defined(STET_COMPILED) && !defined(STET_COMPILED_LIBRARY)
#define STET_DEFINE_ENTRIES 0
#else
#define STET_DEFINE_ENTRIES 1  // header-only, or the unit that the library is made of (src/stet.cpp)
#endif
