#pragma once
// ChannelSpaces: which channels of a float network may be scaled together without changing what it computes, and how.

#include <stet/graph/match.hpp>
#include <stet/graph/model.hpp>
#include <stet/passes/weight_channels.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace stet::detail {

// Values whose channels are multiplied by the same numbers: what layers make, and all that hands it on to layers that read it.
// A class is one such number: a channel of every value in it, or several behind flatten.
struct ChannelSpace {
  std::vector<int> producers{};  // layers, or the batch norms behind them
  std::vector<int> consumers{};  // layers
  std::vector<bool> free{};      // per class, whether it may be scaled
};

class ChannelSpaces {
 public:
  explicit ChannelSpaces(const Model& model) : model_(model), graph_(model_.graph()), space_(graph_.nodes().size()), first_(space_.size()) {
    std::iota(space_.begin(), space_.end(), 0);
    int channels = 0;
    for (int id = 0; id < graph_.size(); ++id) {
      first_[static_cast<std::size_t>(id)] = channels;
      channels += width(id);
    }
    class_.resize(static_cast<std::size_t>(channels));
    std::iota(class_.begin(), class_.end(), 0);
    why_.resize(class_.size());
    index_.resize(class_.size());
    for (int id = 0; id < graph_.size(); ++id) join(id);
    for (const int id : graph_.outputs()) fix(id, "it is an output of the network");
  }

  // Spaces that have channels to scale, in the order of their last nodes; sentences on those that have not go to `left`.
  [[nodiscard]] std::vector<ChannelSpace> spaces(std::vector<std::string>& left) {
    std::vector<ChannelSpace> found;
    for (int id = 0; id < graph_.size(); ++id) {
      if (space_of(id) != id) continue;
      ChannelSpace s{producers(id), consumers(id), {}};
      if (s.producers.empty()) continue;
      for (const int p : s.producers) count_classes(p, s, left);
      std::erase_if(s.consumers, [&](int reader) { return !reads_free(reader); });  // a concat also brings channels that nobody scales
      const bool any = std::find(s.free.begin(), s.free.end(), true) != s.free.end();
      if (any && !s.consumers.empty()) found.push_back(std::move(s));
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> names(const std::vector<int>& ids) const {
    std::vector<std::string> all;
    for (const int id : ids) all.push_back(node(normed_layer(id) >= 0 ? normed_layer(id) : id).name);
    return all;
  }

  // Largest magnitude of each class in the folded weights of the layers that make it.
  [[nodiscard]] std::vector<float> made(const ChannelSpace& s) const {
    std::vector<float> most(s.free.size(), 0.0f);
    for (const int p : s.producers) {
      const int layer = normed_layer(p) >= 0 ? normed_layer(p) : p;
      const Tensor<float>& w = parameter(layer, "weight");
      for (std::int64_t i = 0; i < w.size(); ++i) {
        const std::int64_t c = output_channel(layer, i);
        float& m = most[class_of(p, c)];
        m = std::max(m, std::fabs(w[i]) * (layer == p ? 1.0f : std::fabs(norm_factor(p, c))));
      }
    }
    return most;
  }
  // Largest magnitude of each class in the folded weights of the layers that read it.
  [[nodiscard]] std::vector<float> read(const ChannelSpace& s) const {
    std::vector<float> most(s.free.size(), 0.0f);
    for (const int id : s.consumers) {
      const Tensor<float>& w = parameter(id, "weight");
      const int norm = feeds_norm(id) ? graph_.consumers(id)[0] : -1;
      for (std::int64_t i = 0; i < w.size(); ++i) {
        float& m = most[class_of(node(id).inputs[0], input_channel(id, i))];
        m = std::max(m, std::fabs(w[i] * (norm < 0 ? 1.0f : norm_factor(norm, output_channel(id, i)))));
      }
    }
    return most;
  }
  // How far the values of each class go, for inputs of mean 0 and deviation 1: three deviations beside the mean.
  [[nodiscard]] std::vector<float> reaches(const ChannelSpace& s) const {
    std::vector<float> most(s.free.size(), 0.0f);
    for (const int id : s.producers) {
      const bool normed = normed_layer(id) >= 0;
      const Parameter* offset = model_.find_parameter(node(id).name + (normed ? ".beta" : ".bias"));
      std::vector<double> spread(static_cast<std::size_t>(width(id)), 0.0);
      if (normed) {
        const Tensor<float>& gamma = parameter(id, "gamma");
        for (std::size_t c = 0; c < spread.size(); ++c) spread[c] = std::fabs(static_cast<double>(gamma[static_cast<std::int64_t>(c)]));
      } else {
        const Tensor<float>& w = parameter(id, "weight");
        for (std::int64_t i = 0; i < w.size(); ++i) spread[static_cast<std::size_t>(output_channel(id, i))] += static_cast<double>(w[i]) * static_cast<double>(w[i]);
        for (double& v : spread) v = std::sqrt(v);
      }
      for (std::size_t c = 0; c < spread.size(); ++c) {
        const auto i = static_cast<std::int64_t>(c);
        const float mean = offset == nullptr ? 0.0f : std::fabs(offset->value[i]);
        float& m = most[class_of(id, i)];
        m = std::max(m, mean + 3 * static_cast<float>(spread[c]));
      }
    }
    return most;
  }
  // Per class the largest of numbers that a function gives for the channels of what the layers read.
  template <class F>
  [[nodiscard]] std::vector<float> largest_read(const ChannelSpace& s, F&& of_channel) const {
    std::vector<float> most(s.free.size(), 0.0f);
    for (const int id : s.consumers) {
      const int value = node(id).inputs[0];
      for (std::int64_t c = 0; c < width(value); ++c) {
        float& m = most[class_of(value, c)];
        m = std::max(m, of_channel(value, c));
      }
    }
    return most;
  }

  // Divides what the producers make by powers of two, 2^exponent of each class, and multiplies the weights that read it; false
  // if all exponents are 0 or belong to channels that may not be scaled.
  bool scale(const ChannelSpace& s, const std::vector<double>& exponents) {
    std::vector<float> divisor(s.free.size(), 1.0f);
    bool moved = false;
    for (std::size_t c = 0; c < divisor.size(); ++c) {
      if (s.free[c]) divisor[c] = static_cast<float>(std::ldexp(1.0, static_cast<int>(std::clamp(exponents[c], -20.0, 20.0))));
      moved = moved || divisor[c] != 1.0f;
    }
    if (!moved) return false;
    for (const int p : s.producers) {
      if (normed_layer(p) >= 0) {
        divide(p, parameter(p, "gamma"), divisor, false);
        divide(p, parameter(p, "beta"), divisor, false);
      } else {
        divide(p, parameter(p, "weight"), divisor, true);
        if (Parameter* bias = model_.find_parameter(node(p).name + ".bias")) divide(p, bias->value, divisor, false);
      }
    }
    for (const int id : s.consumers) {
      std::int64_t i = 0;
      for (float& x : parameter(id, "weight").edit()) x *= divisor[class_of(node(id).inputs[0], input_channel(id, i++))];
    }
    return true;
  }

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] Model take() { return std::move(model_); }

 private:
  [[nodiscard]] const graph::Node& node(int id) const { return graph_.node(id); }
  [[nodiscard]] int width(int id) const { return node(id).shape.rank() == 0 ? 1 : static_cast<int>(node(id).shape.back()); }
  [[nodiscard]] int space_of(int id) const { return root(space_, id); }
  [[nodiscard]] static int root(const std::vector<int>& of, int id) {
    while (of[static_cast<std::size_t>(id)] != id) id = of[static_cast<std::size_t>(id)];
    return id;
  }
  // The class of a channel of a node's value, in all of the network.
  [[nodiscard]] std::size_t root_of(int id, std::int64_t c) const {
    return static_cast<std::size_t>(root(class_, first_[static_cast<std::size_t>(id)] + static_cast<int>(c)));
  }
  // The same, counted in its space; after spaces().
  [[nodiscard]] std::size_t class_of(int id, std::int64_t c) const { return static_cast<std::size_t>(index_[root_of(id, c)]); }

  void unite(int a, std::int64_t i, int b, std::int64_t j) {
    const int sa = space_of(a), sb = space_of(b);
    if (sa != sb) space_[static_cast<std::size_t>(sb)] = sa;
    const std::size_t x = root_of(a, i), y = root_of(b, j);
    if (x == y) return;
    // Towards the earlier channel: behind flatten hundreds have one class, and paths stay short.
    const auto [low, high] = std::minmax(x, y);
    class_[high] = static_cast<int>(low);
    if (why_[low].empty()) why_[low] = why_[high];
  }
  void fix(int id, const std::string& why) {
    for (int c = 0; c < width(id); ++c) {
      std::string& reason = why_[root_of(id, c)];
      if (reason.empty()) reason = why;
    }
  }
  [[nodiscard]] bool is_layer(int id) const { return follows_channels(node(id).op); }
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
  // Which channel of the layer's output and of its input a weight belongs to.
  [[nodiscard]] std::int64_t output_channel(int layer, std::int64_t i) const {
    return detail::output_channel(node(layer).op, parameter(layer, "weight").shape(), i);
  }
  [[nodiscard]] std::int64_t input_channel(int layer, std::int64_t i) const {
    return detail::input_channel(node(layer).op, parameter(layer, "weight").shape(), i);
  }

  // What a node does to the channels of its inputs and output.
  void join(int id) {
    const graph::Node& n = node(id);
    const auto* concat = graph::as<graph::op::Concat>(n.op);
    const bool same_sum = graph::is<graph::op::Add>(n.op) && node(n.inputs[0]).shape == node(n.inputs[1]).shape;
    if (graph::scales_channels(n.op) || same_sum || concat != nullptr) {
      const bool beside = concat != nullptr && concat->axis == n.shape.rank() - 1;
      int first = 0;
      for (const int from : n.inputs) {
        const int end = beside ? width(from) : width(id);
        for (int c = 0; c < end; ++c) unite(id, first + c, from, c % width(from));
        if (beside) first += end;
      }
    } else if (!is_layer(id) && normed_layer(id) < 0) {
      const std::string why = formatted("{} ({}) does not pass a factor on", n.name, graph::kind(n.op));
      fix(id, n.inputs.empty() ? "it is an input of the network" : why);
      for (const int from : n.inputs) fix(from, why);
    }
  }

  [[nodiscard]] std::vector<int> producers(int space) const {
    std::vector<int> all;
    for (int id = 0; id < graph_.size(); ++id) {
      if (space_of(id) == space && (normed_layer(id) >= 0 || (is_layer(id) && !feeds_norm(id)))) all.push_back(id);
    }
    return all;
  }
  [[nodiscard]] std::vector<int> consumers(int space) const {
    std::vector<int> all;
    for (int id = 0; id < graph_.size(); ++id) {
      if (is_layer(id) && space_of(node(id).inputs[0]) == space) all.push_back(id);
    }
    return all;
  }
  // Numbers the classes of what a producer makes, and of all that is read beside it.
  void count_classes(int producer, ChannelSpace& s, std::vector<std::string>& left) {
    int fixed = 0;
    std::string why;
    for (int c = 0; c < width(producer); ++c) {
      const std::size_t at = root_of(producer, c);
      number(at, s);
      if (why_[at].empty()) continue;
      if (fixed++ == 0) why = why_[at];
    }
    // A concat may bring channels that nobody here makes.
    for (const int id : s.consumers) {
      for (int c = 0; c < width(node(id).inputs[0]); ++c) number(root_of(node(id).inputs[0], c), s);
    }
    if (fixed == 0) return;
    const std::string name = names({producer})[0];
    left.push_back(fixed == width(producer) ? formatted("{} is left as it is: {}", name, why)
                                            : formatted("{} of {} channels of {} are left as they are: {}", fixed, width(producer), name, why));
  }
  [[nodiscard]] bool reads_free(int layer) const {
    const int value = node(layer).inputs[0];
    for (int c = 0; c < width(value); ++c) {
      if (why_[root_of(value, c)].empty()) return true;
    }
    return false;
  }
  void number(std::size_t root, ChannelSpace& s) {
    if (numbered_.empty()) numbered_.assign(class_.size(), false);
    if (numbered_[root]) return;
    numbered_[root] = true;
    index_[root] = static_cast<int>(s.free.size());
    s.free.push_back(why_[root].empty());
  }

  [[nodiscard]] Tensor<float>& parameter(int id, const char* suffix) { return model_.parameter(node(id).name + "." + suffix).value; }
  [[nodiscard]] const Tensor<float>& parameter(int id, const char* suffix) const { return model_.parameter(node(id).name + "." + suffix).value; }
  // What a batch norm multiplies a channel with.
  [[nodiscard]] float norm_factor(int norm, std::int64_t c) const {
    const float eps = graph::as<graph::op::BatchNorm>(node(norm).op)->eps;
    return parameter(norm, "gamma")[c] / std::sqrt(model_.buffer(node(norm).name + ".variance")[c] + eps);
  }
  void divide(int id, Tensor<float>& x, const std::vector<float>& divisor, bool weights) {
    std::int64_t i = 0;
    for (float& v : x.edit()) {
      v /= divisor[class_of(id, weights ? output_channel(id, i) : i)];
      ++i;
    }
  }

  Model model_;
  const Graph& graph_;
  std::vector<int> space_;        // per node, another of its space
  std::vector<int> first_;        // per node, its first channel among those of all values
  std::vector<int> class_;        // per channel, another of its class
  std::vector<std::string> why_;  // per class, what keeps it as it is; empty: nothing
  std::vector<int> index_;        // per class, its number in its space
  std::vector<bool> numbered_;
};

}  // namespace stet::detail
