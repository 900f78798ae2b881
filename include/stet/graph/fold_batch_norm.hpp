#pragma once
// fold_batch_norm: the batch norms of a float model become part of the layers before them, as files want it.

#include <stet/graph/model.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// A model without the batch norms that could be folded, and where the old values are.
struct FoldedBatchNorm {
  Model model;
  std::vector<int> node_of{};  ///< per old node the new one with its value; -1 for values that exist no more
};

namespace detail {

// y = k*x + b of one batch norm in evaluation.
struct NormLine {
  std::vector<double> k, mean, beta;
};

inline NormLine norm_line(const Model& model, int id) {
  const graph::Node& node = model.graph().node(id);
  const auto values = [&](const char* suffix) { return model.parameter(node.name + suffix).value.span(); };
  const auto gamma = values(".gamma");
  const auto beta = values(".beta");
  const auto mean = model.buffer(node.name + ".mean").span();
  const auto variance = model.buffer(node.name + ".variance").span();
  const auto eps = static_cast<double>(graph::as<graph::op::BatchNorm>(node.op)->eps);
  NormLine line;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const double spread = static_cast<double>(variance[c]) + eps;
    require(spread > 0.0, Errc::range, "fold_batch_norm: {}: variance {} of channel {} is negative", node.name,
            variance[c], c);
    line.k.push_back(static_cast<double>(gamma[c]) / std::sqrt(spread));
    line.mean.push_back(static_cast<double>(mean[c]));
    line.beta.push_back(static_cast<double>(beta[c]));
  }
  return line;
}

// Whether the channel of weight i is i % channels (depthwise) or i / (elements per channel).
inline bool channels_last(const graph::Operator& o) { return graph::channel_axis(o) != 0; }

inline graph::Operator with_bias(const graph::Operator& any, bool bias = true) {
  return graph::match(any, [&](auto o) -> graph::Operator {
    if constexpr (requires { o.bias; }) o.bias = bias;
    return o;
  });
}

class BatchNormFolder {
 public:
  explicit BatchNormFolder(const Model& model) : old_(model), graph_(model.graph()) {}

  FoldedBatchNorm run() {
    const auto count = graph_.nodes().size();
    std::vector<int> norm_of(count, -1), layer_of(count, -1);
    for (int id = 0; id < graph_.size(); ++id) {
      const int layer = foldable(id);
      if (layer < 0) continue;
      norm_of[index(layer)] = id;
      layer_of[index(id)] = layer;
    }
    Graph folded;
    std::vector<int> node_of(count, -1), made_of(count, -1);  // made_of: the new node with an old node's parameters
    for (int id = 0; id < graph_.size(); ++id) {
      const graph::Node& node = graph_.node(id);
      if (layer_of[index(id)] >= 0) {
        node_of[index(id)] = made_of[index(layer_of[index(id)])];
        continue;
      }
      std::vector<int> inputs;
      for (const int from : node.inputs) inputs.push_back(node_of[index(from)]);
      const int norm = norm_of[index(id)];
      const bool renamed = norm >= 0 && graph_.is_output(norm);
      const graph::Operator op = norm >= 0 ? with_bias(node.op) : leftover(id) ? scale_operator() : node.op;
      const int made = folded.add(op, std::move(inputs), renamed ? graph_.node(norm).name : node.name).id();
      made_of[index(id)] = made;
      if (norm < 0) node_of[index(id)] = made;
    }
    for (const int id : graph_.outputs()) folded.output(node_of[index(id)]);
    Model model(std::move(folded), Rng(0));
    for (int id = 0; id < graph_.size(); ++id) {
      if (layer_of[index(id)] >= 0) continue;
      const int made = made_of[index(id)];
      if (norm_of[index(id)] >= 0) {
        fold_into(model, made, id, norm_of[index(id)]);
      } else if (leftover(id)) {
        write_scale(model, made, id);
      } else {
        copy(model, made, id);
      }
    }
    return {std::move(model), std::move(node_of)};
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  static graph::Operator scale_operator() { return graph::op::DepthwiseConv2D{.kernel = 1}; }

  // The layer that can take in this batch norm, -1 if there is none.
  int foldable(int id) const {
    const graph::Node& node = graph_.node(id);
    if (!graph::is<graph::op::BatchNorm>(node.op)) return -1;
    const int from = node.inputs[0];
    return graph::has_weights(graph_.node(from).op) && !graph_.is_output(from) && graph_.consumers(from).size() == 1 ? from : -1;
  }
  // A batch norm of an image that stays, as a depthwise convolution of one tap.
  bool leftover(int id) const {
    return graph::is<graph::op::BatchNorm>(graph_.node(id).op) && graph_.node(id).shape.rank() == 3;
  }

  static Parameter& parameter(Model& model, int node, std::string_view suffix) {
    return model.parameter(model.graph().node(node).name + std::string(suffix));
  }

  void copy(Model& model, int made, int id) const {
    const std::string& from = graph_.node(id).name;
    const std::string& to = model.graph().node(made).name;
    for (const graph::ParameterSpec& spec : graph_.parameter_specs(id)) {
      const std::string suffix = "." + spec.suffix;
      if (graph::is_buffer(spec.role)) {
        model.buffer(to + suffix) = old_.buffer(from + suffix);
      } else {
        model.parameter(to + suffix).value = old_.parameter(from + suffix).value;
      }
    }
  }

  void fold_into(Model& model, int made, int id, int norm) const {
    const NormLine line = norm_line(old_, norm);
    const graph::Node& node = graph_.node(id);
    const Parameter* bias = old_.find_parameter(node.name + ".bias");
    Tensor<float> weight = old_.parameter(node.name + ".weight").value;
    const std::span<float> w = weight.edit();
    const std::size_t channels = line.k.size();
    const std::size_t per_channel = w.size() / channels;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t c = channels_last(node.op) ? i % channels : i / per_channel;
      w[i] = static_cast<float>(static_cast<double>(w[i]) * line.k[c]);
    }
    parameter(model, made, ".weight").value = weight;
    const std::span<float> b = parameter(model, made, ".bias").value.edit();
    for (std::size_t c = 0; c < channels; ++c) {
      const double old = bias == nullptr ? 0.0 : static_cast<double>(bias->value.span()[c]);
      b[c] = static_cast<float>(line.beta[c] + (old - line.mean[c]) * line.k[c]);
    }
  }

  void write_scale(Model& model, int made, int id) const {
    const NormLine line = norm_line(old_, id);
    const std::span<float> w = parameter(model, made, ".weight").value.edit();
    const std::span<float> b = parameter(model, made, ".bias").value.edit();
    for (std::size_t c = 0; c < line.k.size(); ++c) {
      w[c] = static_cast<float>(line.k[c]);
      b[c] = static_cast<float>(line.beta[c] - line.mean[c] * line.k[c]);
    }
  }

  const Model& old_;
  const Graph& graph_;
};

}  // namespace detail

/// The same function of running statistics with fewer batch norms: one behind a convolution, depthwise convolution or
/// linear layer that only it reads goes into that layer, which then has a bias; one that stays on an image becomes a
/// depthwise convolution of one tap; any other stays. A layer keeps its name, unless the batch norm is an output of the
/// graph: then it takes that name.
/// Formula:   w' = w*k, b' = beta + (b - mean)*k, k = gamma/sqrt(variance + eps), in double
/// Rounding:  to float at the end
/// Errors:    Errc::range if variance + eps is not positive, naming batch norm and channel
inline FoldedBatchNorm fold_batch_norm_with_map(const Model& model) { return detail::BatchNormFolder(model).run(); }

/// fold_batch_norm_with_map without the map.
inline Model fold_batch_norm(const Model& model) { return fold_batch_norm_with_map(model).model; }

}  // namespace stet
