#include "stet/core/tensor.hpp"
#include "stet/stet.hpp"
