// The entry points that load integers by way of a model of floats, compiled once: they stand upon training and upon files.

// Declarations: training.cpp and deployment.cpp hold these.
#include <stet/io/load_onnx.hpp>
#include <stet/stet.hpp>

#include <stet/core/define_entries.hpp>

#include <stet/model/load_onnx_integer.hpp>
