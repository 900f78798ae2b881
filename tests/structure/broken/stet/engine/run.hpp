#include "stet/graph/graph.hpp"
  #  include <stet/autograd/tape.hpp>  // fault
