#pragma once
// hessian_trace: how sharply the loss bends in the weights of each layer, from products of the Hessian with random vectors.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/model.hpp>

#include <cstdint>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <stet/core/random.hpp>
#include <stet/data/random_subset.hpp>
#include <stet/model/data_sample.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/model_inputs.hpp>
#include <stet/ops/loss.hpp>

#include <cmath>
#include <map>
#endif

namespace stet {

/// Which images hessian_trace looks at, and how often.
struct HessianTraceOptions {
  std::int64_t images = 1024;  ///< drawn at random from all; 0: all
  std::int64_t batch = 128;    ///< images at a time
  std::uint64_t seed = 1;      ///< of the drawing and of the random vectors
  int probes = 8;              ///< random vectors; at least 2, for the standard error
  double step = 0.01;          ///< of the difference of gradients, in parts of a layer's root mean square
};

/// The trace of one layer's part of the Hessian, divided by the number of its weights.
struct LayerTrace {
  std::string layer{};
  double mean = 0;            ///< loss per squared unit of weight
  double standard_error = 0;  ///< over the probes
};

/// Estimates the mean of the diagonal of the Hessian of the cross-entropy, for the weights of each layer, in the float
/// model with batch norm's running statistics. Layers are those of `layers`, by name.
/// Formula:   with d = r v, v of random signs, r the root mean square of the layer's weights:
///            mean over probes of d . (g(w + h d) - g(w - h d)) / (2 h r^2 n); g is the gradient of the mean loss over the
///            images. All layers are moved at once: what one brings into another's product has the mean 0
/// Errors:    Errc::state if the data are empty; Errc::range if an option is impossible or a layer does not exist, or its
///            weights are all 0
/// Source:    Hutchinson 1990; Dong 2020, HAWQ-V2, arXiv 1911.03852 (there with exact products)
STET_ENTRY std::vector<LayerTrace> hessian_trace(const Model& model, const Dataset& data, const std::vector<std::string>& layers,
                                                 const HessianTraceOptions& options = {});
#if STET_DEFINE_ENTRIES
namespace detail {

// Gradients of the mean loss over all images with respect to some weights, with the weights given.
class WeightGradients {
 public:
  WeightGradients(const Model& model, const Dataset& data, std::int64_t batch, std::vector<int> nodes)
      : model_(&model), data_(&data), batch_(batch), nodes_(std::move(nodes)) {}

  [[nodiscard]] std::vector<std::vector<double>> at(const std::vector<Tensor<float>>& weights) const {
    std::vector<std::vector<double>> sums;
    for (const Tensor<float>& w : weights) sums.emplace_back(static_cast<std::size_t>(w.size()), 0.0);
    for (std::int64_t first = 0; first < data_->size(); first += batch_) {
      const Batch images = data_->batch(first, std::min(first + batch_, data_->size()));
      Tape tape;
      std::map<int, Var<Tensor<float>>> variables;
      ForwardOptions o;
      o.parameter = [&](int node, std::string_view suffix, const Var<Tensor<float>>& value) {
        for (std::size_t l = 0; l < nodes_.size(); ++l) {
          if (nodes_[l] == node && suffix == "weight") return variables.emplace(node, tape.variable(weights[l])).first->second;
        }
        return value;
      };
      const std::vector<Var<Tensor<float>>> logits = run_model(tape, *model_, nullptr, images.inputs(), o);
      tape.backward(softmax_cross_entropy(logits[0], images.labels, {}));
      const double part = static_cast<double>(images.size()) / static_cast<double>(data_->size());
      for (std::size_t l = 0; l < nodes_.size(); ++l) {
        const Var<Tensor<float>>& w = variables.at(nodes_[l]);
        if (!tape.has_gradient(w)) continue;
        const Tensor<float>& g = tape.gradient(w);
        for (std::size_t i = 0; i < sums[l].size(); ++i) sums[l][i] += part * static_cast<double>(g.data()[i]);
      }
    }
    return sums;
  }

 private:
  const Model* model_;
  const Dataset* data_;
  std::int64_t batch_;
  std::vector<int> nodes_;
};

}  // namespace detail

STET_ENTRY std::vector<LayerTrace> hessian_trace(const Model& model, const Dataset& data, const std::vector<std::string>& layers,
                                                 const HessianTraceOptions& o) {
  require(data.size() > 0, Errc::state, "hessian_trace: the data set is empty");
  require(data.has_labels(), Errc::state, "hessian_trace: data set {} has no labels; the trace is that of their cross-entropy", data.name());
  require(o.probes >= 2 && o.batch > 0 && o.step > 0.0 && std::isfinite(o.step), Errc::range,
          "hessian_trace: needs at least 2 probes, a positive batch and a positive step, got {}, {} and {}", o.probes, o.batch, o.step);
  detail::require_data("hessian_trace", model.graph(), data);
  detail::require_one_output("hessian_trace", model.graph());
  std::vector<int> nodes;
  std::vector<Tensor<float>> weights;
  std::vector<double> size;  // root mean square of each layer's weights
  for (const std::string& layer : layers) {
    nodes.push_back(model.graph().find(layer));
    weights.push_back(model.parameter(layer + ".weight").value);
    double squares = 0;
    for (const float w : weights.back().span()) squares += static_cast<double>(w) * static_cast<double>(w);
    size.push_back(std::sqrt(squares / static_cast<double>(weights.back().size())));
    require(size.back() > 0.0 && std::isfinite(size.back()), Errc::range, "hessian_trace: the weights of {} are all 0, or not finite", layer);
  }
  const Dataset images = random_subset(data, o.images, o.seed);
  const detail::WeightGradients gradients(model, images, o.batch, nodes);
  std::vector<std::vector<double>> found(layers.size());
  const Rng rng(o.seed);
  for (int probe = 0; probe < o.probes; ++probe) {
    Rng signs = rng.split(static_cast<std::uint64_t>(probe));
    std::vector<Tensor<float>> up = weights, down = weights;
    std::vector<std::vector<float>> moved(layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const std::span<float> a = up[l].edit(), b = down[l].edit();
      for (std::size_t i = 0; i < a.size(); ++i) {
        const auto d = static_cast<float>((signs.next() >> 63) != 0 ? size[l] : -size[l]);
        a[i] += static_cast<float>(o.step) * d;
        b[i] -= static_cast<float>(o.step) * d;
        moved[l].push_back(d);
      }
    }
    const auto above = gradients.at(up), below = gradients.at(down);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      double product = 0;
      for (std::size_t i = 0; i < moved[l].size(); ++i) product += static_cast<double>(moved[l][i]) * (above[l][i] - below[l][i]);
      found[l].push_back(product / (2.0 * o.step * size[l] * size[l] * static_cast<double>(moved[l].size())));
    }
  }
  std::vector<LayerTrace> traces;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto n = static_cast<double>(o.probes);
    double sum = 0, squares = 0;
    for (const double t : found[l]) sum += t;
    for (const double t : found[l]) squares += (t - sum / n) * (t - sum / n);
    traces.push_back({layers[l], sum / n, std::sqrt(squares / (n - 1.0) / n)});
  }
  return traces;
}
#endif

}  // namespace stet
