#include "stet/core/tensor.hpp"
