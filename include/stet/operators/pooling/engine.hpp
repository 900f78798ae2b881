#pragma once
// Pooling: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::MaxPool& o, const StepSite& s) {
  return s.unary(s.resolve(o), [w = window(o, s.image())](const auto& x, const auto& q, auto y) { integer::max_pool(x, w, q, y); });
}
inline EngineRun step(const graph::op::AveragePool& o, const StepSite& s) {
  return s.unary(s.resolve(o), [w = window(o, s.image())](const auto& x, const auto& q, auto y) { integer::average_pool(x, w, q, y); });
}
inline EngineRun step(const graph::op::GlobalAveragePool& o, const StepSite& s) {
  return s.unary(s.resolve(o), [](const auto& x, const auto& q, auto y) { integer::mean(x, q, y); });
}

}  // namespace stet::detail
