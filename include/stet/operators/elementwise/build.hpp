#pragma once
// Sums, differences and products, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Element by element; dimensions of size 1 are repeated.
inline Value add(const Value& a, const Value& b) { return append(op::Add{}, {a, b}); }
inline Value sub(const Value& a, const Value& b) { return append(op::Sub{}, {a, b}); }
inline Value mul(const Value& a, const Value& b) { return append(op::Mul{}, {a, b}); }
inline Value operator+(const Value& a, const Value& b) { return add(a, b); }
inline Value operator-(const Value& a, const Value& b) { return sub(a, b); }
inline Value operator*(const Value& a, const Value& b) { return mul(a, b); }

}  // namespace stet::graph
