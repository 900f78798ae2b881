// The entry points of the training library, compiled once: half of what the CMake target stet::compiled links.
#define STET_IMPLEMENTATION

#include <stet/stet.hpp>
