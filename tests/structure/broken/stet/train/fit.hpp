#include "stet/testing/laws.hpp"
#include "stet/stet.hpp"
#include "stet/engine/run.hpp"
