#pragma once
// Builds elementary functions of graph values.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value abs(const Value& x) { return append(op::Elementary{op::ElementaryFunction::abs}, {x}); }
inline Value square(const Value& x) { return append(op::Elementary{op::ElementaryFunction::square}, {x}); }
inline Value sqrt(const Value& x) { return append(op::Elementary{op::ElementaryFunction::sqrt}, {x}); }
/// 1/√x
inline Value rsqrt(const Value& x) { return append(op::Elementary{op::ElementaryFunction::rsqrt}, {x}); }
/// 1/x
inline Value reciprocal(const Value& x) { return append(op::Elementary{op::ElementaryFunction::reciprocal}, {x}); }
inline Value exp(const Value& x) { return append(op::Elementary{op::ElementaryFunction::exp}, {x}); }
inline Value log(const Value& x) { return append(op::Elementary{op::ElementaryFunction::log}, {x}); }
inline Value pow(const Value& x, float exponent) { return append(op::Elementary{op::ElementaryFunction::pow, exponent}, {x}); }
inline Value selu(const Value& x) { return append(op::Elementary{op::ElementaryFunction::selu}, {x}); }
inline Value mish(const Value& x) { return append(op::Elementary{op::ElementaryFunction::mish}, {x}); }

}  // namespace stet::graph
