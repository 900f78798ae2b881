// The entry points of the training library, compiled once: what the CMake target stet::compiled links.
#if !defined(STET_COMPILED)
#error "stet: src/stet.cpp is part of the target stet::compiled, which defines STET_COMPILED"
#endif
#define STET_COMPILED_LIBRARY

#include <stet/stet.hpp>
