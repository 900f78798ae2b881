#include "stet/engine/run.hpp"
#include <stet/passes/gptq.hpp>
