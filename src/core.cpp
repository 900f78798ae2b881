// The entry points of the layers that training and deployment share: with them a program of one half links without the
// other.
#define STET_IMPLEMENTATION

#include <stet/data/idx.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/integer_structure.hpp>
#include <stet/graph/model.hpp>
#include <stet/graph/print.hpp>
#include <stet/graph/replace_head.hpp>
#include <stet/io/safetensors.hpp>
