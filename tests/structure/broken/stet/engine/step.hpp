#include "stet/operators/engine.hpp"
#include "stet/operators/gelu/engine.hpp"
