// The entry points of passes beyond the umbrella header, compiled once: training links without them.

#include <stet/stet.hpp>  // declarations: training.cpp holds these

#include <stet/core/define_entries.hpp>

#include <stet/passes/choose_ranges.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
