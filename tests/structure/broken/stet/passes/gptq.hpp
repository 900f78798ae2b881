#include <stet/passes/gptq_codes.hpp>
