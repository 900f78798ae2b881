#pragma once
// An affine scheme that stet does not have: a recipe trains with it, and its codes are deployed.
#include <stet/quant/scheme.hpp>

/// Weights of 6 bits that end at three deviations of their output channel: few outliers do not coarsen all others.
struct ThreeSigma : stet::AffineCodes<> {
  stet::Grid grid() const { return stet::Grid::narrow(6); }
  stet::Granularity granularity() const { return stet::Granularity::per_channel(0); }
  stet::QParams qparams(std::span<const float> w, const stet::Shape& shape) const {
    stet::QParams p = stet::weight_qparams(min_max(w, shape, granularity()), granularity(), grid());
    const stet::ScaleMap channel = scale_map(granularity(), shape);
    std::vector<double> squares(p.scale.size());
    for (std::size_t i = 0; i < w.size(); ++i) squares[std::size_t(channel.index(std::int64_t(i)))] += double(w[i]) * w[i];
    for (std::size_t k = 0; k < squares.size(); ++k) {
      const double sigma = std::sqrt(squares[k] * double(squares.size()) / double(w.size()));
      p.scale[k] = std::clamp(float(3 * sigma / grid().hi), FLT_EPSILON, p.scale[k]);
    }
    return p;
  }
};
