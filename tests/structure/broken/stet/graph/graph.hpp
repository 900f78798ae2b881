#include "../core/tensor.hpp"
#include "../engine/run.hpp"
