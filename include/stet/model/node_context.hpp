#pragma once
// What an operator sees when its node runs in float.

#include <stet/autograd/tape.hpp>
#include <stet/core/random.hpp>
#include <stet/graph/model.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/scale_shift.hpp>

#include <algorithm>
#include <functional>
#include <span>
#include <string_view>

namespace stet {

/// Whether a forward pass learns (batch statistics, dropout, gradients) or only computes.
enum class Mode { evaluation, training };

/// What an InferencePlan keeps of a layer: its weights in the order in which products read them, and what the batch norm and
/// the activation behind it do to its results. Empty weights: nothing is kept, the node runs as always.
struct PreparedLayer {
  Tensor<float> weights{};
  ScaleShift<float> tail{};
  [[nodiscard]] bool empty() const { return weights.empty(); }
};

/// One node of a forward pass: its inputs, parameters and buffers. Made by forward().
class NodeContext {
 public:
  /// Replaces a parameter before the operator sees it.
  using Replace = std::function<Var<Tensor<float>>(int node, std::string_view suffix, const Var<Tensor<float>>& value)>;

  NodeContext(Tape& tape, const Model& model, Model* trained, int node, Rng* rng, const Replace* replace = nullptr)
      : tape_(tape), model_(model), trained_(trained), node_(node), rng_(rng), replace_(replace) {}

  [[nodiscard]] Tape& tape() const { return tape_; }
  [[nodiscard]] const graph::Node& node() const { return model_.graph().nodes()[static_cast<std::size_t>(node_)]; }
  [[nodiscard]] int id() const { return node_; }
  [[nodiscard]] Mode mode() const { return trained_ != nullptr && !evaluates_ ? Mode::training : Mode::evaluation; }
  /// Computes as in evaluation, while parameters have gradients all the same: a frozen batch norm.
  void evaluate() { evaluates_ = true; }

  [[nodiscard]] std::size_t inputs() const { return inputs_.size(); }
  [[nodiscard]] const Var<Tensor<float>>& input(std::size_t i = 0) const { return inputs_[i]; }
  [[nodiscard]] const std::vector<Var<Tensor<float>>>& input_list() const { return inputs_; }
  void add_input(Var<Tensor<float>> x) { inputs_.push_back(std::move(x)); }
  [[nodiscard]] std::int64_t batch() const { return inputs_[0].shape()[0]; }

  /// The clamp that the node applies to its value because the activation behind it is fused into it.
  [[nodiscard]] Clamp clamp() const { return clamp_; }
  void fuse(Clamp clamp) { clamp_ = clamp; }

  /// What was prepared of this layer; null if nothing was.
  [[nodiscard]] const PreparedLayer* prepared() const { return prepared_; }
  void prepare(const PreparedLayer& layer) { prepared_ = layer.empty() ? nullptr : &layer; }

  /// Whether training leaves what the node has as it is.
  [[nodiscard]] bool frozen() const { return model_.frozen(node_); }

  /// A parameter by its suffix; with a gradient in training, unless it is frozen.
  /// Errors:    Errc::range if the node has none of this name
  [[nodiscard]] Var<Tensor<float>> parameter(std::string_view suffix) {
    const Var<Tensor<float>> own =
        trained_ != nullptr && !frozen() ? tape_.parameter(find<NamedParameter>(trained_->parameters(), suffix).parameter)
                            : tape_.constant(find<const NamedParameter>(model_.parameters(), suffix).parameter.value);
    return replace_ != nullptr && *replace_ ? (*replace_)(node_, suffix, own) : own;
  }
  [[nodiscard]] const Tensor<float>& buffer(std::string_view suffix) const {
    return find<const NamedBuffer>(model_.buffers(), suffix).value;
  }
  /// A buffer that training moves.
  /// Errors:    Errc::state in evaluation
  [[nodiscard]] Tensor<float>& moving_buffer(std::string_view suffix) {
    require(trained_ != nullptr, Errc::state, "{}: buffer {} moves in training only", node().name, suffix);
    return find<NamedBuffer>(trained_->buffers(), suffix).value;
  }
  /// Random numbers, for dropout.
  /// Errors:    Errc::state if forward was given none
  [[nodiscard]] Rng& rng() {
    require(rng_ != nullptr, Errc::state, "{}: needs random numbers in training; pass forward an Rng in its options",
            node().name);
    return *rng_;
  }

 private:
  template <class Named, class List>
  Named& find(List& list, std::string_view suffix) const {
    // Entries are in node order.
    auto first = std::lower_bound(list.begin(), list.end(), node_, [](const auto& e, int n) { return e.node < n; });
    for (auto entry = first; entry != list.end() && entry->node == node_; ++entry) {
      if (std::string_view(entry->name).substr(node().name.size() + 1) == suffix) return *entry;
    }
    fail(Errc::range, "{}: has no parameter or buffer '{}'", node().name, suffix);
  }

  Tape& tape_;
  const Model& model_;
  Model* trained_;  // the same model if it is trained, else null
  int node_;
  Rng* rng_;
  const Replace* replace_;
  Clamp clamp_ = Clamp::none;
  const PreparedLayer* prepared_ = nullptr;
  bool evaluates_ = false;
  std::vector<Var<Tensor<float>>> inputs_;
};

namespace train_op {

// Whether an operator runs in float: all do but a user's that does not say how.
template <class Op>
bool on_tape(const Op&) {
  return true;
}
// The weights of a layer as PreparedLayer keeps them; empty where an operator has nothing to prepare.
template <class Op>
Tensor<float> prepared_weights(const Op&, const Tensor<float>&) {
  return {};
}

}  // namespace train_op

}  // namespace stet
