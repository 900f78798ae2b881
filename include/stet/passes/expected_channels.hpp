#pragma once
// Mean and variance of a value's channels without data: what batch norm says of what it makes, followed to where it is read.

#include <stet/graph/match.hpp>
#include <stet/graph/model.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace stet::detail {

/// Mean and variance of a variable, taken to be normal where something is cut off.
struct Moments {
  double mean = 0, variance = 0;
};

/// Those of a normal variable that is clamped to [lo, hi], as ReLU and ReLU6 do.
/// Formula:   a = (lo - m)/s, b = (hi - m)/s; E = m (F(b) - F(a)) + s (f(a) - f(b)) + lo F(a) + hi (1 - F(b)); E of the square
///            likewise; f and F the normal density and distribution
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721, appendix (clipped normal distribution)
inline Moments clamped_normal(const Moments& x, double lo, double hi) {
  const double m = x.mean, s = std::sqrt(x.variance);
  if (!(s > 0)) {
    const double y = m < lo ? lo : m > hi ? hi : m;
    return {y, 0};
  }
  const auto density = [](double t) { return std::isfinite(t) ? std::exp(-0.5 * t * t) / std::sqrt(2 * std::numbers::pi) : 0.0; };
  const auto below = [](double t) { return 0.5 * std::erfc(-t / std::numbers::sqrt2); };
  const double a = (lo - m) / s, b = (hi - m) / s;
  const double inside = below(b) - below(a), over = 0.5 * std::erfc(b / std::numbers::sqrt2);
  double mean = m * inside + s * (density(a) - density(b)) + lo * below(a);
  double square = (m * m + s * s) * inside + 2 * m * s * (density(a) - density(b)) + lo * lo * below(a);
  square += s * s * ((std::isfinite(a) ? a * density(a) : 0.0) - (std::isfinite(b) ? b * density(b) : 0.0));
  if (std::isfinite(hi)) {
    mean += hi * over;
    square += hi * hi * over;
  }
  return {mean, std::max(0.0, square - mean * mean)};
}

/// What is known of a value's channels, or why nothing is.
struct ExpectedChannels {
  std::vector<Moments> channels{};
  std::string why{};  ///< empty if they are known
};

/// Expectations of all values of a float model, in one pass over its nodes.
/// Batch norm makes what has mean beta and variance gamma squared; the two sides of an addition count as independent.
class ChannelExpectations {
 public:
  explicit ChannelExpectations(const Model& model) : model_(model), graph_(model.graph()) {
    values_.reserve(static_cast<std::size_t>(graph_.size()));
    for (int id = 0; id < graph_.size(); ++id) values_.push_back(of(graph_.node(id)));
  }

  [[nodiscard]] const ExpectedChannels& at(int node) const { return values_[static_cast<std::size_t>(node)]; }

 private:
  static ExpectedChannels unknown(const graph::Node& n) {
    return {{}, formatted("{} ({}) has means that only data can tell", n.name, graph::kind(n.op))};
  }
  ExpectedChannels clamped(const graph::Node& n, double hi) const {
    ExpectedChannels x = at(n.inputs[0]);
    for (Moments& m : x.channels) m = clamped_normal(m, 0, hi);
    return x;
  }
  // Each image's value is a mean of some: the mean stays, and the variance is not asked for behind it.
  ExpectedChannels averaged(const graph::Node& n) const {
    ExpectedChannels x = at(n.inputs[0]);
    for (Moments& m : x.channels) m.variance = std::numeric_limits<double>::quiet_NaN();
    return x;
  }
  ExpectedChannels joined(const graph::Node& n) const {
    ExpectedChannels all;
    for (const int in : n.inputs) {
      const ExpectedChannels& x = at(in);
      if (!x.why.empty()) return x;
      all.channels.insert(all.channels.end(), x.channels.begin(), x.channels.end());
    }
    return all;
  }
  ExpectedChannels added(const graph::Node& n) const {
    ExpectedChannels sum = at(n.inputs[0]);
    const ExpectedChannels& other = at(n.inputs[1]);
    if (!sum.why.empty()) return sum;
    if (!other.why.empty()) return other;
    if (graph_.node(n.inputs[0]).shape != graph_.node(n.inputs[1]).shape) return unknown(n);
    for (std::size_t c = 0; c < sum.channels.size(); ++c) {
      sum.channels[c].mean += other.channels[c].mean;
      sum.channels[c].variance += other.channels[c].variance;
    }
    return sum;
  }
  ExpectedChannels of(const graph::Node& n) const {
    const graph::Operator& op = n.op;
    if (graph::is<graph::op::BatchNorm>(op)) {
      const Tensor<float>&gamma = model_.parameter(n.name + ".gamma").value, &beta = model_.parameter(n.name + ".beta").value;
      ExpectedChannels x;
      for (std::int64_t c = 0; c < beta.size(); ++c) {
        x.channels.push_back({static_cast<double>(beta[c]), static_cast<double>(gamma[c]) * static_cast<double>(gamma[c])});
      }
      return x;
    }
    if (n.inputs.empty()) return unknown(n);
    const ExpectedChannels& in = at(n.inputs[0]);
    if (!in.why.empty()) return in;
    const bool narrower = !in.channels.empty() && std::isnan(in.channels[0].variance);
    if (graph::is<graph::op::Relu>(op) && !narrower) return clamped(n, std::numeric_limits<double>::infinity());
    if (graph::is<graph::op::Relu6>(op) && !narrower) return clamped(n, 6);
    if (graph::is<graph::op::Dropout>(op) || graph::is<graph::op::Flatten>(op)) return in;  // channels are last, and repeat
    const auto* pool = graph::as<graph::op::AveragePool>(op);
    if (graph::is<graph::op::GlobalAveragePool>(op) || (pool != nullptr && !pool->count_padding)) return averaged(n);
    const auto* concat = graph::as<graph::op::Concat>(op);
    if (concat != nullptr && concat->axis == n.shape.rank() - 1 && n.shape.rank() > 1) return joined(n);
    if (graph::is<graph::op::Add>(op)) return added(n);
    return unknown(n);
  }

  const Model& model_;
  const Graph& graph_;
  std::vector<ExpectedChannels> values_{};
};

}  // namespace stet::detail
