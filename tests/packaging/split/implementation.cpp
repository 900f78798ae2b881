// The unit that holds the library: the headers that the others include.
#define STET_IMPLEMENTATION
#include <stet/stet.hpp>
