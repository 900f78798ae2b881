#include "stet/operators/gelu/engine.hpp"
