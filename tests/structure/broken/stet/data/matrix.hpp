#include <stet/eigen.hpp>
