#pragma once
// equalize: channels of like size before quantizing, in a float network that computes the same.

#include <stet/core/entry.hpp>
#include <stet/graph/model.hpp>

#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/graph/match.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#endif

namespace stet {

struct EqualizeOptions {
  int rounds = 8;  ///< over all channels; a factor changes what its neighbours want
};

/// Channels that layers share, before and after.
struct EqualizedChannels {
  std::vector<std::string> producers{}, consumers{};
  double before = 1, after = 1;  ///< largest channel of the producers' folded weights / the median one
};

/// What equalize did, and where it could do nothing.
struct EqualizeReport {
  std::vector<EqualizedChannels> channels{};
  std::vector<std::string> left{};  ///< sentences: which layer, and what stands behind it

  [[nodiscard]] std::string str() const;
};

/// Multiplies the channels of what layers make by powers of two and divides by them in the layers that read it, so that weights
/// of both have like magnitude in every channel. Float numbers are scaled exactly: the network computes the same logits, bit for
/// bit, unless a number leaves the range of float. Factors go through whatever scales channels (ReLU, pools, padding, flatten),
/// through additions, whose two sides get one factor, and to all readers of a value; batch norm takes them in gamma and beta.
/// What does not pass a factor on (ReLU6, sigmoid, concat, the output of the network) leaves the channels in front as they are, and
/// the report names it; weights per channel help there.
/// Formula:   s[c] = 2^round(log2(sqrt(r1[c] / r2[c]))), r1 and r2 the largest magnitudes of channel c in the (folded) weights of
///            the layers that make and that read it, but no channel is made to reach beyond the one that reaches farthest (|mean|
///            + 3 deviations, by batch norm or bias and weights); what makes it is divided by s, what reads it multiplied
/// Errors:    Errc::range if rounds is below 1
/// Source:    Nagel 2019, Data-free quantization, arXiv 1906.04721; powers of two are ours
STET_ENTRY Model equalize(const Model& model, const EqualizeOptions& options = {}, EqualizeReport* report = nullptr);

#if STET_DEFINE_ENTRIES
STET_ENTRY std::string EqualizeReport::str() const {
  std::string text;
  const auto list = [](const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
    return all;
  };
  for (const EqualizedChannels& c : channels) {
    text += formatted("{} -> {}: largest channel / median {:.3g} before, {:.3g} after\n", list(c.producers), list(c.consumers), c.before, c.after);
  }
  for (const std::string& l : left) text += l + "\n";
  return text;
}

namespace detail {

// Finds which values have their channels in common, and scales them.
class Equalizer {
 public:
  explicit Equalizer(const Model& model) : model_(model), graph_(model_.graph()), space_(graph_.nodes().size()), fixed_(space_.size()), why_(space_.size()) {
    std::iota(space_.begin(), space_.end(), 0);
    for (int id = 0; id < graph_.size(); ++id) join(id);
    for (const int id : graph_.outputs()) fix(id, "it is an output of the network");
  }

  Model run(int rounds, EqualizeReport& report) {
    const std::vector<int> spaces = free_spaces(report);
    for (const int s : spaces) report.channels.push_back({names(producers(s)), names(consumers(s)), disparity(s), 0});
    for (int round = 0; round < rounds; ++round) {
      bool moved = false;
      for (const int s : spaces) moved = scale(s) || moved;
      if (!moved) break;
    }
    for (std::size_t i = 0; i < spaces.size(); ++i) report.channels[i].after = disparity(spaces[i]);
    return std::move(model_);
  }

 private:
  int find(int id) const {
    while (space_[static_cast<std::size_t>(id)] != id) id = space_[static_cast<std::size_t>(id)];
    return id;
  }
  void unite(int a, int b) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    space_[static_cast<std::size_t>(b)] = a;
    if (fixed_[static_cast<std::size_t>(b)]) fix(a, why_[static_cast<std::size_t>(b)]);
  }
  void fix(int id, const std::string& why) {
    id = find(id);
    if (fixed_[static_cast<std::size_t>(id)]) return;
    fixed_[static_cast<std::size_t>(id)] = true;
    why_[static_cast<std::size_t>(id)] = why;
  }
  [[nodiscard]] const graph::Node& node(int id) const { return graph_.node(id); }
  [[nodiscard]] bool is_layer(int id) const {
    const graph::Operator& op = node(id).op;
    if (const auto* conv = graph::as<graph::op::Conv2D>(op)) return conv->groups == 1;
    if (const auto* depthwise = graph::as<graph::op::DepthwiseConv2D>(op)) return depthwise->multiplier == 1;
    return graph::is<graph::op::Linear>(op);
  }
  // The layer whose output a batch norm alone reads, -1 if there is none.
  [[nodiscard]] int normed_layer(int id) const {
    if (!graph::is<graph::op::BatchNorm>(node(id).op)) return -1;
    const int from = node(id).inputs[0];
    return is_layer(from) && graph_.consumers(from).size() == 1 && !graph_.is_output(from) ? from : -1;
  }
  [[nodiscard]] bool feeds_norm(int id) const {
    const std::vector<int> readers = graph_.consumers(id);
    return readers.size() == 1 && normed_layer(readers[0]) == id;
  }
  // What a node does to the channels of its inputs and output.
  void join(int id) {
    const graph::Node& n = node(id);
    const bool same_sum = graph::is<graph::op::Add>(n.op) && node(n.inputs[0]).shape == node(n.inputs[1]).shape;
    if (graph::scales_channels(n.op) || same_sum) {
      for (const int from : n.inputs) unite(id, from);
    } else if (!is_layer(id) && normed_layer(id) < 0) {
      const std::string why = formatted("{} ({}) does not pass a factor on", n.name, graph::kind(n.op));
      fix(id, n.inputs.empty() ? "it is an input of the network" : why);
      for (const int from : n.inputs) fix(from, why);
    }
  }

  [[nodiscard]] std::vector<int> producers(int space) const {
    std::vector<int> all;
    for (int id = 0; id < graph_.size(); ++id) {
      if (find(id) == space && (normed_layer(id) >= 0 || (is_layer(id) && !feeds_norm(id)))) all.push_back(id);
    }
    return all;
  }
  [[nodiscard]] std::vector<int> consumers(int space) const {
    std::vector<int> all;
    for (int id = 0; id < graph_.size(); ++id) {
      if (is_layer(id) && find(node(id).inputs[0]) == space) all.push_back(id);
    }
    return all;
  }
  [[nodiscard]] std::vector<std::string> names(const std::vector<int>& ids) const {
    std::vector<std::string> all;
    for (const int id : ids) all.push_back(node(normed_layer(id) >= 0 ? normed_layer(id) : id).name);
    return all;
  }
  std::vector<int> free_spaces(EqualizeReport& report) const {
    std::vector<int> spaces;
    for (int id = 0; id < graph_.size(); ++id) {
      if (find(id) != id) continue;
      const std::vector<int> from = producers(id);
      if (from.empty()) continue;
      // A flattened image added to as many numbers: its channels repeat, theirs do not.
      const bool alike = std::all_of(from.begin(), from.end(), [&](int p) { return node(p).shape.back() == node(from[0]).shape.back(); });
      if (!alike) {
        for (const std::string& name : names(from)) report.left.push_back(formatted("{} is left as it is: what is added to it has other channels", name));
      } else if (fixed_[static_cast<std::size_t>(id)]) {
        for (const std::string& name : names(from)) report.left.push_back(formatted("{} is left as it is: {}", name, why_[static_cast<std::size_t>(id)]));
      } else if (!consumers(id).empty()) {
        spaces.push_back(id);
      }
    }
    return spaces;
  }

  [[nodiscard]] Tensor<float>& parameter(int id, const char* suffix) { return model_.parameter(node(id).name + "." + suffix).value; }
  [[nodiscard]] const Tensor<float>& parameter(int id, const char* suffix) const { return model_.parameter(node(id).name + "." + suffix).value; }

  // Channels that a layer's output or input has; a linear layer behind flatten reads each channel at many positions.
  [[nodiscard]] std::int64_t channels(int space) const {
    const int first = producers(space)[0];
    return node(first).shape.back();
  }

  // Largest magnitude of each output channel of what a producer makes.
  [[nodiscard]] std::vector<float> made(int id) const {
    const int layer = normed_layer(id) >= 0 ? normed_layer(id) : id;
    const Tensor<float>& w = parameter(layer, "weight");
    const int axis = graph::channel_axis(node(layer).op);
    const std::int64_t count = w.shape()[axis], inner = w.shape().product(axis + 1, w.shape().rank());
    std::vector<float> most(static_cast<std::size_t>(count), 0.0f);
    for (std::int64_t i = 0; i < w.size(); ++i) {
      float& m = most[static_cast<std::size_t>(i / inner % count)];
      m = std::max(m, std::fabs(w[i]));
    }
    if (layer == id) return most;
    const Tensor<float>& gamma = parameter(id, "gamma");
    const Tensor<float>& variance = model_.buffer(node(id).name + ".variance");
    const float eps = graph::as<graph::op::BatchNorm>(node(id).op)->eps;
    for (std::size_t c = 0; c < most.size(); ++c) {
      const auto i = static_cast<std::int64_t>(c);
      most[c] *= std::fabs(gamma[i]) / std::sqrt(variance[i] + eps);
    }
    return most;
  }
  // Channels of the input are the last axis of weights, also of a depthwise layer; behind flatten they repeat.
  void read(int id, std::vector<float>& most) const {
    const Tensor<float>& w = parameter(id, "weight");
    for (std::int64_t i = 0; i < w.size(); ++i) {
      float& m = most[static_cast<std::size_t>(i) % most.size()];
      m = std::max(m, std::fabs(w[i] * norm_factor(id, i)));
    }
  }
  // What the batch norm behind a layer multiplies its weight i with.
  [[nodiscard]] float norm_factor(int layer, std::int64_t i) const {
    if (!feeds_norm(layer)) return 1.0f;
    const int norm = graph_.consumers(layer)[0];
    const Tensor<float>& w = parameter(layer, "weight");
    const int axis = graph::channel_axis(node(layer).op);
    const std::int64_t c = i / w.shape().product(axis + 1, w.shape().rank()) % w.shape()[axis];
    const float eps = graph::as<graph::op::BatchNorm>(node(norm).op)->eps;
    return parameter(norm, "gamma")[c] / std::sqrt(model_.buffer(node(norm).name + ".variance")[c] + eps);
  }

  [[nodiscard]] std::vector<float> all_made(int space) const {
    std::vector<float> most(static_cast<std::size_t>(channels(space)), 0.0f);
    for (const int id : producers(space)) {
      const std::vector<float> m = made(id);
      for (std::size_t c = 0; c < most.size(); ++c) most[c] = std::max(most[c], m[c]);
    }
    return most;
  }
  [[nodiscard]] double disparity(int space) const {
    std::vector<float> most = all_made(space);
    const float largest = *std::max_element(most.begin(), most.end());
    std::nth_element(most.begin(), most.begin() + static_cast<std::ptrdiff_t>(most.size() / 2), most.end());
    const float median = most[most.size() / 2];
    return median > 0 ? static_cast<double>(largest / median) : 1.0;
  }

  // How far the values of each channel go, for inputs of mean 0 and deviation 1: three deviations beside the mean.
  [[nodiscard]] std::vector<float> reaches(int space) const {
    std::vector<float> most(static_cast<std::size_t>(channels(space)), 0.0f);
    for (const int id : producers(space)) {
      const bool normed = normed_layer(id) >= 0;
      const Parameter* offset = model_.find_parameter(node(id).name + (normed ? ".beta" : ".bias"));
      std::vector<double> spread(most.size(), 0.0);
      if (normed) {
        const Tensor<float>& gamma = parameter(id, "gamma");
        for (std::size_t c = 0; c < spread.size(); ++c) spread[c] = std::fabs(static_cast<double>(gamma[static_cast<std::int64_t>(c)]));
      } else {
        const Tensor<float>& w = parameter(id, "weight");
        const int axis = graph::channel_axis(node(id).op);
        const std::int64_t count = w.shape()[axis], inner = w.shape().product(axis + 1, w.shape().rank());
        for (std::int64_t i = 0; i < w.size(); ++i) spread[static_cast<std::size_t>(i / inner % count)] += static_cast<double>(w[i]) * static_cast<double>(w[i]);
        for (double& v : spread) v = std::sqrt(v);
      }
      for (std::size_t c = 0; c < most.size(); ++c) {
        const float mean = offset == nullptr ? 0.0f : std::fabs(offset->value[static_cast<std::int64_t>(c)]);
        most[c] = std::max(most[c], mean + 3 * static_cast<float>(spread[c]));
      }
    }
    return most;
  }

  bool scale(int space) {
    const std::vector<float> r1 = all_made(space), reach = reaches(space);
    const float farthest = *std::max_element(reach.begin(), reach.end());
    std::vector<float> r2(r1.size(), 0.0f), divisor(r1.size(), 1.0f);
    for (const int id : consumers(space)) read(id, r2);
    bool moved = false;
    for (std::size_t c = 0; c < r1.size(); ++c) {
      if (!(r1[c] > 0) || !(r2[c] > 0)) continue;  // a channel of zeros wants nothing
      double exponent = std::nearbyint(0.5 * (std::log2(static_cast<double>(r1[c])) - std::log2(static_cast<double>(r2[c]))));
      // A channel of tiny weights and an ordinary offset would become the largest value of the layer, whose scale all share.
      if (reach[c] > 0) exponent = std::max(exponent, std::ceil(std::log2(static_cast<double>(reach[c]) / static_cast<double>(farthest))));
      divisor[c] = static_cast<float>(std::ldexp(1.0, static_cast<int>(std::clamp(exponent, -20.0, 20.0))));
      moved = moved || divisor[c] != 1.0f;
    }
    if (!moved) return false;
    for (const int id : producers(space)) {
      if (normed_layer(id) >= 0) {
        divide(parameter(id, "gamma"), divisor, 1);
        divide(parameter(id, "beta"), divisor, 1);
      } else {
        Tensor<float>& w = parameter(id, "weight");
        const int axis = graph::channel_axis(node(id).op);
        divide(w, divisor, w.shape().product(axis + 1, w.shape().rank()));
        if (Parameter* bias = model_.find_parameter(node(id).name + ".bias")) divide(bias->value, divisor, 1);
      }
    }
    for (const int id : consumers(space)) {
      std::size_t i = 0;
      for (float& x : parameter(id, "weight").edit()) x *= divisor[i++ % divisor.size()];
    }
    return true;
  }
  static void divide(Tensor<float>& x, const std::vector<float>& divisor, std::int64_t inner) {
    std::int64_t i = 0;
    for (float& v : x.edit()) v /= divisor[static_cast<std::size_t>(i++ / inner) % divisor.size()];
  }

  Model model_;
  const Graph& graph_;
  std::vector<int> space_;
  std::vector<bool> fixed_;
  std::vector<std::string> why_;
};

}  // namespace detail

STET_ENTRY Model equalize(const Model& model, const EqualizeOptions& options, EqualizeReport* report) {
  require(options.rounds >= 1, Errc::range, "equalize: {} rounds, must be at least 1", options.rounds);
  EqualizeReport unread;
  return detail::Equalizer(model).run(options.rounds, report == nullptr ? unread : *report);
}
#endif

}  // namespace stet
