#pragma once
// A user's own operators, added to a graph.

#include <stet/graph/graph.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace stet::graph {

/// A user's operator.
inline Value custom(std::span<const Value> inputs, std::shared_ptr<const CustomOp> op) {
  return append(op::Custom{std::move(op)}, inputs);
}
inline Value custom(const Value& x, std::shared_ptr<const CustomOp> op) {
  return append(op::Custom{std::move(op)}, {x});
}
/// A function of one number on every element: y = function(x, "silu", [](double v) { return v / (1 + std::exp(-v)); }).
/// Among integers it is a table of 256 codes.
inline Value function(const Value& x, std::string name, std::function<double(double)> value,
                      std::function<double(double)> derivative = {}) {
  return custom(x, std::make_shared<FunctionOp>(std::move(name), std::move(value), std::move(derivative)));
}

}  // namespace stet::graph
