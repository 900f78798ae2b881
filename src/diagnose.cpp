// The entry points of diagnosis, compiled once: a program that does not ask why links without them.
#define STET_IMPLEMENTATION

#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/diagnose_input.hpp>
#include <stet/diagnose/html.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/diagnose/recipe_code.hpp>
#include <stet/diagnose/report_text.hpp>
