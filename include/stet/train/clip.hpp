#pragma once
// Gradient clipping by global norm.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/train/optimizer.hpp>

#include <cmath>
#include <vector>

namespace stet {

/// Euclidean norm of all gradients together, added in double in chunks that depend on the shapes alone.
inline double gradient_norm(std::span<const ParameterRef> parameters) {
  double sum = 0;
  for (const ParameterRef& p : parameters) {
    const float* dx = p.parameter->gradient.data();
    const std::int64_t size = p.parameter->gradient.size();
    if (size == 0) continue;
    const std::int64_t chunks = chunk_count(size, 1);
    std::vector<double> parts(static_cast<std::size_t>(chunks));
    parallel(chunks, [&](std::int64_t i) {
      const Chunk c = chunk_of(size, chunks, i);
      parts[static_cast<std::size_t>(i)] = lanes_reduce(
          c.size(), 0.0,
          [&](std::int64_t j) {
            const double x = static_cast<double>(dx[c.first + j]);
            return x * x;
          },
          [](double a, double b) { return a + b; });
    });
    for (const double part : parts) sum += part;
  }
  return std::sqrt(sum);
}

/// Scales all gradients down together so that their norm is at most `limit`; returns the norm before.
/// Formula:   dx *= limit / norm where norm > limit
/// Errors:    Errc::range if limit <= 0
/// Source:    Pascanu et al. 2013, algorithm 1, arXiv 1211.5063
inline double clip_gradients(std::span<const ParameterRef> parameters, double limit) {
  require(limit > 0, Errc::range, "clip_gradients: limit is {}, must be positive", limit);
  const double norm = gradient_norm(parameters);
  if (!(norm > limit)) return norm;
  const auto scale = static_cast<float>(limit / norm);
  for (const ParameterRef& p : parameters) {
    float* const __restrict dx = p.parameter->gradient.edit().data();
    lanes(p.parameter->gradient.size(), [=](std::int64_t i) { dx[i] *= scale; });
  }
  return norm;
}

}  // namespace stet
