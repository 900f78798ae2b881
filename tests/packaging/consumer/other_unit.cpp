// A second unit with the same headers: functions that are not inline would be defined twice.
#include <stet/version.hpp>

int other_unit() { return STET_VERSION_MAJOR == 0 ? 0 : 1; }
