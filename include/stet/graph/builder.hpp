#pragma once
// Builder: functions on graph Values, found by argument-dependent lookup, that add one node each. Every operator's stands in
// its own folder.

#include <stet/operators/build.hpp>
