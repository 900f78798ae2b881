// The entry points of passes beyond the umbrella header, compiled once: training links without them.
#define STET_IMPLEMENTATION

#include <stet/passes/choose_ranges.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
