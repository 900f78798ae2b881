#include <Eigen/Core>
#include "stet/quant/grid.hpp"
