#include <mpi.h>
#include <stet/mpi.hpp>
