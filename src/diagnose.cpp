// The entry points of diagnosis, compiled once: a program that does not ask why links without them.

// Declarations: training.cpp, passes.cpp and deployment.cpp hold these.
#include <stet/engine/engine.hpp>
#include <stet/io/load_input_fingerprint.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/safetensors.hpp>
#include <stet/passes/choose_ranges.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/stet.hpp>

#include <stet/core/define_entries.hpp>

#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/diagnose_input.hpp>
#include <stet/diagnose/html.hpp>
#include <stet/diagnose/html_precision.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/diagnose/recipe_code.hpp>
#include <stet/diagnose/report_text.hpp>
