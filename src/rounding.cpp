// The entry points that read Eigen, compiled once: the others need not wait for its headers.
#define STET_IMPLEMENTATION

#include <stet/passes/gptq_codes.hpp>
