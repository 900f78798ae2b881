#include "stet/operators/gelu/graph.hpp"
#include "stet/train/fit.hpp"
