#include "stet/engine/run.hpp"
