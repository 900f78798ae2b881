#include "stet/train/fit.hpp"
