#pragma once
// Linear layers on codes, on the tape.

#include <stet/graph/match.hpp>
#include <stet/qat/linear.hpp>

namespace stet::detail {

inline Product product_of(const graph::op::Linear&) { return linear_product(); }

}  // namespace stet::detail
