#pragma once
// check, under the name by which programs included it first: it lives beside fit, which reports its warnings.

#include <stet/train/check.hpp>
