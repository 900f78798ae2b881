// The entry points of the training library, compiled once: half of what the CMake target stet::compiled links.
#if !defined(STET_COMPILED)
#error "stet: src/training.cpp is part of the target stet::compiled, which defines STET_COMPILED"
#endif
#define STET_COMPILED_LIBRARY STET_LIBRARY_OF_TRAINING

#include <stet/stet.hpp>
