#pragma once
// Arrays as a data set, and a network for their shape.

#include <stet/data/dataset.hpp>
#include <stet/graph/graph.hpp>

#include <string>

namespace example {

/// Reads inputs [N, ...] and answers: integers are classes, anything else real numbers. Time series [N,T,C] become images of
/// height 1.
/// Errors:    those of load_npy_as and Dataset; Errc::range if a class is negative
stet::Dataset load_arrays(const std::string& x, const std::string& y);

/// A small network for the shape of the samples: layers of a table's row, convolutions along time or over an image; as many
/// outputs as classes or targets.
stet::Graph network(const stet::Dataset& data, int width);

}  // namespace example
