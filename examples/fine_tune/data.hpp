#pragma once
// Data of any kind that the readers of stet know, for a network with this input.

#include "options.hpp"

#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

namespace example {

/// What was read.
struct Samples {
  stet::DatasetSplit split;
  std::vector<std::string> classes{};  ///< names, where the data have some
  std::string scaled{};                ///< how to make inputs (and real numbers of outputs) of raw ones, in words
};

/// Reads data, cuts off a test part where there is none, and scales. Pictures get the height, width and channels of the input,
/// sounds its moments and bands.
/// Errors:    those of the readers and Dataset; Errc::shape if samples do not fit the input; Errc::unsupported for files of
///            another kind
Samples load_samples(const DataSource& source, const stet::Shape& input, std::uint64_t seed);

}  // namespace example
