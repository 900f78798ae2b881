#pragma once
// absorb_high_bias: offsets that a channel never falls below, moved through the ReLU into the bias of the layers that read it.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/match.hpp>
#include <stet/passes/weight_channels.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#endif

namespace stet {

struct AbsorbOptions {
  double deviations = 3;  ///< below the mean, down to which a channel's values are taken to reach
};

/// Channels of a batch norm whose offset went into the layers that read them.
struct AbsorbedBias {
  std::string batch_norm{};
  std::vector<std::string> consumers{};
  int channels = 0;    ///< how many
  double largest = 0;  ///< offset
};

/// What was absorbed, and where something could not be.
struct AbsorbReport {
  std::vector<AbsorbedBias> absorbed{};
  std::vector<std::string> left{};  ///< sentences: which batch norm, and what stands behind it

  [[nodiscard]] std::string str() const;
};

/// Subtracts from channels that hardly ever fall below an offset what they have of it, and adds it to the bias (or batch norm's mean)
/// of the layers that read them: the range of the value then begins lower. By batch norm's statistics; exact but for the rounding of
/// float where the channel is above its offset on all data.
/// It goes from a batch norm through ReLU, max and average pools, and flatten to all readers. Left as they are, and named: ReLU6,
/// whose upper bound would move; layers with padding, whose zeros would stand for the offset; additions; readers without batch norm
/// or bias; outputs.
/// Formula:   c = max(0, beta - 3 |gamma|); beta := beta - c; b := b + sum over the taps of w c
/// Errors:    Errc::range if the deviations are negative or not finite
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721, section 4.1.3
STET_ENTRY Model absorb_high_bias(const Model& model, const AbsorbOptions& options = {}, AbsorbReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string AbsorbReport::str() const {
  std::string text;
  for (const AbsorbedBias& a : absorbed) {
    std::string all;
    for (const std::string& n : a.consumers) all += (all.empty() ? "" : ", ") + n;
    text += formatted("{} -> {}: offsets of {} channels absorbed, the largest {:.3g}\n", a.batch_norm, all, a.channels, a.largest);
  }
  for (const std::string& l : left) text += l + "\n";
  return text;
}

namespace detail {

// Finds the layers that read a value, and why they cannot take an offset.
class OffsetReaders {
 public:
  explicit OffsetReaders(const Model& model) : model_(model), graph_(model.graph()) {}

  std::vector<int> layers{};
  std::string why{};  ///< empty if all can

  void follow(int id, bool rectified) {
    if (graph_.is_output(id)) return stop("it is an output of the network");
    for (const int reader : graph_.consumers(id)) {
      const graph::Node& n = graph_.node(reader);
      if (graph::is<graph::op::Relu>(n.op)) {
        follow(reader, true);
      } else if (!rectified) {
        stop(formatted("{} ({}) reads it, not a ReLU", n.name, graph::kind(n.op)));
      } else if (follows_channels(n.op)) {
        take(reader);
      } else if (passes_on(n.op)) {
        follow(reader, true);
      } else {
        stop(formatted("{} ({}) does not pass an offset on", n.name, graph::kind(n.op)));
      }
    }
  }
  // The batch norm that alone reads a layer, -1 if there is none.
  [[nodiscard]] int norm_of(int layer) const {
    const std::vector<int> readers = graph_.consumers(layer);
    const bool alone = readers.size() == 1 && !graph_.is_output(layer);
    return alone && graph::is<graph::op::BatchNorm>(graph_.node(readers[0]).op) ? readers[0] : -1;
  }

 private:
  void stop(const std::string& reason) {
    if (why.empty()) why = reason;
  }
  void take(int layer) {
    const graph::Node& n = graph_.node(layer);
    if (padded(n.op, graph_.node(n.inputs[0]).shape)) return stop(formatted("{} ({}) reads it with padding", n.name, graph::kind(n.op)));
    if (norm_of(layer) < 0 && model_.find_parameter(n.name + ".bias") == nullptr) {
      return stop(formatted("{} ({}) has neither batch norm nor bias; with_bias adds one", n.name, graph::kind(n.op)));
    }
    layers.push_back(layer);
  }
  static bool passes_on(const graph::Operator& op) {
    const auto* pool = graph::as<graph::op::AveragePool>(op);
    return graph::is<graph::op::MaxPool>(op) || (pool != nullptr && !pool->count_padding) || graph::is<graph::op::GlobalAveragePool>(op) ||
           graph::is<graph::op::Flatten>(op) || graph::is<graph::op::Dropout>(op);
  }
  static bool padded(const graph::Operator& op, const Shape& in) {
    const auto any = [&](const Window& w) {
      const auto axis = [](const WindowAxis& a) { return a.before > 0 || (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 > a.in; };
      return axis(w.h) || axis(w.w);
    };
    if (const auto* conv = graph::as<graph::op::Conv2D>(op)) return any(graph::op::window(*conv, in));
    if (const auto* depthwise = graph::as<graph::op::DepthwiseConv2D>(op)) return any(graph::op::window(*depthwise, in));
    return false;
  }

  const Model& model_;
  const Graph& graph_;
};

}  // namespace detail

STET_ENTRY Model absorb_high_bias(const Model& model, const AbsorbOptions& options, AbsorbReport* report) {
  require(std::isfinite(options.deviations) && options.deviations >= 0.0, Errc::range, "absorb_high_bias: {} deviations, must be finite and not negative",
          options.deviations);
  AbsorbReport unread;
  AbsorbReport& said = report == nullptr ? unread : *report;
  Model other = model;
  const Graph& graph = other.graph();
  for (int id = 0; id < graph.size(); ++id) {
    const graph::Node& norm = graph.node(id);
    if (!graph::is<graph::op::BatchNorm>(norm.op)) continue;
    const Tensor<float>& gamma = other.parameter(norm.name + ".gamma").value;
    Tensor<float>& beta = other.parameter(norm.name + ".beta").value;
    std::vector<float> offset(static_cast<std::size_t>(beta.size()));
    AbsorbedBias a{norm.name, {}, 0, 0};
    for (std::size_t c = 0; c < offset.size(); ++c) {
      const auto i = static_cast<std::int64_t>(c);
      offset[c] = std::max(0.0f, beta[i] - static_cast<float>(options.deviations) * std::fabs(gamma[i]));
      a.channels += offset[c] > 0 ? 1 : 0;
      a.largest = std::max(a.largest, static_cast<double>(offset[c]));
    }
    if (a.channels == 0) continue;
    detail::OffsetReaders readers(other);
    readers.follow(id, false);
    if (readers.why.empty() && readers.layers.empty()) readers.why = "no layer reads it";
    if (!readers.why.empty()) {
      said.left.push_back(formatted("{} keeps the offsets of {} channels: {}", norm.name, a.channels, readers.why));
      continue;
    }
    const std::span<float> moved = beta.edit();
    for (std::size_t c = 0; c < offset.size(); ++c) moved[c] -= offset[c];
    for (const int layer : readers.layers) {
      const graph::Node& n = graph.node(layer);
      a.consumers.push_back(n.name);
      const Tensor<float>& w = other.parameter(n.name + ".weight").value;
      std::vector<double> sum(static_cast<std::size_t>(w.shape()[graph::channel_axis(n.op)]), 0.0);
      for (std::int64_t i = 0; i < w.size(); ++i) {
        const auto from = static_cast<std::size_t>(detail::input_channel(n.op, w.shape(), i)) % offset.size();  // behind flatten they repeat
        sum[static_cast<std::size_t>(detail::output_channel(n.op, w.shape(), i))] += static_cast<double>(w[i]) * static_cast<double>(offset[from]);
      }
      const int behind = readers.norm_of(layer);
      // Batch norm subtracts its mean: the layer makes that much less now.
      Tensor<float>& to = behind >= 0 ? other.buffer(graph.node(behind).name + ".mean") : other.parameter(n.name + ".bias").value;
      const std::span<float> b = to.edit();
      for (std::size_t o = 0; o < sum.size(); ++o) b[o] += static_cast<float>(behind >= 0 ? -sum[o] : sum[o]);
    }
    said.absorbed.push_back(std::move(a));
  }
  return other;
}
#endif

}  // namespace stet
