#pragma once
// smooth: range moved from the values that layers read into their weights, channel by channel.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>
#include <stet/model/data_sample.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/model/forward.hpp>
#include <stet/model/qat_model.hpp>
#include <stet/passes/channel_spaces.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#endif

namespace stet {

/// How much of the range goes into the weights, and which images show it.
struct SmoothOptions {
  double alpha = 0.5;  ///< 0: values stay as they are far apart, weights become alike; 1: values become alike
  CalibrateOptions data{};
};

/// Channels that layers share, before and after: the largest of their values / the median one, and so of the weights that read them.
struct SmoothedChannels {
  std::vector<std::string> producers{}, consumers{};
  double values_before = 1, values_after = 1, weights_before = 1, weights_after = 1;
};

/// What smooth did, and where it could do nothing.
struct SmoothReport {
  std::vector<SmoothedChannels> channels{};
  std::vector<std::string> left{};  ///< sentences: which layer, and what stands behind it

  [[nodiscard]] std::string str() const;
};

/// Divides the channels of values that layers read by powers of two, in the layers that make them, and multiplies the weights that
/// read them: for activations whose one scale a few large channels decide. The float network computes the same logits, bit for bit,
/// unless a number leaves the range of float. Factors go where those of equalize go, and what holds them up is named alike.
/// Formula:   s[c] = 2^round(log2(max|x[c]|^alpha / max|w[c]|^(1 - alpha))), x the values on the data, w the (folded) weights that
///            read channel c
/// Errors:    Errc::range if alpha is not in [0, 1], an option of the data is impossible, or a value is not finite; Errc::state if
///            the data are empty
/// Source:    Xiao 2023, SmoothQuant, arXiv 2211.10438; powers of two are ours
STET_ENTRY Model smooth(const Model& model, const Dataset& data, const SmoothOptions& options = {}, SmoothReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string SmoothReport::str() const {
  std::string text;
  const auto list = [](const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
    return all;
  };
  for (const SmoothedChannels& c : channels) {
    text += formatted("{} -> {}: largest channel / median of the values {:.3g} before, {:.3g} after, of the weights {:.3g} before, {:.3g} after\n",
                      list(c.producers), list(c.consumers), c.values_before, c.values_after, c.weights_before, c.weights_after);
  }
  for (const std::string& l : left) text += l + "\n";
  return text;
}

namespace detail {

// Largest magnitude of every channel of the values that layers read; empty for other nodes.
inline std::vector<std::vector<float>> channel_magnitudes(const char* op, const Model& model, const Dataset& data, const CalibrateOptions& options) {
  const Batches batches = sample_of(op, model.graph(), data, options);
  const Graph& graph = model.graph();
  std::vector<std::vector<float>> most(static_cast<std::size_t>(graph.size()));
  for (int id = 0; id < graph.size(); ++id) {
    if (!follows_channels(graph.node(id).op)) continue;
    const int value = graph.node(id).inputs[0];
    most[static_cast<std::size_t>(value)].assign(static_cast<std::size_t>(graph.node(value).shape.back()), 0.0f);
  }
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    (void)infer(model, data.batch(batches[i]).inputs(), {.observe = [&](int node, const Tensor<float>& value) {
                  std::vector<float>& m = most[static_cast<std::size_t>(node)];
                  if (m.empty()) return;
                  (void)range_of(op, model.graph().node(node).name, value.span());
                  const std::span<const float> v = value.span();
                  for (std::size_t at = 0; at < v.size(); at += m.size()) {
                    for (std::size_t c = 0; c < m.size(); ++c) m[c] = std::max(m[c], std::fabs(v[at + c]));
                  }
                }});
  }
  return most;
}

inline double largest_by_median(std::vector<float> most) {
  const float largest = *std::max_element(most.begin(), most.end());
  std::nth_element(most.begin(), most.begin() + static_cast<std::ptrdiff_t>(most.size() / 2), most.end());
  const float median = most[most.size() / 2];
  return median > 0 ? static_cast<double>(largest / median) : 1.0;
}

}  // namespace detail

STET_ENTRY Model smooth(const Model& model, const Dataset& data, const SmoothOptions& options, SmoothReport* report) {
  require(options.alpha >= 0.0 && options.alpha <= 1.0, Errc::range, "smooth: alpha is {}, must be from 0 to 1", options.alpha);
  const std::vector<std::vector<float>> seen = detail::channel_magnitudes("smooth", model, data, options.data);
  SmoothReport unread;
  SmoothReport& said = report == nullptr ? unread : *report;
  detail::ChannelSpaces spaces(model);
  for (const detail::ChannelSpace& s : spaces.spaces(said.left)) {
    std::vector<float> x = spaces.largest_read(s, [&](int value, std::int64_t c) { return seen[static_cast<std::size_t>(value)][static_cast<std::size_t>(c)]; });
    const std::vector<float> w = spaces.read(s);
    std::vector<double> exponents(x.size(), 0.0);
    for (std::size_t c = 0; c < x.size(); ++c) {
      if (!(x[c] > 0) || !(w[c] > 0)) continue;  // a channel of zeros wants nothing
      exponents[c] = std::nearbyint(options.alpha * std::log2(static_cast<double>(x[c])) - (1 - options.alpha) * std::log2(static_cast<double>(w[c])));
    }
    SmoothedChannels c{spaces.names(s.producers), spaces.names(s.consumers), detail::largest_by_median(x), 1, detail::largest_by_median(w), 1};
    (void)spaces.scale(s, exponents);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (s.free[i]) x[i] = static_cast<float>(std::ldexp(static_cast<double>(x[i]), -static_cast<int>(std::clamp(exponents[i], -20.0, 20.0))));
    }
    c.values_after = detail::largest_by_median(x);
    c.weights_after = detail::largest_by_median(spaces.read(s));
    said.channels.push_back(std::move(c));
  }
  return spaces.take();
}
#endif

}  // namespace stet
