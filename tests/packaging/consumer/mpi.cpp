// Several processes, as a user's project has them.
#include <stet/mpi.hpp>

int processes() { return stet::mpi::world()->size(); }
