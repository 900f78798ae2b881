#pragma once
// The three networks of the example, for images [28,28,1] and 10 classes.

#include <stet/graph/builder.hpp>

#include <string>

namespace example {

/// plain, separable or residual.
/// Errors:    Errc::range for another name
stet::Graph make_network(const std::string& name);

}  // namespace example
