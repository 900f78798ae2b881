// The entry points of the training library, compiled once: half of what the CMake target stet::compiled links.
#define STET_IMPLEMENTATION
#define STET_WITHOUT_EIGEN  // what reads its headers stands in rounding.cpp

#include <stet/passes/gptq.hpp>
#include <stet/stet.hpp>
