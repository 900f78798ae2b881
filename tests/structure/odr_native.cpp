// Compiled for the instruction set of this machine.
#define STET_ODR_NAME native
#include "odr_unit.hpp"
