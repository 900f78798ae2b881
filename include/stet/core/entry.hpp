#pragma once
// Entry points: the functions behind which most of the library lies, and that a program may link instead of compiling.
//
// By default they are inline functions like all others: the library is header-only. A unit with STET_COMPILED (the CMake
// target stet::compiled sets it) sees their declarations and takes them from a static library, so that what only they
// reach costs it no code generation. An entry point is declared, then defined between #if and #endif: #if
// STET_DEFINE_ENTRIES for those of training, #if STET_DEFINE_DEPLOYMENT for those of the engine and of files. The library
// has one unit for each, which say so in STET_COMPILED_LIBRARY.

#include <stet/core/requirements.hpp>

#define STET_LIBRARY_OF_TRAINING 1
#define STET_LIBRARY_OF_DEPLOYMENT 2

#if !defined(STET_COMPILED)  // header-only
#define STET_ENTRY inline
#define STET_DEFINE_ENTRIES 1
#define STET_DEFINE_DEPLOYMENT 1
#else
#define STET_ENTRY
#define STET_DEFINE_ENTRIES (STET_COMPILED_LIBRARY == STET_LIBRARY_OF_TRAINING)
#define STET_DEFINE_DEPLOYMENT (STET_COMPILED_LIBRARY == STET_LIBRARY_OF_DEPLOYMENT)
#if !defined(STET_COMPILED_LIBRARY)
#define STET_COMPILED_LIBRARY 0
#endif
#endif
