#pragma once
#include <vector>
#include "stet/core/tensor.hpp"
#include "missing.hpp"
