#pragma once
// Ternary: weights -1, 0, 1 times a scale.

#include <stet/quant/mean_magnitude.hpp>
#include <stet/quant/scheme.hpp>

#include <cfloat>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// Weights: codes -1, 0, 1, affine; the scale comes from the values, any granularity. Codes and scale are what the
/// integer engine reads, but a Recipe cannot name the scheme.
/// Formula:   math.md 76: D = 0.7 mean|w|, s = mean of |w| over |w| > D (at least FLT_EPSILON; 1 if all are 0);
///            code = clamp(rne(w * (1/s)), -1, 1)
/// Rounding:  half to even: codes change at s/2, not at D. For a given s that choice has the least squared error, and
///            at the best s both thresholds are one: D is the paper's estimate of it. Codes then depend on s alone
/// Gradient:  a clipped mask ends at 1.5 s at the latest; large weights train on only with Ste, which the paper uses
/// Errors:    Errc::state if there are no values; Errc::range if one is NaN or infinite; Errc::shape as scale_map
/// Source:    Li 2016, Ternary Weight Networks, arXiv 1605.04711
struct Ternary : AffineCodes<> {
  Granularity sharing{};

  Ternary() = default;
  explicit Ternary(const Granularity& granularity) : sharing(granularity) {}
  [[nodiscard]] static std::string name() { return "ternary"; }
  [[nodiscard]] Grid grid() const { return {-1, 1}; }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const {
    static_cast<void>(min_max(x, shape, sharing));  // refuses what has no mean
    std::vector<double> thresholds = mean_magnitude(x, shape, sharing);
    for (double& t : thresholds) t *= 0.7;
    QParams p{grid(), sharing, {}, std::vector<std::int32_t>(thresholds.size())};
    p.scale.clear();
    for (const double mean : mean_magnitude(x, shape, sharing, thresholds)) {
      const auto scale = static_cast<float>(mean);
      p.scale.push_back(mean == 0.0 ? 1.0f : scale > FLT_EPSILON ? scale : FLT_EPSILON);
    }
    return p;
  }
};

}  // namespace stet
