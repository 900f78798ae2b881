// Compiled for the plain instruction set.
#define STET_ODR_NAME baseline
#include "odr_unit.hpp"
